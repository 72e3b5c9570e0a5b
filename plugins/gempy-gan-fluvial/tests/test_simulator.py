import hashlib
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from gempy_gan_fluvial import river
from gempy_gan_fluvial.deposition import BAR, FLOODPLAIN, LAG, PLUG
from gempy_gan_fluvial.labels import LABELS, OUT_OF_DISTRIBUTION
from gempy_gan_fluvial.simulator import MEASURED, VERSION, FluvialSimulator
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.registry import CPUDispatcher

from gempy_gan import GempyGanError, get_prior
from gempy_gan.testing import check_prior

TINY = (32, 32, 8)


def many(n, shape=(40, 40, 5), **options):
    simulator = FluvialSimulator(shape, **options)
    return [simulator.simulate(seed) for seed in range(n)]


@pytest.fixture(scope="module")
def runs():
    return many(24)


@pytest.mark.parametrize("facies", [False, True])
def test_it_keeps_the_contract_of_a_prior(facies):
    check_prior(FluvialSimulator((16, 12, 4), facies=facies), n=4, rebuild=FluvialSimulator)


def test_it_is_registered_by_the_entry_point():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    (module,) = tomllib.loads(text)["project"]["entry-points"]["gempy_gan"].values()
    named = {}
    import_module(module).gempy_gan_register_priors(lambda name, target, summary: named.update({name: target}))
    assert named["fluvial-simulator"] == "gempy_gan_fluvial.simulator:FluvialSimulator"
    assert isinstance(get_prior("fluvial-simulator", shape=[8, 8, 2]), FluvialSimulator)


def test_listing_plugins_imports_no_numba():
    code = "import sys, gempy_gan_fluvial; print('numba' in sys.modules, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout.split() == ["False", "False"]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 10)),
    cell=st.tuples(st.floats(20, 250), st.floats(20, 250), st.floats(0.3, 4)),
)
def test_superposition_and_ranges_hold_for_any_box(seed, shape, cell):
    (coarse, time), labels = FluvialSimulator(shape, cell, labels={"mobility": (4, 12)}).simulate(seed)
    assert coarse.shape == time.shape == shape
    assert coarse.dtype == time.dtype == np.float32
    assert (np.diff(time, axis=2) >= 0).all()  # exactly, in every column
    assert 0 <= coarse.min() <= coarse.max() <= 1
    assert time.min() == 0
    assert time.max() == (1 if time.size > 1 and time.any() else 0)
    assert all(np.isfinite(value) for value in labels.values())


def test_superposition_holds_for_many_seeds(runs):
    assert all((np.diff(values[1], axis=2) >= 0).all() for values, _ in runs)


def digest(seed):
    values, labels = FluvialSimulator(TINY, facies=True).simulate(seed)
    return hashlib.sha256(values.tobytes() + repr(labels).encode()).hexdigest()


