import base64
import gzip
import json
import re

import numpy as np
import pytest
from browser import needs_chromium, opened
from folds import fold_from_dict, folded_ensemble

import gempy_gan.grid
from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.view import page, write_view
from gempy_gan.view.scene import LEVELS, NONE, Thinned, quantized

ACTIVE = np.ones((7, 5, 4), bool)
ACTIVE[6, 4] = False
GRID = Grid((600_000, 600_700, 6_070_000, 6_071_000, -1640, -1600), (7, 5, 4), rotation=30, active=ACTIVE)
EVIL = "</script><script>alert(1)</script>"
FACIES = Property("facies", codes={0: "mud", 2: "levee", 5: "channel sand"})


def ensemble(n=3, log_weights=None):
    rng = np.random.default_rng(0)
    porosity = rng.uniform(5, 30, size=(n, 1, *GRID.resolution))
    facies = rng.choice([0, 2, 5], size=(n, 1, *GRID.resolution))
    values = np.concatenate([porosity, facies], axis=1)
    return Ensemble.from_values(GRID, [Property("porosity", "%"), FACIES], values, log_weights=log_weights)


def wells():
    cells = [[1, 1, k] for k in range(4)] + [[4, 3, 1], [4, 3, 2]]
    return Constraints(GRID, HardData(cells, [6, 10, 20, 29, 12, 13], 1.0, "porosity", [EVIL] * 4 + ["B"] * 2))


def scene_of(file):
    found = re.search(r'<script type="application/json" id="scene">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(found.group(1))


def unpacked(text, dtype, shape):
    return np.frombuffer(gzip.decompress(base64.b64decode(text)), dtype).reshape(shape)


def codes(layer, shape=GRID.resolution):
    return unpacked(layer["data"], np.uint8, shape)


def value(layer, shape=GRID.resolution):
    return layer["low"] + (layer["high"] - layer["low"]) * codes(layer, shape) / LEVELS


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_view(ensemble(), tmp_path_factory.mktemp("view") / "view.html", wells(), wells(), title=EVIL)


def test_values_are_those_of_the_ensemble_within_a_step(drawn):
    own, made = scene_of(drawn)["properties"][0], ensemble()
    assert [layer["label"] for layer in own["layers"]] == [
        "mean", "standard deviation", "P10", "P50", "P90", "realization 0", "realization 1", "realization 2"
    ]  # fmt: skip
    step = (own["high"] - own["low"]) / LEVELS
    for layer, expected in zip(
        [own["layers"][0], *own["layers"][5:]], [made.mean("porosity").values, *made.values[:, 0]], strict=True
    ):
        inside = np.clip(expected, own["low"], own["high"])
        np.testing.assert_allclose(value(layer)[ACTIVE], inside[ACTIVE], atol=0.51 * step)
        assert (codes(layer)[~ACTIVE] == NONE).all()
        assert (codes(layer)[ACTIVE] <= LEVELS).all()
    std = own["layers"][1]
    np.testing.assert_allclose(value(std)[ACTIVE], made.std("porosity").values[ACTIVE], atol=0.51 * std["high"] / LEVELS)
    assert own["layers"][5]["unit"] == "%"


def test_facies_keep_their_order_and_their_probabilities(drawn):
    own, made = scene_of(drawn)["properties"][1], ensemble()
    share = made.probability("facies").values
    for k, name in enumerate(["mud", "levee", "channel sand"]):
        assert own["layers"][k]["label"] == f"probability of {name}"
        np.testing.assert_allclose(value(own["layers"][k])[ACTIVE], share[k][ACTIVE], atol=0.51 / LEVELS)
    first = own["layers"][own["realizations"][0]]
    places = np.searchsorted([0, 2, 5], made.values[0, 1])
    np.testing.assert_array_equal(codes(first)[ACTIVE], places[ACTIVE])
    assert first["facies"] == ["mud", "levee", "channel sand"]
    colours = np.frombuffer(base64.b64decode(first["lut"]), np.uint8).reshape(256, 3)
    assert [tuple(row) for row in colours[:3]] == [(0x99, 0x99, 0x99), (0, 0x9E, 0x73), (0xF0, 0xE4, 0x42)]


def test_weights_are_told(tmp_path):
    view = write_view(ensemble(log_weights=np.log([0.5, 0.3, 0.2])), tmp_path / "v.html")
    layers = scene_of(view)["properties"][0]["layers"]
    assert [layer["weight"] for layer in layers[5:]] == pytest.approx([0.5, 0.3, 0.2])


def test_cells_of_a_rotated_box_stand_where_they_are(drawn):
    scene = scene_of(drawn)
    (x0, y0), u, v = (np.array(part) for part in scene["geometry"]["map"])
    for uv, index in (((0, 0), (0, 0)), ((1, 0), (7, 0)), ((1, 1), (7, 5))):
        expected = GRID.frame.to_model([[*uv, 0]])[0, :2]
        np.testing.assert_allclose(scene["origin"][:2] + np.array([x0, y0]) + index[0] * u + index[1] * v, expected, atol=1e-6)
    assert (scene["geometry"]["low"], scene["geometry"]["high"]) == (-1640, -1600)
    assert "x 600000, y 6070000, z -1640 m" in [mark["words"] for mark in scene["marks"]]


def test_a_fold_is_drawn_as_a_fold(tmp_path, monkeypatch):
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)
    made = folded_ensemble(n=1)
    scene = scene_of(write_view(made, tmp_path / "v.html"))
    g = scene["geometry"]
    assert g["kind"] == "nodes"
    shape = tuple(n + 1 for n in made.grid.resolution)
    heights = g["low"] + (g["high"] - g["low"]) * unpacked(g["data"], "<u2", shape) / 65535
    nodes = np.indices(shape).reshape(3, -1).T / np.array(made.grid.resolution)
    expected = made.grid.frame.to_model(nodes)
    np.testing.assert_allclose(heights.ravel(), expected[:, 2], atol=(g["high"] - g["low"]) / 65535)
    (corner, u, v), index = (np.array(g["map"])), np.indices(shape).reshape(3, -1)
    xy = np.array(scene["origin"])[:2] + corner + index[0][:, None] * u + index[1][:, None] * v
    np.testing.assert_allclose(xy, expected[:, :2], atol=1e-4)


