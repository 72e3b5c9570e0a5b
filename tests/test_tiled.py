"""Realizations larger than a prior's box: the same distribution across tiles, conditions, gradients, stacks."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from posteriors import chance, distance, seeded

import gempy_gan as gg
from gempy_gan import inversion
from gempy_gan.cli import main as command
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.denoising import draw, heun, noise_levels
from gempy_gan.errors import GempyGanError
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.grid import Grid
from gempy_gan.inversion import prior_for
from gempy_gan.labels import Label
from gempy_gan.learning import Domain
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import DiffusionPrior
from gempy_gan.priors.diffusion import LearnedDiffusion
from gempy_gan.priors.exact import gaussian_posterior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.priors.tiled import TiledDiffusion
from gempy_gan.priors.tiling import places
from gempy_gan.properties import Property
from gempy_gan.strategies.guided import Guided
from gempy_gan.testing import check_prior

SHAPE = (8, 8, 4)
DOMAIN = Domain(
    (Property("coarse_fraction"), Property("deposition_time")),
    SHAPE,
    (50.0, 50.0, 1.0),
    (Label("width", 100.0, 300.0, "m"), Label("offset", -0.5, 0.5, along="y")),
)


class GaussianBox(DiffusionPrior):
    """The denoiser of a Gaussian field, exact, with and without known cells."""

    conditional = True
    sigma_max = 20.0

    def __init__(self, shape, ranges):
        self.field = GaussianPrior(shape, property="porosity", covariance="exponential", ranges=ranges)
        self.shape, self.cell_size, self.properties = self.field.shape, self.field.cell_size, self.field.properties
        cells = torch.cartesian_prod(*(torch.arange(k, dtype=torch.float64) for k in shape))
        self.covariance = self.field.covariance_at(cells[:, None] - cells)

    def sample(self, n, generator=None):
        return self.field.sample(n, generator)

    def denoise(self, x, sigma, condition=None):
        if condition is not None and condition[0].ndim == 5:
            different, which = torch.unique(torch.stack([part.to(x) for part in condition], dim=1), dim=0, return_inverse=True)
            found = torch.empty_like(x)
            for k, (mask, values, std) in enumerate(different):
                found[which == k] = self.denoise(x[which == k], sigma, (mask.bool(), values, std))
            return found
        level = float(torch.as_tensor(sigma).flatten()[0])
        mean, covariance = self.given(condition)
        gain = torch.linalg.solve(covariance + level**2 * torch.eye(len(mean), dtype=torch.float64), covariance)
        return (mean + (x.flatten(1).double() - mean) @ gain).to(x).reshape(x.shape)

    def given(self, condition):
        if condition is None:
            return torch.zeros(len(self.covariance), dtype=torch.float64), self.covariance
        mask, values, std = (part.flatten() for part in condition)
        seen = self.covariance[mask]
        inverse = torch.linalg.inv(seen[:, mask] + std[mask].double().square().diag())
        return values[mask].double() @ inverse @ seen, self.covariance - seen.T @ inverse @ seen


def images(shape=(6, 5, 4), count=4):
    return MixturePrior(torch.rand((count, 1, *shape), generator=seeded(0)).double(), 0.2, ["porosity"], (50.0, 50.0, 1.0))


def test_shares_of_a_cell_sum_to_one_and_neighbours_overlap():
    for shape in ((6, 5, 4), (13, 9, 7), (64, 5, 5)):
        total = torch.zeros(shape)
        found = places(shape, (6, 5, 4), 1 / 3)
        for place in found:
            assert place.share.min() > 0
            total[place.cells] += place.share
        assert torch.allclose(total, torch.ones(shape))
    first = sorted({place.cells[0].start for place in found})
    assert first[0] == 0
    assert first[-1] == 58
    assert max(np.diff(first)) <= 4  # two of six cells in common


@pytest.mark.parametrize("columns", [64, 128, 256, 512])
def test_the_cost_of_a_cell_does_not_depend_on_the_size(columns):
    cells = len(places((columns, columns, 8), (32, 32, 8), 1 / 3)) * 32**2
    assert cells / columns**2 == pytest.approx(2.2, rel=0.1)


@pytest.mark.parametrize("shape", [(5, 5, 4), (6, 5, 3), (12, 5), (12.5, 5, 4)])
def test_a_shape_smaller_than_a_tile_is_refused(shape):
    with pytest.raises(GempyGanError, match=r"Boxes of \(6, 5, 4\) cells were to cover .* Expected"):
        TiledDiffusion(images(), shape)


def test_an_overlap_of_a_whole_tile_is_refused():
    with pytest.raises(GempyGanError, match="Expected 0 or more, and less than 1"):
        TiledDiffusion(images(), (12, 5, 4), overlap=1.0)


def test_one_tile_is_the_prior_itself():
    prior = images()
    tiled, x = TiledDiffusion(prior, prior.shape), torch.randn((3, 1, *prior.shape), generator=seeded(1))
    mask = torch.zeros((1, *prior.shape), dtype=torch.bool)
    mask[0, 2, 2] = True
    for condition in (None, (mask, torch.ones(mask.shape))):
        assert torch.allclose(tiled.denoise(x, 0.3, condition), prior.denoise(x, 0.3, condition), atol=1e-6)
    assert torch.allclose(tiled.sample(2, seeded(2)), draw(prior, 2, seeded(2)), atol=1e-5)


def test_it_is_a_prior_like_any_other():
    check_prior(TiledDiffusion(GaussianBox((5, 4, 2), (4.0, 4.0, 2.0)), (7, 6, 2), steps=12))


def test_tiles_denoised_together_or_one_by_one_are_the_same():
    x = torch.randn((3, 1, 13, 9, 4), generator=seeded(1))
    mask = torch.zeros(x.shape[1:], dtype=torch.bool)
    mask[0, 7, 4] = True
    one, many = (TiledDiffusion(images(), (13, 9, 4), at_once=most) for most in (1, 2**20))
    for condition in (None, (mask, torch.ones(mask.shape))):
        assert torch.allclose(one.denoise(x, 0.3, condition), many.denoise(x, 0.3, condition), atol=1e-5)
    levels = torch.tensor([0.1, 1.0, 3.0])
    rows = [many.denoise(x[k : k + 1], float(levels[k])) for k in range(3)]
    assert torch.allclose(many.denoise(x, levels), torch.cat(rows), atol=1e-5)
    assert torch.allclose(one.denoise(x, levels), torch.cat(rows), atol=1e-5)


def test_the_generator_alone_decides():
    tiled = TiledDiffusion(images(), (9, 9, 4), steps=4)
    assert torch.equal(tiled.sample(2, seeded(3)), tiled.sample(2, seeded(3)))
    assert not torch.equal(tiled.sample(2, seeded(3)), tiled.sample(2, seeded(4)))


def test_gradients_are_those_of_the_assembled_expectation():
    tiled = TiledDiffusion(images((4, 3, 2)), (6, 4, 3), at_once=50)
    x = torch.randn((2, 1, 6, 4, 3), generator=seeded(1), dtype=torch.float64, requires_grad=True)
    mask = torch.zeros(x.shape[1:], dtype=torch.bool)
    mask[0, 3, 2, 1] = True
    known = (mask, torch.ones(mask.shape, dtype=torch.float64), torch.full(mask.shape, 0.1, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda x: tiled.denoise(x, 0.7, known), (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: tiled.denoise(x, 0.7, known), (x,), fast_mode=True)


def test_functional_derivatives_work_too():
    tiled, x = TiledDiffusion(images(), (9, 7, 4)), torch.randn((2, 1, 9, 7, 4), generator=seeded(1), dtype=torch.float64)
    v = torch.randn(x.shape, generator=seeded(2), dtype=torch.float64)
    _, pull = torch.func.vjp(lambda x: tiled.denoise(x, 0.7), x)
    _, push = torch.func.vjp(lambda v: pull(v)[0], torch.zeros_like(x))
    step = 1e-5
    along = (tiled.denoise(x + step * v, 0.7) - tiled.denoise(x - step * v, 0.7)) / (2 * step)
    assert torch.allclose(push(v)[0], along, atol=1e-6)


def test_a_gradient_holds_no_activations_of_tiles():
    saved = []
    tiled, x = TiledDiffusion(images(), (24, 20, 4)), torch.randn((1, 1, 24, 20, 4), requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        tiled.denoise(x, 0.7)
    assert sum(saved) <= x.numel()


def covariance_of_draws(prior):
    """Covariance of draws along one axis, exact: Heun's method on a linear denoiser is a linear map of the noise."""
    length = prior.shape[0]
    noise = prior.sigma_max * torch.eye(length, dtype=torch.float64).reshape(length, 1, length, 1, 1)
    draws = heun(prior.denoise, noise, noise_levels(prior, 24)).flatten(1)
    return draws.T @ draws


