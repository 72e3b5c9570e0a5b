"""What latents mean and what priors learned from, where the answer is known; break-down points; the commands."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench.cli import main
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.truths import Truth
from gempy_gan_bench.unconditional import Unconditional
from gempy_gan_bench.why import breakdown, composition, disentanglement, report, start
from gempy_gan_bench.why.numbers import mean_with_error
from gempy_gan_bench.why.principal import PrincipalPrior
from gempy_gan_bench.why.problem import Problem

import gempy_gan as gg
from gempy_gan.labels import Label
from gempy_gan.prior import LatentPrior

SMALL = Protocol(shape=(16, 16, 4), columns=(24, 24), held_out=2)
PLAN = disentanglement.Plan(draws=600, permutations=2, trees=15)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# Disentanglement


def scored(codes, factors):
    return disentanglement.scores(codes, factors, PLAN, 0)[0]


def test_latents_that_are_the_factors_are_disentangled():
    codes = np.random.default_rng(0).standard_normal((600, 4))
    own = scored(codes, np.column_stack([codes[:, 0], np.exp(codes[:, 1]), codes[:, 2] ** 3]))
    assert own["disentanglement"] > 0.95
    assert own["completeness"] > 0.95
    assert own["mig"] > 0.6


def test_rotated_latents_are_not():
    codes = np.random.default_rng(0).standard_normal((600, 4))
    mixed = codes @ (np.ones((4, 4)) - 2 * np.eye(4)) / 2  # an orthogonal matrix of equal entries
    own = scored(codes, mixed)
    assert own["disentanglement"] < 0.1
    assert own["mig"] < 0.05


def test_shuffled_factors_lie_at_the_floor():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((600, 4))
    own = scored(codes, rng.permutation(codes))
    assert own["disentanglement"] < 0.1
    assert own["completeness"] < 0.1


def test_scores_of_known_importances():
    assert disentanglement.disentangled(np.array([[1.0, 0], [0, 1], [0, 0]])) == 1  # a latent without meaning counts for nothing
    assert disentanglement.complete(np.array([[1.0, 0], [1, 0], [0, 1]])) == pytest.approx(1 - np.log(2) / np.log(3) / 2)


class TwoKnobs(LatentPrior):
    """The first latent decides how much is coarse, the second how late it all was."""

    properties = (gg.Property("coarse_fraction"), gg.Property("deposition_time"))
    shape = (16, 16, 4)
    cell_size = (50.0, 50.0, 1.0)
    latent_shape = (3,)

    def decode(self, z):
        share = torch.special.ndtr(z)
        across = (torch.arange(16) + 0.5) / 16
        coarse = torch.sigmoid((share[:, :1] - across) * 40)[:, None, None, :, None].expand(-1, 1, *self.shape)
        late = share[:, 1].reshape(-1, 1, 1, 1, 1).expand(-1, 1, *self.shape)
        return torch.cat([coarse, late], dim=1)


def test_a_prior_with_a_knob_for_each_factor_stands_out_of_its_floor(monkeypatch):
    monkeypatch.setattr(disentanglement, "FACTORS", ("net_to_gross", "mean_time"))
    record = disentanglement.disentanglement(TwoKnobs(), PLAN)
    assert record["scores"]["disentanglement"]["value"] > 0.95
    assert all(score["value"] > record["floor_highest"][name] + 0.3 for name, score in record["scores"].items())
    assert min(record["informativeness"].values()) > 0.95
    assert disentanglement.picture(record).axes
    assert any("mean time 1.00" in line for line in disentanglement.sentences(record))
    monkeypatch.setattr(TwoKnobs, "decode", lambda self, z: torch.zeros((len(z), 2, *self.shape)))
    with pytest.raises(gg.GempyGanError, match="realizations show every factor"):
        disentanglement.disentanglement(TwoKnobs(), disentanglement.Plan(draws=20))


# Principal components


def test_principal_components_have_the_mean_and_covariance_of_the_images():
    images = torch.randn((40, 1, 3, 2, 2), generator=seeded(0)) @ torch.randn((2, 2), generator=seeded(1)) + 2
    prior = PrincipalPrior(images, ["coarse_fraction"], (1, 1, 1))
    flat = images.flatten(1)
    np.testing.assert_allclose(prior.mean, flat.mean(dim=0), atol=1e-5)
    np.testing.assert_allclose(prior.basis.T @ prior.basis, torch.cov(flat.T), atol=1e-4)
    few = PrincipalPrior(images, ["coarse_fraction"], (1, 1, 1), components=2)
    assert few.latent_shape == (2,)
    np.testing.assert_allclose(few.basis.abs(), prior.basis[:2].abs(), atol=1e-4)
    with pytest.raises(gg.GempyGanError, match="1 training images"):
        PrincipalPrior(images[:1], ["coarse_fraction"], (1, 1, 1))


# Composition

LABELS = (Label("width", 100.0, 300.0), Label("mobility", 4.0, 64.0, log=True))


def a_set(n=64):
    """A training set of waves whose length is their width."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({label.name: label.from_scaled(rng.uniform(-1, 1, n)) for label in LABELS})
    across = np.arange(24)
    waves = 0.5 + 0.4 * np.sin(2 * np.pi * across * 50 / table["width"].to_numpy()[:, None] / 2 + rng.uniform(0, 6, (n, 1)))
    values = np.broadcast_to(waves[:, None, None, :, None], (n, 1, 24, 24, 4)).astype(np.float32)
    grid = gg.Grid((0, 1200, 0, 1200, 0, 4), (24, 24, 4))
    record = {"labels": [label.to_dict() for label in LABELS], "fixed": {}}
    return gg.Ensemble.from_values(
        grid, ["coarse_fraction"], values, record, labels={label: table[label.name] for label in LABELS}
    )