def test_a_fault_offsets_columns(tmp_path):
    from test_faulted_formats import faulted_ensemble

    from gempy_gan.formats.faulted import split_heights

    made = faulted_ensemble()
    g = scene_of(write_view(made, tmp_path / "v.html"))["geometry"]
    assert g["kind"] == "columns"
    expected = split_heights(made.grid)
    heights = g["low"] + (g["high"] - g["low"]) * unpacked(g["data"], "<u2", expected.shape) / 65535
    np.testing.assert_allclose(heights, expected, atol=(g["high"] - g["low"]) / 65535)
    apart = np.abs(expected[:-1, :, 1] - expected[1:, :, 0]).max(axis=(1, 2, 3))
    assert (apart > g["joint"]).sum() == 1  # neighbours share their corners but at the fault


def test_wells_run_through_their_cells_from_top_to_base(drawn):
    scene = scene_of(drawn)
    names = [well["name"] for well in scene["wells"]]
    assert names == [EVIL, "B", f"{EVIL} (held out)", "B (held out)"]
    well, own = scene["wells"][0], scene["properties"][0]
    path = np.array(well["path"]) + scene["origin"]
    np.testing.assert_allclose(path[:, 2], [-1600, -1610, -1620, -1630, -1640])
    np.testing.assert_allclose(path[0, :2], GRID.xyz([[1, 1, 0]])[0, :2], atol=0.01)
    found = own["low"] + (own["high"] - own["low"]) * np.array(well["values"]) / LEVELS
    np.testing.assert_allclose(found, np.clip([29, 20, 10, 6], own["low"], own["high"]), atol=0.1)


