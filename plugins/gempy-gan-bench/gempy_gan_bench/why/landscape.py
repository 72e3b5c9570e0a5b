"""The landscape of the data misfit in latent space, as numbers and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan import Prior, progress
from gempy_gan.prior import LatentPrior
from gempy_gan_bench import truths
from gempy_gan_bench.figures import THRESHOLD, wilson
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.why.lipschitz import informed, secants, stretch
from gempy_gan_bench.why.minima import Ends, minima_inside, optimize
from gempy_gan_bench.why.numbers import mean_with_error, text
from gempy_gan_bench.why.problem import Problem, decoded, latent_prior

Array = NDArray[np.float64]

REACH = 3.0  # prior standard deviations that slices go to either side
POINTS = 41  # along a slice

ALIKE = 0.8  # of the mean error: where the best end has more, all ends are alike


@dataclass(frozen=True)
class Plan:
    """What is computed: `starts` optimizations of up to `steps` steps for each of the `wells`, on one `truth` (1, 2, 3).

    `slices` through the best end in random directions, and lines between as many pairs of ends; planes of `side` x `side`
    points, none for 0; `rank` of the randomized singular values, `flow` the steps of a diffusion prior's flow.
    """

    wells: tuple[int, ...] = (4, 8, 20)
    truth: int = 1
    starts: int = 6
    steps: int = 150
    slices: int = 6
    side: int = 21
    rank: int = 8
    flow: int = 8
    seed: int = 0


def landscape(prior: Prior, protocol: Protocol, plan: Plan) -> dict[str, Any]:
    """Plain JSON values: the decoder's stretch, and for each number of wells the ends of optimizations, slices and planes."""
    latent = latent_prior(prior, plan.flow)
    generator = torch.Generator().manual_seed(plan.seed)
    truth = truths.of(protocol)[plan.truth - 1]
    found = []
    for k, wells in enumerate(plan.wells):
        progress.report("numbers of wells", k, len(plan.wells))
        found.append({"wells": wells, **around(Problem.of(latent, protocol, truth, wells), plan, generator)})
    progress.report("numbers of wells", len(plan.wells), len(plan.wells))
    drawn = [stretch(latent, torch.randn((1, *latent.latent_shape), generator=generator), plan.rank, generator) for _ in range(3)]
    far = secants(latent, 32, generator)
    return {
        "latents": math.prod(latent.latent_shape),
        "stretch": {
            "largest": mean_with_error([s.largest for s in drawn]),
            "mean": mean_with_error([s.mean for s in drawn]),
            "secant": mean_with_error(far),
            "effective": None if drawn[0].effective is None else mean_with_error([float(s.effective or 0) for s in drawn]),
        },
        "wells": found,
    }


def around(problem: Problem, plan: Plan, generator: torch.Generator) -> dict[str, Any]:
    """The landscape of one problem."""
    prior = problem.prior
    assert isinstance(prior, LatentPrior)  # noqa: S101  # as `latent_prior` made it
    ends = optimize(problem, plan.starts, plan.steps, generator)
    best = ends.z[int(ends.objective.argmin())]
    pairs = _pairs(len(ends.z), plan.slices, generator)
    random = [curve(problem, best, _direction(best, generator), np.linspace(-REACH, REACH, POINTS)) for _ in range(plan.slices)]
    between = [curve(problem, ends.z[a], ends.z[b] - ends.z[a], np.linspace(-0.5, 1.5, POINTS)) for a, b in pairs]
    lowest = ends.z[np.argsort(ends.objective)[:3].tolist()]
    planes = {}
    if plan.side:
        sides = _direction(best, generator), _direction(best, generator)
        planes["random"] = plane(problem, best, *sides, REACH, plan.side)
    if plan.side and len(lowest) == 3:
        planes["through three ends"] = plane(
            problem, lowest.mean(dim=0), lowest[1] - lowest[0], lowest[2] - lowest[0], 1.5, plan.side
        )
    data = problem.likelihood
    gain = informed(prior, best[None], data.predict, data.std)
    return {
        "data": len(data.observed),
        "latents": math.prod(prior.latent_shape),
        "informed": int((gain > 1).sum()),
        **_of_ends(ends),
        "stretch_at_end": stretch(prior, best[None], plan.rank, generator).largest,
        "minima_random": mean_with_error([minima_inside(line) for line in random]),
        "minima_between": mean_with_error([minima_inside(line) for line in between]),
        "barrier": mean_with_error([barrier(line) for line in between]),
        "minima_planes": {name: minima_inside(values) for name, values in planes.items()},
        "slices": {"random": [line.tolist() for line in random], "between": [line.tolist() for line in between]},
        "planes": {name: values.tolist() for name, values in planes.items()},
    }


def _of_ends(ends: Ends) -> dict[str, Any]:
    n = len(ends.objective)
    passed = int((ends.well_error <= THRESHOLD).sum())
    return {
        "starts": n,
        "steps": ends.steps,
        "arrived": int(ends.arrived.sum()),
        "distinct": ends.distinct,
        "distinct_at_least": ends.at_least,
        "well_error": mean_with_error(ends.well_error),
        "well_error_best": float(ends.well_error.min()),
        "passed": passed,
        "pass_interval": list(wilson(passed / n, n)),
        "straight": mean_with_error(ends.straight),
        "travelled": mean_with_error(ends.travelled),
        "end_norm": mean_with_error(ends.z.flatten(1).norm(dim=1).double().numpy()),
        "objective": ends.objective.tolist(),
    }