def a_truth(width, mobility):
    return Truth(0, np.full((1, 16, 16, 4), 0.5, np.float32), ("coarse_fraction",), {"width": width, "mobility": mobility}, 0)


def test_subsets_are_what_their_names_say():
    training = a_set()
    found = composition.subsets(training, ("width", "mobility"))
    assert [len(found[name]) for name in ("all", "1/2", "1/4", "1/8")] == [64, 32, 16, 8]
    width, mobility = (training.labels[name].to_numpy() for name in ("width", "mobility"))
    assert width[found["low width"]].max() < 200
    assert mobility[found["low mobility"]].max() < 16
    left = np.setdiff1d(found["all"], found["no high width and mobility"])
    assert (width[left] > 200).all()
    assert (mobility[left] > 16).all()
    with pytest.raises(gg.GempyGanError, match=r"no label \['depth'\]. Expected one or more of: width, mobility"):
        composition.subsets(training, ("depth",))


def test_the_distance_is_that_to_the_training_labels():
    by_name = {c.name: c for c in composition.principal(a_set(), ("width", "mobility"), SMALL)}
    assert by_name["all"].distance(a_truth(200, 16)) < 0.3
    assert by_name["all"].distance(a_truth(500, 16)) == pytest.approx(2.0, abs=0.25)  # two half ranges beyond the upper end
    assert by_name["low width"].distance(a_truth(300, 16)) == pytest.approx(1.0, abs=0.25)


def test_the_truth_of_a_corner_left_out_is_inverted_worse():
    """Waves are longer where width is high: a prior of short ones cannot make them."""
    training = a_set()
    found = [c for c in composition.principal(training, ("width",), SMALL) if c.name in ("all", "low width")]
    protocol = Protocol(shape=(16, 16, 4), columns=(24, 24), held_out=2, well_std=0.02)
    waves = training.values[:, :, :16, :16][training.labels["width"].to_numpy() > 280][:3]
    truths = [Truth(k, wave, ("coarse_fraction",), {"width": 300.0}, k) for k, wave in enumerate(waves)]
    record = composition.composition(found, truths, protocol, gg.get_strategy("latent"), 6, 4)
    everything, short = record["by composition"]
    assert short["distance"]["mean"] > everything["distance"]["mean"] + 0.5
    assert short["generalization_ratio"]["mean"] > everything["generalization_ratio"]["mean"]
    assert record["rank correlation"]["generalization_ratio"]["rho"] > 0.5
    assert composition.picture(record).axes
    json.dumps(record, allow_nan=False, default=float)


def test_trained_priors_must_say_what_they_learned_from():
    with pytest.raises(gg.GempyGanError, match="did not learn with the label"):
        composition.trained("knobs", TwoKnobs(), ("width",))


# Break-down points


def steps(passes, ratios):
    return [{"pass_rate": p, "generalization_ratio": {"mean": r}} for p, r in zip(passes, ratios, strict=True)]


def test_a_method_breaks_down_at_the_first_step_that_fails():
    assert breakdown.where(steps([1, 0.6, 0.4, 0.7], [0.5, 0.9, 1.1, 1.2])) == {"pass rate": 2, "generalization": 2}
    assert breakdown.where(steps([1, 0.5], [0.5, 1.0])) == {"pass rate": None, "generalization": None}