def test_a_page_keeps_to_its_size_and_says_what_it_left_out(tmp_path):
    rng = np.random.default_rng(1)
    grid = Grid((0, 640, 0, 640, 0, 16), (16, 16, 8))
    made = Ensemble.from_values(grid, [Property("porosity")], rng.uniform(size=(100, 1, 16, 16, 8)))
    whole = write_view(made, tmp_path / "whole.html")
    assert whole.stat().st_size < 5e6
    assert len(scene_of(whole)["properties"][0]["layers"]) == 105
    assert "for its size" not in whole.read_text(encoding="utf-8")
    small = write_view(made, tmp_path / "small.html", megabytes=0.15)
    own = scene_of(small)["properties"][0]
    first, last = own["realizations"]
    assert 10 < last - first < 60
    assert small.stat().st_size < 150_000
    assert f"{last - first} of 100 realizations are in this page" in small.read_text(encoding="utf-8")
    assert own["layers"][-1]["label"] == "realization 99"
    assert "rounded to 1/63" in small.read_text(encoding="utf-8")
    np.testing.assert_allclose(value(own["layers"][first], (16, 16, 8)), made.values[0, 0], atol=0.52 / 63)
    assert set(codes(own["layers"][first], (16, 16, 8)).ravel() % 4) <= {0, LEVELS % 4}
    assert set(codes(own["layers"][0], (16, 16, 8)).ravel() % 4) == {0, 1, 2, 3}  # statistics are not rounded
    with pytest.raises(GempyGanError, match="Allow more megabytes"):
        write_view(made, tmp_path / "none.html", megabytes=0.07)
    with pytest.raises(GempyGanError, match="Expected a positive number"):
        write_view(made, tmp_path / "none.html", megabytes=0)


def test_large_grids_are_thinned():
    grid = Grid((0, 2560, 0, 2560, 0, 64), (256, 256, 64))
    thin = Thinned.of(grid)
    assert np.prod(thin.shape) <= 300_000
    assert thin.step[2] <= thin.step[0]
    values = np.indices(grid.resolution)[0]
    assert thin.take(values).shape == thin.shape
    assert abs(thin.take(values)[0, 0, 0] - (thin.step[0] - 1) / 2) <= 0.5
    assert thin.faces(0)[-1] == 256
    assert len(thin.faces(0)) == thin.shape[0] + 1


def test_what_has_no_value_is_no_step():
    found = quantized(np.array([0.0, 0.5, 1.0, 2.0, np.nan]), 0, 1, np.array([True, True, True, True, True]))
    assert found.tolist() == [0, 127, 254, 254, NONE]
    assert quantized(np.array([1.0]), 0, 1, np.array([True]), 4).tolist() == [254]


def test_nothing_is_fetched_and_no_name_becomes_markup(drawn):
    content = drawn.read_text(encoding="utf-8")
    assert content.count("<script") == 2
    assert content.count("</script>") == 2
    assert not re.search(r"(src|href)\s*=|https?://|\bfetch\(|XMLHttpRequest|import\(|WebSocket", content)
    assert "default-src 'none'; script-src 'sha256-" in content
    assert "unsafe" not in content.split("</head>")[0]


def test_every_control_has_a_name(drawn):
    content = drawn.read_text(encoding="utf-8")
    for control in re.findall(r"<(?:input|select)[^>]*>", content):
        before = content[: content.index(control)]
        labelled = before.rfind("<label") > before.rfind("</label>")
        assert labelled or "aria-label=" in control, control


def test_only_the_properties_asked_for(tmp_path):
    scene = scene_of(write_view(ensemble(), tmp_path / "v.html", wells(), properties=["facies"]))
    assert [own["name"] for own in scene["properties"]] == ["facies"]
    assert scene["wells"] == []
    with pytest.raises(GempyGanError, match="no property 'gas'"):
        write_view(ensemble(), tmp_path / "v.html", properties=["gas"])


