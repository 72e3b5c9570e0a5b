"""Real against real is about 1, and each way to spoil volumes is caught by the figures that are meant to catch it."""

import json

import numpy as np
import pytest
import torch
from channels import SHAPE, blurred, collapsed, gaussian, shuffled, thresholded, volumes

import gempy_gan as gg
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics import FAMILIES, Figure, Validation, Volumes, ms_swd, swd, validate
from gempy_gan.metrics.splits import Splits
from gempy_gan.metrics.validation import TARGETS

CHEAP = tuple(name for name in FAMILIES if name != "ms_swd")
GRID = gg.Grid((0, 1600, 0, 1600, 0, 4), SHAPE)
PROPERTIES = ("coarse_fraction", "deposition_time")


@pytest.fixture(scope="module")
def real():
    return volumes(120, 0)


@pytest.fixture(scope="module")
def fresh():
    return volumes(60, 1)


@pytest.fixture(scope="module")
def honest(fresh, real):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swd, "REPEATS", 1)  # 128 projections are enough here
        return validate(fresh, real)


def test_fresh_volumes_meet_every_target(honest):
    assert [f.key for f in honest.figures if not f.met] == []
    assert honest.size == 60
    assert all(0.5 < f.ratio < 1.6 for f in honest.figures if f.target.judged == "ratio")
    count = len(honest.figures)
    assert honest.verdicts == (f"{count} of {count} targets are met (60 generated against 60 real volumes, 50 splits).",)


def test_figures_of_real_volumes_lie_in_the_range_of_their_floor(honest):
    inside = [f.low <= f.value <= f.high for f in honest.figures if f.low is not None and f.key != "rising_time"]
    assert np.mean(inside) >= 0.7


@pytest.mark.parametrize(
    ("spoil", "caught", "passed"),
    [
        (blurred, ("histogram", "variogram"), ("net_to_gross_spread", "superposition")),
        (thresholded, ("histogram",), ("patterns_4x4", "body_count", "width", "indicator_variogram")),
        (shuffled, ("superposition", "connectivity", "patterns_2x2x2", "time_steps"), ("histogram", "patterns_4x4", "width")),
        (collapsed, ("diversity", "net_to_gross_spread", "net_to_gross_histogram"), ("superposition",)),
        (
            gaussian,
            ("body_count", "layer_connectivity", "patterns_4x4", "patterns_3x3_wide"),
            ("histogram", "net_to_gross_spread", "variogram"),
        ),
    ],
)
def test_spoilt_volumes_are_caught(fresh, real, spoil, caught, passed):
    found = validate(spoil(fresh), real, figures=CHEAP)
    missed = {f.key for f in found.figures if not f.met}
    assert set(caught) <= missed
    assert not set(passed) & missed


@pytest.mark.parametrize("time", [0.5, None])
def test_times_without_meaning_are_caught(fresh, real, time):
    spoilt = fresh.copy()
    spoilt[:, 1] = np.random.default_rng(0).random(spoilt[:, 1].shape) if time is None else time
    found = validate(spoilt, real, figures=("superposition",))
    assert found["superposition"].met == (time is not None)  # a constant never decreases
    assert not found["rising_time"].met
    assert not found["time_steps"].met


def test_sliced_wasserstein_by_bins_is_the_one_by_sorting(real, fresh, monkeypatch):
    monkeypatch.setattr(swd, "REPEATS", 2)
    value = validate(fresh[:20], real[:40], figures=("ms_swd",))["ms_swd"].value
    halves = [ms_swd(fresh[:20], half, repeats=2) for half in (real[:20], real[20:40])]
    assert value == pytest.approx(np.mean(halves), rel=0.15)  # other patches, other halves


def test_sliced_wasserstein_catches_patches_that_are_not_real(real, fresh, monkeypatch):
    monkeypatch.setattr(swd, "REPEATS", 1)
    assert not validate(shuffled(fresh)[:30], real[:60], figures=("ms_swd",))["ms_swd"].met


@pytest.mark.parametrize("spoil", [lambda v: blurred(v, 2.0), lambda v: 0.25 + 0.5 * v])
def test_sliced_wasserstein_sees_blur_only_where_contrast_counts(real, fresh, monkeypatch, spoil):
    monkeypatch.setattr(swd, "REPEATS", 1)
    found = validate(spoil(fresh[:30, :1]), real[:60, :1], figures=("ms_swd",))
    assert found["ms_swd"].met
    assert not found["ms_swd_contrast"].met


