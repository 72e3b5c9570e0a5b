import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from browser import needs_chromium, opened

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnosis import Diagnosis, Figure
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.health import Finding
from gempy_gan.inversion import digest
from gempy_gan.properties import Property
from gempy_gan.report import card_of, write_report
from gempy_gan.report.markup import table, text

GRID = Grid((600_000, 600_800, 6_070_000, 6_070_600, -1640, -1600), (8, 6, 5), rotation=30)
CELLS = np.array([[1, 1, k] for k in range(5)] + [[5, 4, k] for k in range(5)])
EVIL = "<script>alert(1)</script>"
SAND = Property("coarse_fraction")
FACIES = Property("facies", codes={0: "mud", 1: "sand & gravel"})


def ensemble(n=6, constraints=None):
    rng = np.random.default_rng(0)
    sand = rng.uniform(size=(n, 1, *GRID.resolution))
    made = {"prior": {"class": "toy:Prior", "options": {"range": 3}}, "seed": 7, "n": n, "versions": {"gempy-gan": "0.1"}}
    made |= {} if constraints is None else {"constraints": digest(constraints)}
    return Ensemble.from_values(GRID, [SAND, FACIES], np.concatenate([sand, sand > 0.5], axis=1), made)


def data():
    row = {"well": EVIL, "samples": 40, "used": 30, "missing": 4, "outside": 6, "inactive": 0, "cells": 5, "without_position": 2}
    report = {"curve": "VSAND", "wells": [{**row, "source": {"path": "a.las", "sha256": "ab12"}}, {"well": "B-2", "cells": 5}]}
    wells = HardData(CELLS, np.linspace(0.1, 0.9, 10), 0.1, SAND, [EVIL] * 5 + ["B-2"] * 5, report)
    report = {"traces": 40, "traces_used": 30, "traces_dead": 9, "columns": 30, "columns_without_trace": 18}
    report |= {"largest_distance": 12.5, "domain": "time", "axis": [1.0, 1.2], "source": {"file": "c.sgy", "sha256": "cd34"}}
    return Constraints(GRID, wells, SoftData(np.zeros((8, 6, 5)), 1.0, lambda m: m[:, 0].flatten(1), report=report))


HELD_OUT = Constraints(GRID, HardData([[3, 3, k] for k in range(5)], [0.2, 0.4, 0.6, 0.5, 0.9], 0.1, SAND, ["C-3"] * 5))