def variogram(covariance, lag):
    variance = covariance.diagonal()
    return (variance[lag:] + variance[:-lag]) / 2 - covariance.diagonal(lag)


def off(tiled, lag):
    """How far the variogram at a lag is from that of the whole field drawn at once: across borders of tiles, and elsewhere."""
    found, exact = (covariance_of_draws(p) for p in (tiled, GaussianBox(tiled.shape, tiled.tile.field.ranges)))
    error = (variogram(found, lag) / variogram(exact, lag) - 1).abs()
    borders = {edge for tile in tiled.tiles for edge in (tile.place.cells[0].start, tile.place.cells[0].stop)}
    across = torch.tensor([any(k < edge <= k + lag for edge in borders) for k in range(len(error))])
    return float(error[across].max()), float(error[~across].max())


def test_no_seam_in_an_exact_gaussian_field():
    tiled = TiledDiffusion(GaussianBox((16, 1, 1), (9.0, 1.0, 1.0)), (70, 1, 1))
    for lag, most in ((1, 0.01), (2, 0.03)):
        across, inside = off(tiled, lag)
        assert across < most
        assert inside < most


def test_tiles_without_overlap_have_seams():
    across, inside = off(TiledDiffusion(GaussianBox((16, 1, 1), (9.0, 1.0, 1.0)), (64, 1, 1), overlap=0.0), 1)
    assert across > 0.5
    assert inside < 0.01


