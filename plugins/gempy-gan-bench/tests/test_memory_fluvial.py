"""Fluvial priors that learned from few or many deposits: what is trained, measured, kept and told."""

import numpy as np
import pytest
from gempy_gan_bench.memory import fluvial

PLAN = fluvial.Plan((6, 12), (8, 8, 4), steps=3, batch=2, widths=(8, 8), held_out=12, draws=8)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve")
    return folder, fluvial.run(PLAN, 0, folder)


def test_each_number_of_images_has_a_trained_and_an_honest_row(done):
    rows = fluvial.rows(done[1])
    assert [(row["n"], row["sampler"]) for row in rows] == [(n, s) for n in (6, 12) for s in ("trained", "honest")]
    for row in rows:
        assert {"share_memorized", "null_share", "p_value"} <= row.keys()
        assert 0 <= row["p_value"] <= 1
        assert (row["denoising_gap"] is None) == (row["sampler"] == "honest")
    assert len(fluvial.sentences(done[1])) == 3
    assert len(fluvial.pictures(done[1])) == 1


def test_sets_are_nested_and_what_is_held_out_is_not_learned_from(done):
    few, many, unseen = (fluvial.read(done[0] / f"{name}.zarr").values for name in ("training-6", "training-12", "held_out"))
    np.testing.assert_array_equal(few, many[:6])
    assert not any((one == unseen).all(axis=(1, 2, 3, 4)).any() for one in many)


def test_a_run_goes_on_where_it_was(done, monkeypatch):
    monkeypatch.setattr(fluvial, "train", lambda plan: pytest.fail("trained again"))
    again = fluvial.run(PLAN, 0, done[0])
    for row, before in zip(again["rows"], done[1]["rows"], strict=True):
        assert row == pytest.approx(before, abs=1e-5)