def test_the_floor_is_at_equal_count(real):
    """A distance shrinks with more volumes on both sides, a fair ratio stays."""
    few, many = (validate(volumes(n, 2), real[: 2 * n], figures=("variogram", "patterns")) for n in (10, 60))
    assert few["patterns_4x4"].value > 1.3 * many["patterns_4x4"].value
    assert few["patterns_4x4"].ratio == pytest.approx(many["patterns_4x4"].ratio, rel=0.15)
    uneven = validate(volumes(60, 2), real[:20], figures=("patterns",))
    assert uneven.size == 10
    assert uneven["patterns_4x4"].ratio == pytest.approx(1, abs=0.15)


def test_splits_never_share_a_real_volume():
    drawn = Splits.draw(30, 50, seed=3)
    assert drawn.size == 25
    assert len(drawn.first) == 50
    for generated, first, second in zip(drawn.generated, drawn.first, drawn.second, strict=True):
        assert len({*first, *second}) == 50
        assert len(set(generated)) == 25


def test_memorized_volumes_are_said_to_be(real):
    training = volumes(80, 3)
    copies = training[:40] + np.random.default_rng(0).normal(0, 0.02, (40, 2, *SHAPE)).astype(np.float32)
    copies[:, 0] = np.clip(copies[:, 0], 0, 1)
    found = validate(copies, real, training, figures=("histogram",))
    assert not found["memorization"].met
    assert not found["memorization_features"].met
    assert found["memorized_share"].value > 0.9
    assert "Volumes lie closer to training images than to held-out ones: the prior has memorized." in found.verdicts
    assert validate(volumes(40, 4), real, training, figures=("histogram",))["memorization"].met


def test_real_volumes_among_the_generated_ones_are_found(real):
    found = validate(real[10:30], real[:40], figures=("histogram",))
    assert found.shared == 20
    assert "20 generated volumes are among the real ones: this validates nothing" in found.verdicts[1]


# Input and record


def test_the_seed_decides_and_ensembles_are_as_good_as_arrays(fresh, real):
    a, b = (gg.Ensemble.from_values(GRID, PROPERTIES, v) for v in (fresh, real))
    first = validate(a, b, figures=("histogram", "variogram", "superposition"), seed=1)
    assert first.to_dict() == validate(fresh, real, figures=("histogram", "variogram", "superposition"), seed=1).to_dict()
    assert first.to_dict() != validate(fresh, real, figures=("histogram", "variogram", "superposition"), seed=2).to_dict()
    assert validate(torch.from_numpy(fresh), real, figures=("histogram",)).generated == 60


def test_the_record_is_a_table_and_plain_json(honest):
    text = str(honest)
    assert all(f.key in text and f.meaning in text for f in honest.figures)
    assert json.loads(json.dumps(honest.to_dict(), allow_nan=False))["figures"]["variogram"]["target"] == "<= 2.5 x floor"
    assert honest["variogram"].ratio == honest["variogram"].value / honest["variogram"].floor
    with pytest.raises(KeyError, match="no 'sharpness'"):
        honest["sharpness"]
    memorized = {"memorization", "memorization_features", "memorized_share", "training_neighbours"}
    assert {f.key for f in honest.figures} | memorized == set(TARGETS)


def test_a_figure_that_cannot_be_computed_meets_nothing():
    mud = np.zeros((4, 1, *SHAPE), dtype=np.float32)
    found = validate(mud, volumes(8, 0)[:, :1], figures=("bodies", "diversity"))
    assert found["width"].value is None
    assert not found["width"].met
    assert found["body_count"].value == 0
    assert "width: cannot be computed" in "".join(found.verdicts)
    json.dumps(found.to_dict(), allow_nan=False)
    against_mud = validate(volumes(4, 0)[:, :1], np.zeros((8, 1, *SHAPE)))
    assert not against_mud["diversity"].met
    json.dumps(against_mud.to_dict(), allow_nan=False)


def test_a_target_that_real_volumes_miss_too_is_said_to_need_more():
    figure = Figure("net_to_gross_spread", 0.7, 1.0, 0.6, 1.6)
    found = Validation((figure,), 4, 8, 4, 50, SHAPE, 0)
    assert "but so do real volumes (0.6-1.6): compare more" in found.verdicts[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v[:1], "1 generated and 120 real volumes. Expected at least 2"),
        (lambda v: v[:, 0], "Expected \\(n, c, nx, ny, nz\\)"),
        (lambda v: np.where(v > 0.9, np.nan, v), "generated volumes hold values that are not finite"),
        (lambda v: 2 * v - 1, "reach from -1 to .* Expected coarse fractions between 0 and 1"),
    ],
)
def test_volumes_that_cannot_be_right(fresh, real, spoil, message):
    with pytest.raises(GempyGanError, match=message):
        validate(spoil(fresh), real, figures=("histogram",))