def test_a_strategy_finds_the_posterior_of_a_field_larger_than_the_box():
    shape, ranges = (20, 18, 1), (5.0, 5.0, 1.0)
    field = GaussianPrior(shape, property="porosity", covariance="exponential", ranges=ranges)
    truth = field.sample(1, seeded(5))[0, 0].numpy()
    wells = np.array([(3, 4, 0), (8, 9, 0), (12, 4, 0), (15, 14, 0)])  # some where tiles begin and end
    means = lambda m: m[:, 0].mean(dim=(2, 3))  # noqa: E731  # of each row of columns
    hard = HardData(wells, truth[tuple(wells.T)], 0.05, "porosity")
    soft = SoftData(means(torch.as_tensor(truth)[None, None])[0].numpy() + 0.1, 0.1, means)
    prior = TiledDiffusion(GaussianBox((12, 12, 1), ranges), shape)
    likelihood = Likelihood.of(Constraints(Grid((0, 20, 0, 18, 0, 1), shape), hard, soft), prior)
    draws = Guided(steps=20).sample(prior, likelihood, 64, seeded(1))
    found = distance(draws.values, gaussian_posterior(field, likelihood))
    assert found.within(*chance(64)), found


class Layers(DiffusionPrior):
    """Boxes of independent columns, in which a time rises by 0.2 +- 0.05 from layer to layer below a fraction near its label."""

    shape, cell_size = (4, 4, 4), (50.0, 50.0, 1.0)
    properties = (Property("coarse_fraction"), Property("deposition_time"))
    sigma_max, centre = 20.0, 0.5

    def __init__(self, label=0.5):
        time = 0.2 + 0.2 * torch.arange(4)
        self.mean = torch.stack([torch.full((4,), label), time])[:, None, None].expand(2, *self.shape)

    def labelled(self, labels):
        return Layers(labels["label"])

    def sample(self, n, generator=None):
        return self.mean + 0.05 * torch.randn((n, 2, *self.shape), generator=generator)

    def denoise(self, x, sigma, condition=None):
        level = torch.as_tensor(sigma).to(x).reshape(-1, 1, 1, 1, 1)
        return self.mean + (x - self.mean) * 0.05**2 / (0.05**2 + level**2)

    def finish(self, x):
        return x.clamp(0, 1)