def test_a_sweep_finds_where_each_strategy_breaks(monkeypatch):
    """Draws of the prior pass by luck at no step; a Gaussian prior's posterior passes at all of them."""
    monkeypatch.setitem(breakdown.SWEEPS, "width", ({"width": 220.0}, {"width": 450.0}))
    prior = gg.get_prior(
        "gaussian", shape=SMALL.shape, cell_size=(50, 50, 1), property="coarse_fraction", mean=0.5, std=0.3, ranges=[200, 200, 3]
    )
    strategies = {"latent": gg.get_strategy("latent"), "unconditional": Unconditional()}
    record = breakdown.breakdown(prior, SMALL, strategies, "width", 2, 1, 6)
    assert record["breaks down"]["latent"]["pass rate"] is None
    assert record["breaks down"]["unconditional"]["pass rate"] == 0
    assert [each["width"] for each in record["steps"]] == [220, 450] * 2
    assert "width, latent: fewer than half of its realizations pass at no step (2 steps)." in breakdown.sentences(record)
    assert "from width 220 on" in breakdown.sentences(record)[2]
    assert breakdown.picture(record).axes
    with pytest.raises(gg.GempyGanError, match="no sweep 'depth'"):
        breakdown.breakdown(prior, SMALL, strategies, "depth", 2, 1, 6)


def test_truths_of_a_sweep_share_their_random_numbers():
    first, second = (breakdown.found_truths(SMALL, {"width": width}, 2) for width in (220.0, 221.0))
    for k, (one, other) in enumerate(zip(first, second, strict=True)):
        assert (one.labels["width"], other.labels["width"]) == (220, 221)
        assert {(t.number - breakdown.FIRST) // breakdown.TRIED for t in (one, other)} == {k}
        assert (one.number == other.number) == (one.labels["mobility"] == other.labels["mobility"])
        assert all(0.3 <= t.net_to_gross <= 0.7 for t in (one, other))


# Starts


class Pulled(Unconditional):
    """Stands for tuning: half way from its start to the truth."""

    def __init__(self, of, truth):
        self.of, self.truth = of, torch.as_tensor(truth, dtype=torch.float32)

    def sample(self, prior, likelihood, n, generator):
        return gg.Draws((self.of.sample(prior, likelihood, n, generator).values + self.truth) / 2)


def test_tuning_is_reported_beside_its_start(monkeypatch):
    monkeypatch.setattr("gempy_gan.inversion.describe_strategy", lambda strategy: {"class": type(strategy).__name__})
    prior = gg.get_prior(
        "gaussian", shape=SMALL.shape, cell_size=(50, 50, 1), property="coarse_fraction", mean=0.5, std=0.3, ranges=[200, 200, 3]
    )
    truth = Truth(0, prior.sample(1, seeded(5))[0].numpy(), ("coarse_fraction",), {}, 0)
    problem = Problem.of(prior, SMALL, truth, 2)
    starts = start.starts_of((0, 30), "lbfgs")
    record = start.start_quality(problem, starts, lambda of: Pulled(of, truth.values), 6)
    none, many = record["rows"]
    assert (none["start"], many["start"]) == ("0 steps", "30 steps")
    assert none["error_after"]["mean"] == pytest.approx(none["error_before"]["mean"] / 2, rel=0.05)
    assert many["error_before"]["mean"] < 0.1 * none["error_before"]["mean"]
    assert (none["pass_rate"], many["pass_rate"]) == (0, 1)
    assert none["spread"] == pytest.approx(0.5, abs=0.15)
    assert start.picture(record).axes


# Text


def test_numbers_and_tables():
    assert mean_with_error([np.nan, 2.0]) == {"mean": 2.0, "error": None}
    assert mean_with_error([]) == {"mean": None, "error": None}
    rows = [{"name": "a", "error": mean_with_error([1.0, 3.0]), "slices": [1, 2], "nested": {"x": 1}}]
    assert report.table(rows) == [["name", "error"], ["a", "2 ± 1"]]


def test_the_commands_write_what_they_found(tmp_path, monkeypatch):
    json_file, page = tmp_path / "d.json", tmp_path / "d.html"
    options = ["--prior", "gaussian", "--prior-set", "mean=0.5", "--prior-set", "std=0.3", "--prior-set", "ranges=[300, 300, 4]"]
    files = ["--json", str(json_file), "--html", str(page)]
    monkeypatch.setitem(breakdown.SWEEPS, "offset", ({"offset": 0.0}, {"offset": 0.3}))
    done = CliRunner().invoke(main, ["why", "range", *options, "--sweep", "offset", "--each", "1", "-n", "2", *files])
    assert done.exit_code == 0, done.output
    assert "offset, latent" in done.output
    assert len(json.loads(json_file.read_text())["records"][0]["steps"]) == 2
    assert page.read_text().startswith("<!doctype html>")
    assert "data:image/png;base64," in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["composition"], "Give either --data or --prior"),
        (["composition", "--data", "x", "--prior", "y"], "Give either --data or --prior"),
        (["range", "--prior", "gaussian", "--strategy", "latent", "--strategy", "pcn", "--set", "steps=1"], "several were given"),
        (["landscape", "--prior", "nothing-like-it"], "nothing-like-it"),
    ],
)
def test_commands_that_cannot_be_meant(arguments, message):
    done = CliRunner().invoke(main, ["why", *arguments])
    assert done.exit_code != 0
    assert message in done.output