def test_requests_that_do_not_fit(fresh, real):
    with pytest.raises(GempyGanError, match="figures swd are not known"):
        validate(fresh, real, figures=("swd",))
    with pytest.raises(GempyGanError, match="time of deposition on both sides"):
        validate(fresh[:, :1], real, figures=("superposition",))
    with pytest.raises(GridError, match="32 x 32 x 8 cells were to be compared, and the real volumes have 16 x 32 x 8"):
        validate(fresh, real[:, :, :16])
    with pytest.raises(GridError, match=r"32 x 32 x 4 cells .* Expected boxes no larger in x and y, and equal in z"):
        validate(fresh[..., :4], real)
    wide = gg.Grid((0, 3200, 0, 1600, 0, 4), SHAPE)
    ensembles = [gg.Ensemble.from_values(grid, PROPERTIES, fresh[:4]) for grid in (wide, GRID)]
    with pytest.raises(GridError, match="cells of"):
        validate(*ensembles)


def test_smaller_volumes_are_compared_with_boxes_cut_at_random(fresh, real):
    quick = ("histogram", "bodies", "superposition")
    made = Volumes.of(fresh, seed=7, box=(20, 24, 8))
    found = validate(np.stack([made.fraction, made.time], axis=1), real, figures=quick, seed=1)
    assert [f.key for f in found.figures if not f.met] == []
    assert (found.shape, found.whole) == ((20, 24, 8), SHAPE)
    assert "Compared are boxes of 20 x 24 x 8 cells, one cut at random from each volume of 32 x 32 x 8." in str(found)
    assert (found.to_dict()["shape"], found.to_dict()["whole"]) == ([20, 24, 8], [*SHAPE])
    both = validate(fresh, real, figures=quick, box=(20, 24, 8))
    assert both.shape == (20, 24, 8)
    assert both.to_dict() != validate(fresh, real, figures=quick, box=(20, 24, 8), seed=1).to_dict()
    assert "Compared are volumes of 32 x 32 x 8 cells." in str(validate(fresh, real, figures=("histogram",)))


def test_boxes_of_real_volumes_are_among_the_real_ones(real):
    assert validate(real[10:30], real[:40], figures=("histogram",), box=(20, 24, 8)).shared == 20


def test_training_images_larger_than_the_boxes_are_searched(fresh, real):
    training = volumes(20, 3)
    copies = Volumes.of(training, seed=9, box=(20, 24, 8)).fraction[:, None]
    found = validate(copies, real[:, :1], training, figures=("histogram",))
    assert not found["memorization"].met
    assert not found["training_neighbours"].met
    honest = validate(fresh, real, training, figures=("histogram",), box=(20, 24, 8))
    assert honest["memorization"].met
    assert honest["training_neighbours"].met
    with pytest.raises(GridError, match="The training images have 32 x 32 x 8 cells and the held-out volumes 20 x 32 x 8"):
        validate(copies, real[:, :1, :20], training, figures=("histogram",))


def test_ensembles_that_do_not_fit(fresh):
    active = np.ones(SHAPE, dtype=bool)
    active[0, 0, 0] = False
    clipped = gg.Ensemble.from_values(gg.Grid(GRID.extent, SHAPE, 0.0, active), PROPERTIES, fresh[:2])
    with pytest.raises(GempyGanError, match="inactive cells"):
        Volumes.of(clipped)
    weighted = gg.Ensemble.from_values(GRID, PROPERTIES, fresh[:2], log_weights=np.log([0.2, 0.8]))
    with pytest.raises(GempyGanError, match="weighted"):
        Volumes.of(weighted)
    two = gg.Ensemble.from_values(GRID, ["porosity", "permeability"], fresh[:2])
    with pytest.raises(GempyGanError, match="'coarse_fraction', or one continuous property"):
        Volumes.of(two)
    one = gg.Ensemble.from_values(GRID, ["porosity"], fresh[:5, :1])
    assert len(Volumes.of(one, most=3)) == 3


def test_bounds_that_are_not_known_are_one_dash():
    row = str(Validation((Figure("connectivity", np.nan, np.nan, np.nan, np.nan),), 3, 3, 3, 50, SHAPE, 0)).splitlines()[1]
    assert "---" not in row