def curve(problem: Problem, origin: Tensor, direction: Tensor, t: Array) -> Array:
    """Root mean square misfit at the wells (n,), in the unit of the fraction, along a line through latent space."""
    z = origin + torch.as_tensor(t, dtype=origin.dtype).reshape(-1, *[1] * origin.ndim) * direction
    return misfit(problem, z)


def plane(problem: Problem, origin: Tensor, first: Tensor, second: Tensor, reach: float, side: int) -> Array:
    """The same on a square (side, side) of latent space, from -reach to reach times two directions."""
    t = torch.linspace(-reach, reach, side)
    place = torch.cartesian_prod(t, t)
    z = origin + (place @ torch.stack([first.flatten(), second.flatten()])).reshape(-1, *origin.shape)
    return misfit(problem, z).reshape(side, side)


def misfit(problem: Problem, z: Tensor) -> Array:
    """Root mean square difference (n,) of predicted and observed wells, in the unit of the fraction."""
    assert isinstance(problem.prior, LatentPrior)  # noqa: S101
    values = problem.fractions(decoded(problem.prior, z))[:, *problem.wells.cells.T]
    return np.asarray(np.sqrt(np.square(values - problem.wells.values).mean(axis=1)))


def barrier(line: Array) -> float:
    """How far the misfit rises between the ends of a line from -0.5 to 1.5, above the higher one of them; 0 where it does not."""
    first, last = (round((at + 0.5) / 2 * (len(line) - 1)) for at in (0, 1))
    return float(line[first : last + 1].max() - max(line[first], line[last]))


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for each number of wells."""
    columns = (
        *("wells", "data", "informed", "starts", "arrived", "distinct", "distinct_at_least", "well_error", "well_error_best"),
        *("passed", "straight", "travelled", "end_norm", "stretch_at_end", "minima_random", "minima_between", "barrier"),
    )
    return [{key: row[key] for key in columns} for row in record["wells"]]


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table does not say by itself."""
    stretched = record["stretch"]
    jacobian = (
        f"{record['latents']} latents. Jacobian of the decoder at prior latents: largest singular value "
        f"{text(stretched['largest'])}, root mean square over directions {text(stretched['mean'])}; "
        f"|decode(z) - decode(z')| / |z - z'| of unrelated latents {text(stretched['secant'])}."
    )
    meant = (
        "Informed: directions of latent space in which the data say more than the prior, at the best end. Distinct: ends farther "
        "apart than 5 % of the usual distance of latents, and how many there are at least (Chao). Barrier: rise of the misfit "
        "on the line between two ends. Minima are counted along slices where a rise of at least 0.1 % of its range divides them."
    )
    return [jacobian, meant, *filter(None, map(_verdict, record["wells"]))]


def _verdict(row: Mapping[str, Any]) -> str:
    """What stops inversion, where something does."""
    best, mean = row["well_error_best"], row["well_error"]["mean"]
    on_their_way = row["starts"] - row["arrived"]
    arrived = f" ({on_their_way} of {row['starts']} were still on their way)" if on_their_way else ""
    if best <= THRESHOLD:
        return f"{row['wells']} wells: {row['passed']} of {row['starts']} optimizations end within {THRESHOLD:g}{arrived}."
    none = f"{row['wells']} wells: no optimization ends within {THRESHOLD:g}"
    if best > ALIKE * mean:
        return (
            f"{none}, and all end about equally far off{arrived}: missing are not better minima, but realizations that fit "
            f"({row['data']} data, {row['latents']} latents)."
        )
    return f"{none}, some much farther off than others{arrived}: local minima."


def picture(record: Mapping[str, Any]) -> Any:
    """Slices and planes, one row for each number of wells."""
    from gempy_gan.plot.style import ACCENT, GREY, figure

    found = record["wells"]
    fig = figure(12, 2.6 * len(found))
    for axes, row in zip(fig.subplots(len(found), 4, squeeze=False), found, strict=True):
        for line in row["slices"]["random"]:
            axes[0].plot(np.linspace(-REACH, REACH, POINTS), line, color=GREY, lw=0.8)
        for line in row["slices"]["between"]:
            axes[1].plot(np.linspace(-0.5, 1.5, POINTS), line, color=GREY, lw=0.8)
        for ax in axes[:2]:
            ax.axhline(THRESHOLD, color=ACCENT, lw=0.8)
            ax.set_yscale("log")
        axes[0].set(ylabel=f"{row['wells']} wells: RMS misfit", xlabel="prior standard deviations")
        axes[1].set(xlabel="from one end (0) to another (1)")
        for ax, (name, values) in zip(axes[2:], row["planes"].items(), strict=False):
            shown = ax.imshow(np.log10(values), cmap="viridis", origin="lower")
            fig.colorbar(shown, ax=ax, shrink=0.8, label="log10 RMS misfit")
            ax.set(title=f"plane, {name}", xticks=[], yticks=[])
    return fig


def _direction(like: Tensor, generator: torch.Generator) -> Tensor:
    """A random direction, its length that of one standard deviation."""
    found: Tensor = torch.randn(like.shape, generator=generator)
    return found.div(found.norm())


def _pairs(n: int, most: int, generator: torch.Generator) -> list[tuple[int, int]]:
    every = torch.combinations(torch.arange(n), 2)
    return [(int(a), int(b)) for a, b in every[torch.randperm(len(every), generator=generator)[:most]]]
