"""Where draws of a diffusion prior leave its data: nowhere where the denoiser is exact, at the noise where it is made to err."""

import json

import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench import truths
from gempy_gan_bench.cli import main
from gempy_gan_bench.protocol import PROPERTY, Protocol
from gempy_gan_bench.truths import Truth
from gempy_gan_bench.why import path

import gempy_gan as gg
from gempy_gan.priors.mixture import MixturePrior

SMALL = Protocol(shape=(8, 8, 4), columns=(8, 8), held_out=2)
SIGMA = 0.1  # spread around the images
BLURRED = 0.3  # noise below which the wrong denoiser blurs
PLAN = path.Plan(number=200, steps=32)


class Blurring(MixturePrior):
    """Expects a little of the mean of each layer, where there is little noise."""

    def denoise(self, x, sigma, condition=None):
        expected = super().denoise(x, sigma, condition)
        return expected if sigma >= BLURRED else expected.lerp(expected.mean(dim=(2, 3), keepdim=True), 0.1)


def images():
    """Boxes (24, 1, 8, 8, 4) of two facies each, in bodies of two by two columns, with a grain."""
    bodies = (torch.rand((24, 1, 4, 4, 4), generator=torch.Generator().manual_seed(3)) > 0.5).float()
    return bodies.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def prior(kind=MixturePrior):
    return kind(images(), SIGMA, [PROPERTY], (50.0, 50.0, 1.0))


@pytest.fixture(autouse=True)
def _deposits(monkeypatch):
    """Deposits are draws of the exact mixture."""
    drawn = prior().sample(PLAN.number, torch.Generator().manual_seed(4)).numpy()

    def box_of(protocol, number, labels=None):
        return Truth(number, drawn[number % PLAN.number], (PROPERTY,), {}, 0)

    monkeypatch.setattr(truths, "box_of", box_of)


def test_an_exact_denoiser_stays_with_the_data():
    found = path.path(prior(), SMALL, PLAN)
    for level in found["levels"]:
        for along in path.ALONG:
            assert not level[f"apart_{along}"], level
    last = found["levels"][-1]
    assert last["draws_sideways"]["mean"] == pytest.approx(1.0, abs=0.05)
    assert all("no farther from real boxes than chance" in line for line in path.sentences(found)[1:])


def test_a_denoiser_that_blurs_leaves_them_at_the_noise_where_it_does():
    found = path.path(prior(Blurring), SMALL, PLAN)
    apart = [level["noise"] for level in found["levels"] if level["apart_sideways"]]
    assert found["levels"][-1]["draws_sideways"]["mean"] < 0.9
    assert max(apart) < BLURRED
    assert "leave real boxes at a noise of" in path.sentences(found)[1]


def test_equal_seeds_give_equal_figures():
    plan = path.Plan(number=4, steps=3)
    assert path.path(prior(), SMALL, plan) == path.path(prior(), SMALL, plan)


def test_what_cannot_be_followed_is_refused():
    gaussian = gg.get_prior("gaussian", shape=[8, 8, 4], cell_size=[50.0, 50.0, 1.0])
    with pytest.raises(gg.GempyGanError, match="GaussianPrior does not denoise"):
        path.path(gaussian, SMALL, PLAN)
    with pytest.raises(gg.GempyGanError, match=r"boxes of \(8, 8, 4\) cells. Expected \(16, 16, 4\)"):
        path.path(prior(), Protocol(shape=(16, 16, 4), columns=(16, 16)), PLAN)
    other = MixturePrior(images(), SIGMA, ["porosity"], (50.0, 50.0, 1.0))
    with pytest.raises(gg.GempyGanError, match=r"has 'porosity'\. Expected properties of fluvial-simulator"):
        path.path(other, SMALL, PLAN)


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("gempy_gan_bench.protocol.preset", lambda name, seed=0: SMALL)
    images_file = tmp_path / "images.nc"
    gg.write(gg.sample(prior(), gg.Grid((0, 400, 0, 400, 0, 4), SMALL.shape), 5), images_file)
    settings = [f"examples={images_file}", f"sigma={SIGMA}"]
    written = tmp_path / "path.json", tmp_path / "path.html"
    arguments = ["why", "path", "--prior", "mixture", *(part for setting in settings for part in ("--prior-set", setting))]
    arguments += ["-n", "6", "--steps", "5", "--json", str(written[0]), "--html", str(written[1])]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 0, run.output
    assert "1 is right" in run.output
    record = json.loads(written[0].read_text())
    assert [len(each["levels"]) for each in record["records"]] == [5]
    assert "data:image/png" in written[1].read_text()
