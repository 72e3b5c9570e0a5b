"""Pictures of the Helmholtz case: posterior maps, coefficients, ratios beside their nulls, ranks, misfits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gempy_gan.metrics.memorization import PUBLISHED as LIMIT
from gempy_gan_bench.calibration.ranks import band, expected_coverage
from gempy_gan_bench.memory.helmholtz.plan import Plan
from gempy_gan_bench.memory.helmholtz.problem import Problem
from gempy_gan_bench.memory.helmholtz.running import EXACT, HONOURED, MEMORIZED, NETWORK, PSEUDO, PUBLISHED, TRUE, UNCONDITIONAL
from gempy_gan_bench.memory.helmholtz.tables import compared, draws_of, plan_from

COLOURS = {PUBLISHED: "#E69F00", HONOURED: "#009E73", PSEUDO: "#0072B2", EXACT: "#222222", UNCONDITIONAL: "#CC79A7"}


def pictures(record: Mapping[str, Any]) -> list[Any]:
    """One figure each, of the first seed's first truth where there are several."""
    plan = plan_from(record)
    first = record["pieces"][0]
    shown = [piece for piece in record["pieces"] if all(piece[k] == first[k] for k in ("seed", "truth", "frequencies"))]
    problem = Problem(plan, first["seed"])
    return [_maps(shown, problem), _scatter(shown, problem), _ratios(record["pieces"], plan), _misfits(shown), _ranks(record)]


def _maps(shown: Sequence[Mapping[str, Any]], problem: Problem) -> Any:
    """Velocity of the truth, and mean and standard deviation of posteriors."""
    from gempy_gan.plot.style import SPREAD, VALUES, figure

    wanted = [(NETWORK, n, PSEUDO) for n in problem.plan.sizes] + [(NETWORK, problem.plan.sizes[-1], PUBLISHED)]
    wanted += [(MEMORIZED, problem.plan.sizes[-1], EXACT), (TRUE, 0, EXACT)]
    truth = _velocity(problem.truth(shown[0]["truth"]), problem)[0]
    panels = [_velocity(draws_of(_one(shown, *each), problem.plan), problem) for each in wanted]
    spread = max(float(panel.std(axis=0).max()) for panel in panels)
    fig = figure(2.0 * (len(panels) + 1), 4.4)
    axes = fig.subplots(2, len(panels) + 1, squeeze=False)
    side = problem.plan.side / 1000
    of_values = {"origin": "lower", "extent": (0, side, -side, 0), "cmap": VALUES, "vmin": truth.min(), "vmax": truth.max()}
    of_spread = {**of_values, "cmap": SPREAD, "vmin": 0.0, "vmax": spread}
    mesh = axes[0, 0].imshow(truth.T, **of_values)
    axes[0, 0].set_title("truth", fontsize=8)
    axes[1, 0].axis("off")
    for k, ((prior, n, name), panel) in enumerate(zip(wanted, panels, strict=True), start=1):
        axes[0, k].imshow(panel.mean(axis=0).T, **of_values)
        below = axes[1, k].imshow(panel.std(axis=0).T, **of_spread)
        axes[0, k].set_title(f"{prior} {n or ''}\n{name}", fontsize=8)
    for ax in axes.flat:
        ax.tick_params(labelsize=6)
        ax.locator_params(nbins=3)
    axes[0, 0].set_ylabel("z (km)", fontsize=7)
    axes[1, 1].set_xlabel("x (km)", fontsize=7)
    fig.colorbar(mesh, ax=axes[0], label="mean velocity (km/s)", pad=0.01)
    fig.colorbar(below, ax=axes[1], label="std (km/s)", pad=0.01)
    return fig


def _scatter(shown: Sequence[Mapping[str, Any]], problem: Problem) -> Any:
    """The two coefficients with the largest part in the field but the mean: training examples, draws, truth."""
    from gempy_gan.plot.style import GREY, figure

    one, two = np.argsort(-problem.modes.amplitudes.ravel(), kind="stable")[1:3]
    fig = figure(3.2 * len(problem.plan.sizes), 3.6)
    for ax, n in zip(fig.subplots(1, len(problem.plan.sizes), squeeze=False)[0], problem.plan.sizes, strict=True):
        training = problem.training_set(n).flatten(1)
        ax.scatter(training[:, one], training[:, two], s=6, color=GREY, label="training", zorder=0)
        for prior, size, name, marker in (
            (TRUE, 0, EXACT, "x"),
            (MEMORIZED, n, EXACT, "s"),
            (NETWORK, n, PUBLISHED, "o"),
            (NETWORK, n, PSEUDO, "o"),
        ):
            draws = draws_of(_one(shown, prior, size, name), problem.plan).flatten(1)
            colour = "#D55E00" if prior == MEMORIZED else COLOURS[name]
            ax.scatter(draws[:, one], draws[:, two], s=14, marker=marker, color=colour, alpha=0.7, label=f"{prior}, {name}")
        truth = problem.truth(shown[0]["truth"]).flatten(1)[0]
        ax.plot(truth[one], truth[two], "*", color="#CC79A7", ms=12, mec="black", label="truth")
        ax.set(title=f"n = {n}", xlabel=f"coefficient {tuple(map(int, divmod(one, problem.plan.modes)))}")
    fig.axes[0].set_ylabel(f"coefficient {tuple(map(int, divmod(two, problem.plan.modes)))}")
    _legend_below(fig)
    return fig