def test_the_command_writes_a_page(tmp_path, monkeypatch):
    import click

    from gempy_gan.cli import main
    from gempy_gan.formats.zarr import write

    launched = []
    monkeypatch.setattr(click, "launch", launched.append)
    write(ensemble(), tmp_path / "e.zarr")
    main(["view", str(tmp_path / "e.zarr"), "-o", str(tmp_path / "v.html"), "--no-open"], standalone_mode=False)
    assert launched == []
    main(["view", str(tmp_path / "e.zarr"), "-o", str(tmp_path / "v.html"), "--title", "Mine"], standalone_mode=False)
    assert launched == [(tmp_path / "v.html").as_uri()]
    assert "<title>Mine</title>" in (tmp_path / "v.html").read_text(encoding="utf-8")


DRIVER = """
async function settled() { await new Promise((done) => setTimeout(done, 50)); }
async function set(id, value, kind = "input") {
  const control = document.getElementById(id);
  if (control.type === "checkbox") control.checked = value; else control.value = value;
  control.dispatchEvent(new Event(kind));
  for (let n = 0; n < 4; n++) await settled();
}
async function drive() {
  while (document.body.dataset.state !== "drawn") await settled();
  const told = [], words = document.getElementById("range-words");
  const tell = () => told.push([Number(document.body.dataset.faces), words.textContent]);
  await set("show", String(property().realizations[0]), "change");
  await set("low", "100"); tell();
  await set("cells", false); await set("slice-k", true); await set("at-k", "2"); tell();
  await set("property", "1", "change"); tell();
  await set("show", "live", "change"); await set("cutoff", "0"); tell();
  document.getElementById("from-above").click(); await settled();
  const box = canvas.getBoundingClientRect();
  pick({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 });
  document.body.dataset.told = JSON.stringify([told, document.getElementById("readout").textContent]);
}
drive();
"""


def exposed(shown):
    """Faces between cells that are shown and cells that are not, or the outside."""
    padded = np.pad(shown, 1)
    return sum(int(np.count_nonzero(np.diff(padded.astype(int), axis=axis))) for axis in range(3))


@needs_chromium
@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_draws_it_and_nothing_leaves_the_page(drawn, tmp_path, width):
    console, addresses, dom = opened(drawn, tmp_path, width)
    assert [line for line in console if "GL Driver Message (OpenGL, Performance" not in line] == []
    assert addresses == []
    if width > 500:  # a dump shows no page inside a frame
        assert 'data-state="drawn"' in dom
        mean = scene_of(drawn)["properties"][0]["layers"][0]
        assert f'data-faces="{exposed((codes(mean) >= 127) & ACTIVE)}"' in dom


@needs_chromium
def test_its_controls_do_what_they_say(tmp_path, monkeypatch):
    original = page._script
    monkeypatch.setattr(page, "_script", lambda: original() + DRIVER)
    view = write_view(ensemble(), tmp_path / "driven.html", wells())
    console, _, dom = opened(view, tmp_path)
    assert [line for line in console if "GL Driver Message (OpenGL, Performance" not in line] == []
    told, readout = json.loads(re.search(r'data-told="(.*?)"', dom).group(1).replace("&quot;", '"'))
    own = scene_of(view)["properties"]
    first = codes(own[0]["layers"][own[0]["realizations"][0]])
    above = (first >= 100) & ACTIVE
    assert told[0][0] == exposed(above)
    assert told[0][1].endswith(f"{100 * above.sum() / ACTIVE.sum():.1f} % of the cells")
    assert told[1][0] == ACTIVE[:, :, 2].sum()
    share = ensemble().probability("facies").values[0]
    assert told[3][1].startswith("0.5 to 1:")
    likely = (np.round(LEVELS * share) >= 127) & ACTIVE
    assert told[3][1].endswith(f"{100 * likely.sum() / ACTIVE.sum():.1f} % of the cells")
    cell = [int(n) for n in re.search(r"in cell (\d+), (\d+), (\d+),", readout).groups()]
    assert cell[2] == 2
    assert float(re.search(r"probability: ([\d.]+)", readout).group(1)) == pytest.approx(share[tuple(cell)], abs=0.01)
    x, y = (float(n) for n in re.search(r"x (\d+), y (\d+)", readout).groups())
    np.testing.assert_allclose([x, y], GRID.xyz([cell])[0, :2], atol=1)
