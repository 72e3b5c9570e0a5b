import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnostics import diagnose
from gempy_gan.errors import GempyGanError, GempyGanWarning, GridError, PluginError
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.grid import Grid
from gempy_gan.inversion import batches, invert, prior_for, sample
from gempy_gan.prior import Prior
from gempy_gan.progress import listening
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategy import Draws, Strategy

GRID = Grid((0, 80, 0, 60, -8, 0), (8, 6, 4))
KNOWN = Constraints(GRID, HardData([[1, 1, 0], [6, 4, 3]], [1.0, -1.0], 0.05, "porosity"))


@pytest.fixture
def three_at_a_time(monkeypatch):
    monkeypatch.setattr("gempy_gan.inversion.BATCH_CELLS", 3 * GRID.size)


def test_by_name_the_prior_fits_grid_and_property_and_brings_its_strategy():
    ensemble = invert("gaussian", KNOWN, n=4, seed=1)
    assert ensemble.values.shape == (4, 1, 8, 6, 4)
    assert [p.name for p in ensemble.properties] == ["porosity"]
    assert np.abs(ensemble.values[:, 0, 1, 1, 0] - 1).max() < 0.3
    assert ensemble.provenance["strategy"]["class"] == "gempy_gan.strategies.latent:Latent"
    assert ensemble.provenance["seed"] == 1
    assert len(ensemble.provenance["trace"]) == 1


def test_the_seed_alone_decides():
    torch.manual_seed(1)
    first = invert("gaussian", KNOWN, n=3, seed=5)
    torch.manual_seed(2)
    assert np.array_equal(first.values, invert("gaussian", KNOWN, n=3, seed=5).values)
    assert not np.array_equal(first.values, invert("gaussian", KNOWN, n=3, seed=6).values)