def test_times_of_a_stack_rise_through_all_of_its_boxes():
    prior = TiledDiffusion(Layers(), (4, 4, 14), steps=16)
    assert prior.rise.tolist() == pytest.approx([0.0, 0.2], abs=1e-5)
    draws = prior.sample(200, seeded(0))
    fraction, time = draws.mean(dim=(0, 2, 3))
    assert time.tolist() == pytest.approx((0.2 + 0.2 * torch.arange(14)).tolist(), abs=0.02)
    assert fraction.tolist() == pytest.approx([0.5] * 14, abs=0.01)
    assert (draws[:, 1].diff(dim=-1) >= 0).all()
    assert draws[:, 1].max() <= 1 + 0.2 * 10
    assert draws[:, 1].max() > 2.5  # beyond what a box of its own could say
    assert float(draws.std(dim=0).mean()) == pytest.approx(0.05, rel=0.1)


def test_hard_data_of_a_stack_are_times_of_the_stack():
    prior = TiledDiffusion(MixturePrior(Layers().sample(6, seeded(0)), 0.05, Layers.properties, (50.0, 50.0, 1.0)), (4, 4, 10))
    mask, values = torch.zeros((2, 4, 4, 10), dtype=torch.bool), torch.zeros(2, 4, 4, 10)
    mask[1, 2, 2, 8], values[1, 2, 2, 8] = True, 1.7
    found = prior.denoise(prior.centre + prior.sigma_max * torch.randn(1, 2, 4, 4, 10, generator=seeded(1)), 20.0, (mask, values))
    assert float(found[0, 1, 2, 2, 8]) == pytest.approx(1.7, abs=1e-4)


def test_each_tile_gets_the_mean_of_a_map_over_its_columns():
    ramp = np.linspace(0.2, 0.8, 16)[:, None] * np.ones((16, 4))
    prior = TiledDiffusion(Layers(), (16, 4, 4), labels={"label": ramp}, steps=16)
    fraction = prior.sample(100, seeded(0))[:, 0].mean(dim=(0, 2, 3))
    assert np.allclose(fraction, ramp[:, 0], atol=0.07)  # tiles of four columns know no slope of their own
    assert (fraction.diff() > -0.02).all()
    assert prior.state()["labels"]["label"]["mean"] == pytest.approx(0.5)
    with pytest.raises(
        GempyGanError, match=r"map of 'label' has shape \(4, 16\). Expected a finite number for each of \(16, 4\)"
    ):
        TiledDiffusion(Layers(), (16, 4, 4), labels={"label": ramp.T})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A prior file of an untrained network that says something."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = LearnedDiffusion.of(DOMAIN, widths=(16, 24))
        for parameter in prior.networks["unet"].parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return str(gg.save_prior(prior, tmp_path_factory.mktemp("prior") / "prior.safetensors", dtype="float32"))


def test_a_file_makes_any_larger_shape(file):
    assert isinstance(gg.load_prior(file, (4, 8, 4)), LearnedDiffusion)  # fewer columns: one box
    prior = gg.load_prior(file, (19, 8, 6), rescaled_to=(25, 25, 1), steps=3)
    assert isinstance(prior, TiledDiffusion)
    assert (prior.tile.shape, prior.steps, prior.cell_size) == (SHAPE, 3, (25.0, 25.0, 1.0))
    assert gg.load_prior(file, (7, 19, 4)).tile.shape == (4, 8, 4)  # 7 is no multiple of 4: two boxes
    draws = prior.sample(2, seeded(0))
    assert draws.shape == (2, 2, 19, 8, 6)
    assert (draws[:, 1].diff(dim=-1) >= 0).all()
    with pytest.raises(GempyGanError, match=r"Boxes of \(8, 8, 4\) cells were to cover a grid of \(16, 16, 3\)"):
        gg.load_prior(file, (16, 16, 3))
    with pytest.raises(GempyGanError, match="Expected three positive whole numbers"):
        gg.load_prior(file, (16, 16))