class Page(HTMLParser):
    """Tags with their attributes, and the text, of a page."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder, known = tmp_path_factory.mktemp("report"), data()
    health = {"B-2": (Finding("warning", "Depth runs backwards", "Sorted.", 12), Finding("note", "feet were converted"))}
    card = {
        "prior": "fluvial",
        "metrics": {"memorization": {"value": 0.001, "target": ">= 0.05", "met": False, "meaning": "p-value of copies"}},
        "validation": {"training": {"volumes": 384, "source": "set.zarr"}, "against": {"volumes": 160, "source": "held.zarr"}},
    }
    return write_report(
        ensemble(constraints=known),
        folder / "report.html",
        known,
        HELD_OUT,
        card=card,
        health=health,
        study="n = 6  # <b>",
        command="gempy-gan run 'my study.toml' --out FOLDER",
        title=f"Field {EVIL}",
    )


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def test_everything_is_inside_and_nothing_can_run_or_be_fetched(written, page):
    content = written.read_text(encoding="utf-8")
    assert not page.all("script")
    assert not re.search(r"(src|href|url\()\s*=?\s*['\"]?(https?:)?//", content)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert not [attrs for _, attrs in page.tags if "style" in attrs or any(name.startswith("on") for name in attrs)]


def test_names_from_files_are_text_and_never_markup(page):
    assert f"Field {EVIL}" in page.text
    assert page.text.count(EVIL) >= 3  # title, heading, table of wells
    assert not page.open


def test_those_who_see_no_pictures_are_told_what_they_show(page):
    told = [image["alt"] for image in page.all("img")]
    assert len(told) >= 8
    assert all(len(words) > 30 for words in told)
    assert any("probability of mud, sand & gravel" in words for words in told)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.all("html")[0]["lang"] == "en"
    anchors = {attrs["href"][1:] for attrs in page.all("a")}
    assert anchors == {attrs["id"] for tag, attrs in page.tags if tag == "h2"}


def test_inputs_are_told_with_what_is_wrong_with_them(page):
    wells = page.text[page.text.index("Wells: coarse fraction from curve VSAND, 10 cells") :]
    assert f"{EVIL} ▲ look a.las 40 30 4 6 0 5 2 samples lie beyond the survey and have no position." in wells
    assert "B-2 ✓ pass" in wells
    assert "Seismic ▲ look" in page.text
    assert "30 of 40 used, 9 dead" in page.text
    assert "B-2 ▲ look Depth runs backwards Sorted." in page.text
    assert "feet were converted" in page.text
    assert "ab12" in page.text
    assert "cd34" in page.text


def test_the_diagnosis_is_there_with_every_mark(tmp_path):
    found = Diagnosis(
        (
            Figure("sampling", "realizations", 6),
            Figure("sampling", "distinct", 6),
            Figure("sampling", "effective_number", 6.0),
            Figure("sampling", "effective_sample_size", 6.0),
            Figure("hard: coarse_fraction", "chi2", 4.5, unconditional=30.0),
            Figure("held out: coarse_fraction", "crps", 0.1, 0.25, 0.3),
            Figure("held out: coarse_fraction", "coverage80", 0.79),
        ),
        {"held out: coarse_fraction": [1, 2, 3, 4]},
        ("This prior was right in 80 of 100 cases.",),
    )
    page = Page(write_report(ensemble(), tmp_path / "r.html", diagnosis=found).read_text(encoding="utf-8"))
    assert "1 thing to know before using this ensemble. 5 of 6 figures that can be judged pass." in page.text
    assert "Wells, coarse fraction: missed by more than its errors allow (chi2 4.50)." in page.text
    assert "chi² ▲ look 4.5 30 1 mean of ((realization" in page.text
    assert "CRPS ✓ pass 0.1 0.25 0.3 low" in page.text
    assert "This prior was right in 80 of 100 cases." in page.text
    assert any("1, 2, 3, 4" in image["alt"] for image in page.all("img"))


def test_a_diagnosis_without_verdicts_says_so(tmp_path):
    names = ("realizations", "distinct", "effective_number", "effective_sample_size")
    fine = Diagnosis(tuple(Figure("sampling", name, 6.0) for name in names))
    page = Page(write_report(ensemble(), tmp_path / "r.html", diagnosis=fine.to_dict()).read_text(encoding="utf-8"))
    assert "Nothing conspicuous: every check that could be made was passed. 3 of 3 figures" in page.text


def test_what_is_missing_is_said_to_be_missing(tmp_path):
    page = Page(write_report(ensemble(), tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "No diagnosis was made: there were no constraints" in page.text
    assert "The ensemble does not say what it was conditioned to" in page.text
    assert "No wells were held out" in page.text
    assert "holds no weights that were learned" in page.text


def test_memorization_comes_from_the_card(page, tmp_path):
    assert "memorization ▲ look 0.001 >= 0.05 p-value of copies" in page.text
    assert "training images: 384 volumes of set.zarr" in page.text
    untested = write_report(ensemble(), tmp_path / "r.html", card={"prior": "x", "metrics": {}}).read_text(encoding="utf-8")
    assert "Nothing is known of it here" in Page(untested).text


def test_it_can_be_repeated(page):
    assert "gempy-gan run 'my study.toml' --out FOLDER" in page.text
    assert "n = 6 # <b>" in page.text
    assert "toy:Prior (range = 3)" in page.text


def test_other_constraints_than_those_of_the_run_are_told(page, tmp_path):
    warning = "These are not the constraints that the ensemble was conditioned to"
    assert warning not in page.text
    swapped = write_report(ensemble(constraints=data()), tmp_path / "r.html", HELD_OUT).read_text(encoding="utf-8")
    assert warning in Page(swapped).text


def test_texture_stands_beside_that_of_the_prior(tmp_path):
    page = Page(write_report(ensemble(), tmp_path / "r.html", baseline=ensemble(8)).read_text(encoding="utf-8"))
    assert any(image["alt"].startswith("Variograms and connectivity") for image in page.all("img"))


def test_a_hundred_realizations_make_no_larger_page(written, tmp_path):
    many = write_report(ensemble(100, data()), tmp_path / "r.html", data(), HELD_OUT).stat().st_size
    assert many < 5e6
    assert many < 1.3 * written.stat().st_size


def test_only_a_learned_prior_has_a_card():
    assert card_of(ensemble(), "gaussian") is None
    with pytest.raises(GempyGanError):
        card_of(ensemble(), "gausian")


def test_columns_without_content_are_left_out():
    assert "<th scope='col'>b</th>" not in table("t", ("a", "b", "c"), [("1", "", "2"), ("3", "", "")])
    assert table("t", ("a",), []) == ""
    assert text(1e9) == "1e+09"


def test_the_command_takes_what_a_run_left(tmp_path):
    from gempy_gan.cli import main
    from gempy_gan.cli.guard import Failure
    from gempy_gan.formats.zarr import write
    from gempy_gan.observations import write_constraints

    known = Constraints(GRID, data().hard[0])
    write(ensemble(constraints=known), tmp_path / "ensemble.zarr")
    write_constraints(known, tmp_path / "constraints.nc")
    write_constraints(HELD_OUT, tmp_path / "held_out.nc")
    out = tmp_path / "page.html"
    main(["report", str(tmp_path / "ensemble.zarr"), "-o", str(out), "--title", "Mine"], standalone_mode=False)
    page = Page(out.read_text(encoding="utf-8"))
    assert "Mine" in page.text
    assert "Held-out wells, coarse fraction" in page.text
    (tmp_path / "diagnosis.json").write_text("{}")
    with pytest.raises(Failure, match="other JSON than a diagnosis"):
        main(["report", str(tmp_path / "ensemble.zarr"), "-o", str(out)], standalone_mode=False)


@needs_chromium
@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_opens_it_in_silence(written, tmp_path, width):
    console, addresses, _ = opened(written, tmp_path, width)
    assert console == []
    assert addresses == []