def test_a_seed_gives_the_same_bytes_in_another_process():
    code = f"""
import hashlib
from gempy_gan_fluvial.simulator import FluvialSimulator
simulator = FluvialSimulator({TINY}, facies=True)
simulator.simulate(4)  # whatever came before
values, labels = simulator.simulate(3)
print(hashlib.sha256(values.tobytes() + repr(labels).encode()).hexdigest())
"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert other.stdout.strip() == digest(3) != digest(4)


def test_a_run_is_compiled_anew_when_any_module_changes_that_it_is_compiled_from():
    function = river.march.py_func
    (sources,) = (cell.cell_contents for cell in function.__closure__)  # what numba's cache on disk looks at
    called = [function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__]
    modules = {*(f.py_func.__module__ for f in called if isinstance(f, CPUDispatcher))}
    assert modules == {module.__name__ for module in river.SOURCES}
    assert sources == hashlib.sha256(b"".join(Path(m.__file__).read_bytes() for m in river.SOURCES)).hexdigest()


def test_facies_change_nothing_else():
    plain, labels = FluvialSimulator(TINY).simulate(5)
    with_facies, same = FluvialSimulator(TINY, facies=True).simulate(5)
    assert (plain == with_facies[:2]).all()
    assert labels == same


def test_channel_deposits_are_coarser_than_plugs_and_floodplain():
    simulator = FluvialSimulator(TINY, facies=True, labels={"splays": (2, 3)})
    runs = [simulator.simulate(seed)[0].reshape(3, -1) for seed in range(8)]
    coarse, _, facies = np.concatenate(runs, axis=1)
    assert set(np.unique(facies)) == set(range(6))
    means = [coarse[facies == code].mean() for code in range(6)]
    assert means[LAG] > means[BAR] > 0.4
    assert max(means[PLUG], means[FLOODPLAIN]) < 0.25


def test_labels_come_in_order_and_within_their_ranges(runs):
    for _, labels in runs:
        assert tuple(labels) == (*(label.name for label in LABELS), *MEASURED)
        assert all(label.low <= labels[label.name] <= label.high for label in LABELS)


def test_sinuosity_and_wavelength_are_those_of_meandering_rivers(runs):
    sinuosity = np.array([labels["sinuosity"] for _, labels in runs])
    wavelength = np.array([labels["wavelength_measured"] for _, labels in runs])
    assert np.mean((sinuosity > 1.2) & (sinuosity < 2.6)) >= 0.95
    assert 1.3 < np.median(sinuosity) < 2.5
    assert np.mean((wavelength > 6.5) & (wavelength < 14)) >= 0.9
    assert 7 < np.median(wavelength) < 14


def test_wavelengths_fit_the_published_relations(runs):
    """Leopold & Wolman (1960), 10.9 w^1.01 in feet; Williams (1986), 7.5 w^1.12 in metres, whose points scatter by about 2."""
    width = np.array([labels["width"] for _, labels in runs])
    wavelength = width * np.array([labels["wavelength_measured"] for _, labels in runs])
    for predicted in (0.3048 * 10.9 * (width / 0.3048) ** 1.01, 7.5 * width**1.12):
        ratio = wavelength / predicted
        assert 0.5 < np.median(ratio) < 1.5
        assert np.mean((ratio > 0.4) & (ratio < 2)) >= 0.95


@pytest.mark.parametrize(
    ("label", "measure", "low", "high"),
    [
        ("width", "body_width", 120.0, 350.0),
        ("shortening", "sinuosity", 2.0, 7.0),
        ("wavelength", "wavelength_measured", 8.0, 12.5),
        ("mobility", "mobility_measured", 4.0, 12.0),
        ("avulsions", "avulsion_count", 0.3, 5.0),
        ("coarsest", "coarse_mean", 0.6, 1.0),
    ],
)
def test_a_label_does_what_it_says(label, measure, low, high):
    simulator = FluvialSimulator((40, 40, 4), labels={"mobility": (4, 8)})
    few, much = (np.mean([simulator.simulate(s, {label: value})[1][measure] for s in range(6)]) for value in (low, high))
    assert much > 1.1 * few


def test_the_offset_moves_the_belt():
    simulator, position = FluvialSimulator((40, 40, 5), labels={"mobility": (8, 12)}), (np.arange(40) + 0.5) / 40
    belts = []
    for offset in (-0.4, 0.4):
        net = np.mean([simulator.simulate(seed, {"offset": offset})[0][0] > 0.5 for seed in range(10)], axis=(0, 1, 3))
        belts.append(np.average(position, weights=net))
    assert belts[0] < 0.5 - 0.05 < 0.5 + 0.05 < belts[1]


def test_a_given_label_changes_no_other():
    simulator = FluvialSimulator(TINY)
    free, given = simulator.simulate(1)[1], simulator.simulate(1, {"splays": 0.0})[1]
    assert given["splays"] == 0 != free["splays"]
    assert all(free[label.name] == given[label.name] for label in LABELS if label.name != "splays")


def test_ranges_can_be_replaced_and_are_part_of_the_state():
    simulator = FluvialSimulator(TINY, labels={"width": [200, 210], "finest": [0.3, 0.4]})
    assert 200 <= simulator.simulate(0)[1]["width"] <= 210
    assert simulator.state()["labels"] == {"width": [200.0, 210.0], "finest": [0.3, 0.4]}
    assert simulator.state()["version"] == VERSION


@pytest.mark.parametrize("dial", OUT_OF_DISTRIBUTION)
def test_the_dials_lie_beyond_the_ranges(dial):
    ranges = OUT_OF_DISTRIBUTION[dial]
    trained = {label.name: label for label in LABELS}
    assert any(low >= trained[name].high or high <= trained[name].low for name, (low, high) in ranges.items())
    (coarse, time), _ = FluvialSimulator((24, 24, 4), labels=ranges).simulate(0)
    assert np.isfinite(coarse).all()
    assert (np.diff(time, axis=2) >= 0).all()


def test_a_belt_on_one_side_must_not_be_mirrored():
    assert FluvialSimulator(TINY).mirrors == "y"
    aside = FluvialSimulator(TINY, labels=OUT_OF_DISTRIBUTION["off-centre"])
    assert aside.mirrors == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"shape": (0, 8, 8)}, "shape"),
        ({"shape": 8}, "shape"),
        ({"shape": (8.5, 8, 8)}, "shape"),
        ({"cell_size": (50, 50)}, "cell_size"),
        ({"cell_size": (50, float("nan"), 1)}, "cell_size"),
        ({"cell_size": (500, 50, 1)}, "wide"),
        ({"labels": {"breadth": (1, 2)}}, "breadth"),
        ({"labels": {"width": 200}}, "width"),
        ({"labels": {"width": (300, 200)}}, "width"),
        ({"labels": {"width": (-1, 200)}}, "width"),
        ({"labels": [("width", 1)]}, "labels"),
        ({"version": "0"}, "version"),
    ],
)
def test_impossible_options_are_refused_by_name(options, named):
    with pytest.raises(GempyGanError, match=named):
        FluvialSimulator(**options)


@pytest.mark.parametrize(
    "labels", [{"breadth": 1.0}, {"width": 0.0}, {"width": 20.0}, {"mobility": -1.0}, {"offset": float("nan")}]
)
def test_impossible_labels_are_refused_by_name(labels):
    with pytest.raises(GempyGanError, match=next(iter(labels))[:4]):
        FluvialSimulator(TINY).simulate(0, labels)


def test_seeds_are_whole_numbers_from_zero():
    with pytest.raises(GempyGanError, match="seed"):
        FluvialSimulator(TINY).simulate(-1)


def test_a_training_set_may_lie_off_the_axis_and_is_then_not_mirrored(tmp_path):
    from click.testing import CliRunner

    from gempy_gan import read
    from gempy_gan.cli import main

    store = str(tmp_path / "off.zarr")
    shape = "shape=[24,24,4]"
    done = CliRunner().invoke(
        main, ["sample", "fluvial-simulator", "-n", "2", "-o", store, "--set", shape, "--label", "offset=0.2..0.3"]
    )
    assert done.exit_code == 0, done.output
    assert "Out of distribution: offset" in done.output
    made = read(store)
    assert made.labels["offset"].between(0.2, 0.3).all()
    assert made.provenance["mirrors"] == ""