def test_labels_of_a_file_may_be_maps(file):
    width = np.linspace(120, 280, 16)[:, None] * np.ones((16, 8))
    prior = gg.load_prior(file, (16, 8, 4), labels={"width": width})
    assert [tile.prior.labels["width"] for tile in prior.tiles] == pytest.approx(
        [width[:8].mean(), 200.0, width[8:].mean()], abs=6
    )
    assert gg.load_prior(file, SHAPE, labels={"width": width[:8]}).labels == {"width": pytest.approx(width[:8].mean())}
    for labels, match in (
        ({"width": width * 2}, r"label 'width' is 560.0. Expected 100.0 to 300.0 m"),
        ({"width": width[0]}, "has 1 dimensions. Expected a number, or a map"),
        ({"offset": 0.1}, r"'offset' says where things lie in a box of \(8, 8\) columns"),
    ):
        with pytest.raises(GempyGanError, match=match):
            gg.load_prior(file, (16, 8, 4), labels=labels)


def test_an_inversion_takes_the_grid_as_it_is(file, tmp_path):
    grid = Grid((0, 800, 0, 600, 0, 6), (16, 12, 6))
    wells = HardData([(2, 3, k) for k in range(6)] + [(9, 9, k) for k in range(6)], [0.3] * 12, 0.05, "coarse_fraction")
    ensemble = gg.invert(
        prior_for(file, grid, steps=2), Constraints(grid, wells), Guided(steps=4), 3, store=tmp_path / "e.zarr", batch=1
    )
    assert ensemble.dataset["coarse_fraction"].shape == (3, 16, 12, 6)
    assert [len(batch["chi2"]) for batch in ensemble.provenance["trace"]] == [1, 1, 1]  # kept one by one
    record = ensemble.provenance["prior"]
    assert record["options"]["shape"] == [16, 12, 6]
    assert (
        record["tile"]["weights"]
        == gg.invert(file, Constraints(Grid((0, 400, 0, 400, 0, 4), SHAPE)), n=1).provenance["prior"]["weights"]
    )


def test_a_grid_larger_than_a_given_prior_names_the_remedy(file):
    prior, grid = gg.load_prior(file), Grid((0, 800, 0, 600, 0, 4), (16, 12, 4))
    with pytest.raises(gg.GridError, match=r"TiledDiffusion\(prior, \(16, 12, 4\)\)"):
        gg.invert(prior, Constraints(grid), n=1)


def test_unconditional_realizations_are_kept_as_they_are_drawn(file, tmp_path, monkeypatch):
    grid, prior = Grid((0, 800, 0, 600, 0, 4), (16, 12, 4)), gg.load_prior(file, (16, 12, 4), steps=2)
    monkeypatch.setattr(inversion, "BATCH_CELLS", grid.size)  # each realization is a batch of its own
    held = []
    append = EnsembleStore.append
    monkeypatch.setattr(
        EnsembleStore, "append", lambda self, values, *rest: held.append(len(values)) or append(self, values, *rest)
    )
    kept = gg.sample(prior, grid, 3, store=tmp_path / "e.zarr")
    assert held == [1, 1, 1]
    whole = gg.sample(prior, grid, 3)
    assert np.array_equal(kept.values, whole.values)
    assert kept.provenance == whole.provenance


def test_the_command_line_draws_on_a_grid_larger_than_the_box(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = ["--extent", "0", "800", "0", "600", "0", "6", "--resolution", "16", "12", "6"]
    result = CliRunner().invoke(command, ["sample", file, *box, "-n", "2", "--set", "steps=2", "-o", "e.zarr"])
    assert result.exit_code == 0, result.output
    assert gg.read("e.zarr").dataset["coarse_fraction"].shape == (2, 16, 12, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["e.zarr"]
