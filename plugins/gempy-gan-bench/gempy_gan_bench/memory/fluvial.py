"""Fluvial priors that learned from few or from many deposits: at which number they begin to know more than these."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gempy_gan import DiffusionPrior, Ensemble, TrainingPlan, get_prior, load_prior, make_training_set, progress, read, train
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.memorization import memorization
from gempy_gan.plain_torch import plain_torch

if TYPE_CHECKING:
    from gempy_gan import Prior
    from gempy_gan.metrics import Memorization

LEVELS = (0.1, 0.2, 0.4, 0.8)  # noise, in units of the prior's spread, at which denoising is compared
UNSEEN = 1_000_000  # what the seed of held-out deposits is away from that of training images


@dataclass(frozen=True)
class Plan:
    """Trainings of `steps` steps of `batch` boxes each, on nested sets of `numbers` deposits of `shape` cells; `widths` and
    `blocks` make the network. `held_out` deposits are never learned from, and `draws` are drawn from each prior.
    """

    numbers: Sequence[int] = (50, 200, 1000)
    shape: Sequence[int] = (16, 16, 8)
    steps: int = 3000
    batch: int = 16
    widths: Sequence[int] = (32, 64)
    blocks: int = 1
    held_out: int = 400
    draws: int = 200


PRESETS = {
    "quick": Plan(),
    "paper": Plan((50, 200, 1000, 5000, 20_000), (32, 32, 8), 100_000, 32, (64, 128, 192), 1, 2000, 1000),
}


def run(plan: Plan, seed: int = 0, out: Path | None = None) -> dict[str, Any]:
    """Train and measure; with `out`, sets and trainings stay there, and the same call goes on where it was interrupted."""
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            return run(plan, seed, Path(folder))
    out.mkdir(parents=True, exist_ok=True)
    unseen = _deposits(plan, out / "held_out.zarr", plan.held_out + plan.draws, seed + UNSEEN)
    held_out, fresh = (unseen.select(np.arange(*ends)) for ends in ((0, plan.held_out), (plan.held_out, len(unseen))))
    found = []
    for k, n in enumerate(plan.numbers):
        progress.report("trainings", k, len(plan.numbers))
        images = _deposits(plan, out / f"training-{n}.zarr", n, seed)
        prior = _trained(plan, images, out, n, seed)
        with plain_torch():
            drawn = prior.sample(plan.draws, torch.Generator().manual_seed(seed)).numpy()
        found += [_row(n, "trained", _both(drawn, images, held_out, seed), _gap(prior, images, held_out, seed))]
        found += [_row(n, "honest", _both(fresh.values, images, held_out, seed), None)]
    progress.report("trainings", len(plan.numbers), len(plan.numbers))
    return {"plan": asdict(plan), "rows": found}


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Two lines for each number of training images: the trained prior, and new deposits in its place."""
    return list(record["rows"])


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table means."""
    trained = [row for row in record["rows"] if row["sampler"] == "trained"]
    flagged = [row["n"] for row in trained if min(row["p_value"], row["p_features"]) < 0.01]
    honest = max(row["share_memorized"] for row in record["rows"] if row["sampler"] == "honest")
    rule = (
        "share memorized: of draws with a distance ratio below 0.7, the published rule, beside that of held-out deposits (null "
        f"share); new deposits, which nobody can have memorized, reach {honest:.0%}."
    )
    test = (
        "p value: that draws lie as close to training images as held-out deposits do, cell by cell (p features: in geological "
        "features). " + (f"Memorized (p < 0.01): N = {', '.join(map(str, flagged))}." if flagged else "None has memorized.")
    )
    gap = "denoising gap: error on held-out deposits over that on training images; 1: it knows nothing of these in particular."
    return [rule, test, gap]


def pictures(record: Mapping[str, Any]) -> list[Any]:
    """The curve: share closer than 95 % of held-out deposits, nearest images, and the denoising gap against N."""
    from gempy_gan.plot.style import ACCENT, GREY, figure

    fig = figure(9.5, 3.0)
    axes = fig.subplots(1, 3)
    for name, colour in (("trained", ACCENT), ("honest", GREY)):
        part = [row for row in record["rows"] if row["sampler"] == name]
        for ax, key in zip(axes, ("share_close", "share_trained", "denoising_gap"), strict=True):
            known = [(row["n"], row[key]) for row in part if row[key] is not None]
            if known:
                ax.plot(*zip(*known, strict=True), "o-", color=colour, label=name)
            ax.set(xscale="log", xlabel="training images", ylabel=key.replace("_", " "))
    axes[0].axhline(0.05, color=GREY, lw=0.8, ls=":")
    axes[2].axhline(1.0, color=GREY, lw=0.8, ls=":")
    axes[0].legend(frameon=False)
    return [fig]


def _deposits(plan: Plan, path: Path, n: int, seed: int) -> Ensemble:
    """Realizations 0 to n - 1 of a seed: the first ones of a larger set are those of a smaller one."""
    simulator = get_prior("fluvial-simulator", shape=tuple(plan.shape))
    make_training_set(simulator, path, n, seed, resume=path.exists())  # type: ignore[arg-type]  # it is a Simulator
    found = read(path)
    if not isinstance(found, Ensemble):
        raise GempyGanError(f"{path} holds no deposits. Remove it, or choose another folder.")
    return found


def _trained(plan: Plan, images: Ensemble, out: Path, n: int, seed: int) -> Prior:
    folder = out / f"trained-{n}"
    options = {"widths": list(plan.widths), "blocks": plan.blocks}
    training = TrainingPlan(
        "diffusion", str(out / f"training-{n}.zarr"), folder, "tiny", options, shape=images.grid.resolution, labels=(), flips="",
        steps=plan.steps, batch=plan.batch, seed=seed, precision="32-true", look_minutes=0.0,
    )  # fmt: skip
    finished = folder / "prior.safetensors"
    return load_prior(finished) if finished.exists() else train(training)


def _both(drawn: Any, images: Ensemble, held_out: Ensemble, seed: int) -> dict[str, Memorization]:
    return {space: memorization(drawn, images, held_out, flips=(), seed=seed, space=space) for space in ("cells", "features")}


def _row(n: int, name: str, found: Mapping[str, Memorization], gap: float | None) -> dict[str, Any]:
    cells, features = found["cells"], found["features"]
    mine, null = cells.share_published
    return {
        "n": n,
        "sampler": name,
        "share_memorized": mine,
        "null_share": null,
        "p_value": cells.p_value,
        "p_features": features.p_value,
        "p_exchange": cells.p_exchange,
        "share_close": cells.share,
        "share_trained": cells.share_trained,
        "modes": cells.modes,
        "denoising_gap": gap,
    }


def _gap(prior: Prior, images: Ensemble, held_out: Ensemble, seed: int) -> float | None:
    """Root mean square error of denoising held-out deposits over that of training images, mean over the noise levels."""
    if not isinstance(prior, DiffusionPrior):
        return None
    ratios = []
    for level in LEVELS:
        errors = []
        for volumes in (held_out, images):
            clean = torch.as_tensor(np.array(volumes.values[:200]))
            noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
            sigma = level * prior.spread
            with plain_torch(), torch.no_grad():
                errors.append(float((prior.denoise(clean + sigma * noise, sigma) - clean).square().mean().sqrt()))
        ratios.append(errors[0] / errors[1])
    return float(np.mean(ratios))