def _ratios(found: Sequence[Mapping[str, Any]], plan: Plan) -> Any:
    """Distribution functions of the ratios, of all truths together, beside those of fresh draws of the true prior."""
    from gempy_gan.plot.style import GREY, figure

    fig = figure(3.2 * len(plan.sizes), 3.5)
    for ax, n in zip(fig.subplots(1, len(plan.sizes), squeeze=False)[0], plan.sizes, strict=True):
        groups: dict[str, list[Any]] = {}
        for piece in found:
            if piece["n"] in (0, n):
                known = compared(draws_of(piece, plan), n, Problem(plan, piece["seed"]))
                groups.setdefault(f"{piece['prior']}, {piece['sampler']}", []).append(known.generated)
                groups.setdefault("fresh draws (null)", []).append(known.held_out)
        for name, parts in sorted(groups.items()):
            values = np.sort(np.concatenate(parts))
            style: dict[str, Any] = {"color": GREY, "lw": 4, "zorder": 0} if "null" in name else {"lw": 1.2}
            if "null" not in name:
                prior, sampler = name.split(", ")
                style |= {"color": "#D55E00" if prior == MEMORIZED else COLOURS[sampler], "ls": "--" if prior == TRUE else "-"}
            ax.plot(values, np.arange(1, len(values) + 1) / len(values), label=name, **style)
        ax.axvline(LIMIT, color=GREY, lw=0.8, ls=":")
        ax.set(title=f"n = {n}", xlabel="distance ratio", xlim=(0, 1))
    fig.axes[0].set_ylabel("share of draws below")
    _legend_below(fig)
    return fig


def _misfits(shown: Sequence[Mapping[str, Any]]) -> Any:
    """chi2 over the steps of the published sampler, and of all draws of the others, beside the truth's."""
    from gempy_gan.plot.style import GREY, figure

    fig = figure(9.5, 3.0)
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.6))
    for piece in shown:
        if piece["misfit"]:
            left.semilogy(piece["misfit"], label=_named(piece), lw=1)
    left.set(xlabel="step", ylabel="mean chi2", title="DPS as published")
    left.legend(fontsize=6)
    names = [f"{_named(piece)}\n{piece['sampler']}" for piece in shown]
    right.boxplot([piece["chi2"] for piece in shown], widths=0.6)
    right.set_yscale("log")
    right.set_xticks(range(1, len(names) + 1), names, rotation=90, fontsize=6)
    for ax in (left, right):
        ax.axhline(shown[0]["chi2_truth"], color=GREY, ls="--", lw=1)
    right.set_title("draws; dashed: the truth, whose misfit is noise alone", fontsize=8)
    return fig


def _ranks(record: Mapping[str, Any]) -> Any:
    """Distribution of the truth's place among draws, minus the uniform one, in the band of 95 % of exact samplers."""
    from gempy_gan.plot.style import GREY, figure

    entries = record["calibrated"]
    fig = figure(9.5, 4.6)
    levels = np.linspace(0.05, 0.95, 19)
    for ax, entry in zip(fig.subplots(2, 3, sharex=True, sharey=True).flat, entries, strict=True):
        positions = np.asarray(entry["positions"])
        low, high = band(len(positions), levels)
        ax.fill_between(levels, low - levels, high - levels, color=GREY, alpha=0.3, lw=0)
        for name, column in zip(entry["scalars"], positions.T, strict=True):
            ax.plot(levels, expected_coverage(column, levels) - levels, lw=1, label=name)
        ax.set_title(f"{entry['prior']} prior, {entry['sampler']}", fontsize=8)
    fig.axes[0].legend(fontsize=6)
    fig.supxlabel("place of the truth among draws", fontsize=8)
    return fig


def _one(shown: Sequence[Mapping[str, Any]], prior: str, n: int, sampler: str) -> Mapping[str, Any]:
    return next(piece for piece in shown if (piece["prior"], piece["n"], piece["sampler"]) == (prior, n, sampler))


def _legend_below(fig: Any) -> None:
    """The legend of the last axes, below all of them, where it covers nothing."""
    fig.legend(*fig.axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7, frameon=False)


def _named(piece: Mapping[str, Any]) -> str:
    """The prior, and how many examples it learned from."""
    return f"{piece['prior']} {piece['n'] or ''}".rstrip()


def _velocity(coefficients: torch.Tensor, problem: Problem) -> Any:
    """Velocity (n, nx, nz) in km/s."""
    return problem.modes.fields(coefficients).clamp(min=1e-3).rsqrt()[:, 0, :, 0].numpy()