@pytest.mark.usefixtures("three_at_a_time")
def test_an_interrupted_run_resumes_to_the_same_bytes_and_only_itself(tmp_path, monkeypatch):
    store = tmp_path / "e.zarr"
    turns = iter([False, False, True])
    genuine = Latent.sample

    def until_interrupted(self, *args):
        if next(turns, False):
            raise KeyboardInterrupt
        return genuine(self, *args)

    monkeypatch.setattr(Latent, "sample", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        invert("gaussian", KNOWN, "latent", n=8, seed=3, store=store)
    assert len(EnsembleStore.open(store)) == 6
    with pytest.raises(GempyGanError, match="exists already"):
        invert("gaussian", KNOWN, "latent", n=8, seed=3, store=store)
    with pytest.raises(GempyGanError, match="differs in seed"):
        invert("gaussian", KNOWN, "latent", n=8, seed=4, store=store, resume=True)
    other = Constraints(GRID, HardData([[1, 1, 0], [6, 4, 3]], [1.0, -0.9], 0.05, "porosity"))
    with pytest.raises(GempyGanError, match="differs in constraints"):
        invert("gaussian", other, "latent", n=8, seed=3, store=store, resume=True)
    resumed = invert("gaussian", KNOWN, "latent", n=8, seed=3, store=store, resume=True)
    assert np.array_equal(resumed.values, invert("gaussian", KNOWN, "latent", n=8, seed=3).values)
    assert len(resumed.provenance["trace"]) == 3
    again = invert("gaussian", KNOWN, "latent", n=8, seed=3, store=store, resume=True)
    assert np.array_equal(again.values, resumed.values)


def test_what_does_not_fit_is_said_before_anything_is_computed():
    class Bare(Prior):
        properties, shape, cell_size = (), (8, 6, 4), (10.0, 10.0, 2.0)

        def sample(self, n, generator=None):
            raise AssertionError

    with pytest.raises(GempyGanError, match="Latent needs a LatentPrior, and Bare is none"):
        invert(Bare(), KNOWN, "latent")
    with pytest.raises(PluginError, match="No strategy is named 'laten'"):
        invert("gaussian", KNOWN, "laten")
    with pytest.raises(GempyGanError, match="at least 1"):
        invert("gaussian", KNOWN, n=0)
    with pytest.raises(GridError, match=r"8.*cells and the grid"):
        invert(prior_for("gaussian", Grid((0, 80, 0, 60, -8, 0), (8, 6, 2))), KNOWN)
    with pytest.raises(GridError, match="cells measure"):
        invert(prior_for("gaussian", Grid((0, 88, 0, 60, -8, 0), (8, 6, 4))), KNOWN)
    with pytest.raises(GempyGanError, match="constrain 'porosity', and the prior has only: value"):
        invert(prior_for("gaussian", GRID), KNOWN)
    with pytest.raises(GridError, match="no forward operator"):
        invert("gaussian", Constraints(GRID, SoftData(np.zeros(3), 1.0)))
    wrong = Constraints(GRID, SoftData(np.zeros(3), 1.0, lambda m: m.flatten(1)))
    with pytest.raises(GempyGanError, match="one value per datum and realization"):
        invert("gaussian", wrong, n=1)


def test_unconditional_samples_know_their_prior():
    drawn = sample("gaussian", GRID, n=3, seed=2)
    assert drawn.provenance["prior"]["class"] == "gempy_gan.priors.gaussian:GaussianPrior"
    assert len(np.unique(drawn.values)) > 3 * GRID.size * 0.9


def test_progress_reaches_a_listener():
    heard = []
    with listening(lambda label, done, total: heard.append((label, done, total))):
        sample("gaussian", GRID, n=2)
    assert heard[0] == ("unconditional realizations", 0, 2)
    assert heard[-1] == ("unconditional realizations", 2, 2)


@pytest.mark.usefixtures("three_at_a_time")
def test_progress_counts_realizations_also_when_resumed(tmp_path, monkeypatch):
    def heard(resume):
        counts = []
        with listening(lambda label, done, total: counts.append((done, total)) if label == "realizations" else None):
            invert("gaussian", KNOWN, n=8, store=tmp_path / "e.zarr", resume=resume)
        return counts

    assert heard(resume=False) == [(0, 8), (3, 8), (6, 8), (8, 8)]
    assert heard(resume=True)[-1] == (8, 8)


def test_a_warning_is_told_once_and_counted():
    @dataclass
    class Doubtful(Strategy):
        def sample(self, prior, likelihood, n, generator):
            warnings.warn(f"{n} are doubtful.", GempyGanWarning, stacklevel=2)
            return Draws(prior.sample(n, generator))

    with pytest.warns(GempyGanWarning) as told:
        invert("gaussian", KNOWN, Doubtful(), n=8, batch=3)
    assert [str(w.message) for w in told] == [
        "Batch 1 of 3: 3 are doubtful.",
        "3 of 3 batches warned like the first: 3 are doubtful.",
    ]
    with pytest.warns(GempyGanWarning) as told:
        invert("gaussian", KNOWN, Doubtful(), n=8)
    assert [str(w.message) for w in told] == ["8 are doubtful."]


def test_a_batch_of_ones_own_size(tmp_path):
    store = tmp_path / "e.zarr"
    fives = invert("gaussian", KNOWN, n=8, seed=3, batch=5, store=store)
    assert len(fives.provenance["trace"]) == 2
    assert np.array_equal(fives.values[:5], invert("gaussian", KNOWN, n=5, seed=3).values)
    with pytest.raises(GempyGanError, match="differs in batch"):
        invert("gaussian", KNOWN, n=8, seed=3, store=store, resume=True)
    with pytest.raises(GempyGanError, match=r"batch = 0 was asked for\. Expected 1 or more"):
        invert("gaussian", KNOWN, n=8, batch=0)
    with pytest.raises(GempyGanError, match=r"batch = 5 .* at least 8, because this strategy draws all realizations together"):
        invert("gaussian", KNOWN, "esmda", n=8, batch=5)


def test_a_call_that_ends_before_its_first_batch_leaves_no_store(tmp_path, monkeypatch):
    def refuse(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Latent, "sample", refuse)
    with pytest.raises(KeyboardInterrupt):
        invert("gaussian", KNOWN, "latent", n=2, store=tmp_path / "e.zarr")
    assert not list(tmp_path.iterdir())


def test_batches_are_a_function_of_the_request():
    assert sum(batches(100, 10**6, coupled=False)) == 100
    assert max(batches(100, 10**6, coupled=False)) == 8
    assert batches(100, 10**6, coupled=True) == [100]
    assert batches(3, 10**9, coupled=False) == [1, 1, 1]


def test_weighted_draws_keep_their_weights():
    @dataclass
    class Weighted(Strategy):
        coupled: ClassVar[bool] = True

        def sample(self, prior, likelihood, n, generator):
            return Draws(prior.sample(n, generator), log_weights=torch.log(torch.tensor([0.25, 0.75])))

    assert invert("gaussian", KNOWN, Weighted(), n=2).weights.tolist() == pytest.approx([0.25, 0.75])


def test_a_clamp_mends_the_match_and_tells_what_it_was(tmp_path):
    free, clamped = invert("gaussian", KNOWN, n=4, seed=1), invert("gaussian", KNOWN, n=4, seed=1, clamp=True)
    cells = tuple(KNOWN.hard[0].cells.T)
    assert (clamped.values[:, 0][:, *cells] == np.float32(KNOWN.hard[0].values)).all()
    other = np.ones(GRID.resolution, dtype=bool)
    other[cells] = False
    assert np.array_equal(free.values[:, 0][:, other], clamped.values[:, 0][:, other])
    error = np.abs(free.values[:, 0][:, *cells] - KNOWN.hard[0].values)
    told = diagnose(clamped, KNOWN)
    assert told["sampling", "mae_before_clamp"].value == pytest.approx(error.mean(), rel=1e-4)
    assert told["sampling", "chi2_before_clamp"].value == pytest.approx((error**2).mean() / 0.05**2, rel=1e-4)
    assert told["hard: porosity", "chi2"].value == 0
    assert "clamp" not in free.provenance
    with pytest.raises(GempyGanError, match="belongs to another run: it differs in clamp"):
        invert("gaussian", KNOWN, n=4, seed=1, store=tmp_path / "e.zarr")
        invert("gaussian", KNOWN, n=4, seed=1, store=tmp_path / "e.zarr", resume=True, clamp=True)
