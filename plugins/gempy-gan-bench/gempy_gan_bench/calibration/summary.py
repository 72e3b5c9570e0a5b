"""The figures of a calibration: all truths together, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from gempy_gan.diagnosis import calibration_sentence
from gempy_gan_bench.calibration import ranks, reliability
from gempy_gan_bench.calibration.scalars import FIT, SCALARS

GRID = np.arange(1, 20) / 20  # levels of curves
SIGNIFICANT = 0.01  # Holm-corrected p-value below which ranks are not uniform
SHARE = 0.975  # of the exact samplers that stay within a band: 0.95 of them within both
NEAR = 0.04  # of coverage to its level
ENOUGH = 100  # truths, below which even large faults may go unnoticed
LEVELS = ("50", "80", "95")

File = Mapping[str, Any]


def summary(files: Sequence[File]) -> dict[str, Any]:
    """All figures as plain JSON values; `files` are those of finished truths."""
    first = files[0]
    about = {key: first[key] for key in ("label", "box", "property", "sand", "noise", "record", "versions")}
    found = {
        **about,
        "truths": len(files),
        "n": first["n"],
        "wells": [min(f["wells"] for f in files), max(f["wells"] for f in files)],
        "sbc": sbc(files),
        "tarp": {space: curve([f["tarp"][space] for f in files]) for space in ("cells", "scalars")},
        "coverage": coverage(files),
        "histogram": np.mean([np.array(f["histogram"]) / max(1, f["cells"]) for f in files], axis=0).tolist(),
        **scores(files),
        "effective": {"least": min(f["effective"] for f in files), "median": float(np.median([f["effective"] for f in files]))},
        "cost": {key: float(np.mean([f["cost"][key] for f in files])) for key in first["cost"]},
        "warned": sum(bool(f["warnings"]) for f in files),
        "warnings": sorted({line for f in files for line in f["warnings"]}),
    }
    return {**found, "passes": passes(found)}


def sbc(files: Sequence[File]) -> dict[str, dict[str, Any]]:
    """Simulation-based calibration (Talts et al. 2018) of each scalar: its p-values, curve and positions.

    The fit is a check of its own: its p-value stands alone, and those of the others are corrected for there being several.
    """
    found = {name: curve([f["positions"][name] for f in files]) for name in SCALARS}
    several = [name for name in found if name != FIT]
    corrected = dict(zip(several, ranks.holm([found[name]["p"] for name in several]), strict=True))
    return {
        name: {**each, "p_holm": corrected.get(name, each["p"]), "positions": [f["positions"][name] for f in files]}
        for name, each in found.items()
    }


def curve(positions: Sequence[float]) -> dict[str, Any]:
    """Expected coverage at each level with the band of exact samplers, the share of levels outside it, and the KS p-value."""
    found = ranks.expected_coverage(positions, GRID)
    low, high = _band(len(positions))
    return {
        "levels": GRID.tolist(),
        "curve": found.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "outside": ranks.outside(found, low, high),
        "p": ranks.uniform_p(positions),
    }


@cache
def _band(count: int) -> tuple[ranks.Array, ranks.Array]:
    return ranks.band(count, GRID, SHARE)


def coverage(files: Sequence[File]) -> dict[str, dict[str, float | None]]:
    """Share of the cells without data inside the central interval of each level: mean over truths, and its standard error."""
    known = [f["coverage"] for f in files if f["coverage"] is not None]
    if not known:
        return {level: {"value": None, "error": None} for level in LEVELS}
    shares = {level: [each[level] for each in known] for level in LEVELS}
    return {
        level: {"value": float(np.mean(values)), "error": ranks.standard_error(values) if len(values) > 1 else None}
        for level, values in shares.items()
    }


def scores(files: Sequence[File]) -> dict[str, Any]:
    """CRPS and Brier score beside those of unconditional realizations, and the reliability of the probability of sand."""
    means = {name: float(np.mean([f[name] for f in files])) for name in ("crps", "crps_prior", "brier", "brier_prior")}
    tables, ideals = ([np.array(f[name]) for f in files] for name in ("reliability", "reliability_exact"))
    lines = reliability.curve(tables, ideals)
    return {**means, "reliability": lines, "reliability_error": reliability.expected_error(lines)}


def passes(found: Mapping[str, Any]) -> dict[str, bool | None]:
    """Whether each check holds; None where nothing was found to check."""
    eighty = found["coverage"]["80"]
    near = max(NEAR, 2 * (eighty["error"] or 0.0))  # few truths cannot tell better
    uniform = {name: each["p_holm"] > SIGNIFICANT for name, each in found["sbc"].items()}
    return {
        "sbc": all(good for name, good in uniform.items() if name != FIT),
        "fit": uniform[FIT],
        "tarp": all(each["outside"] == 0 for each in found["tarp"].values()),
        "coverage": None if eighty["value"] is None else abs(eighty["value"] - 0.8) <= near,
    }


def entry(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept beside a prior: what was calibrated, and the figures that a report quotes."""
    return {
        **{key: found["record"][key] for key in ("prior", "strategy", "data")},
        "truths": found["record"]["truths"],
        "label": found["label"],
        "box": found["box"],
        "property": found["property"],
        "cases": found["truths"],
        "draws": found["n"],
        "coverage": {level: each["value"] for level, each in found["coverage"].items()},
        "sbc": {name: each["p_holm"] for name, each in found["sbc"].items()},
        "tarp_outside": {name: each["outside"] for name, each in found["tarp"].items()},
        "crps": found["crps"],
        "crps_prior": found["crps_prior"],
        "passes": found["passes"],
        "versions": found["versions"],
    }


def text(found: Mapping[str, Any]) -> str:
    """The summary for a terminal."""
    return "\n".join([*table(found), "", *(f"- {line}" for line in sentences(found))])


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """Figures line by line."""
    for level, each in found["coverage"].items():
        if each["value"] is not None:
            error = "" if each["error"] is None else f" +- {each['error']:.3f}"
            yield f"coverage {level} %      {each['value']:.3f}{error}"
    for name, each in found["sbc"].items():
        yield f"ranks, {name:<18} p {each['p']:.3g}, {each['p_holm']:.3g} corrected"
    for name, each in found["tarp"].items():
        yield f"TARP, {name:<10} {each['outside']:.0%} of the levels outside the band, p {each['p']:.3g}"
    yield f"CRPS {found['crps']:.4g}, of unconditional realizations {found['crps_prior']:.4g}"
    yield f"Brier score {found['brier']:.4g}, of unconditional realizations {found['brier_prior']:.4g}"
    yield f"reliability error of the probability of sand {found['reliability_error']:.3f}"
    yield f"CPU seconds per draw {found['cost']['cpu_s']:.3g}"


def sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """What the figures mean."""
    yield calibration_sentence(entry(found))
    wrong = [name for name, each in found["sbc"].items() if each["p_holm"] <= SIGNIFICANT and name != FIT]
    if wrong:
        how = "; ".join(f"{name}: {leaning(found['sbc'][name]['positions'])}" for name in wrong)
        yield f"Ranks are not uniform (corrected p at most {SIGNIFICANT:g}): {how}."
    else:
        yield f"Ranks of all {len(found['sbc']) - 1} scalars are uniform (corrected p above {SIGNIFICANT:g})."
    if not found["passes"]["fit"]:
        better = np.mean(found["sbc"][FIT]["positions"]) < 0.5
        yield f"Draws fit their data {'better' if better else 'worse'} than the truth does (p {found['sbc'][FIT]['p']:.2g})."
    left = [name for name, each in found["tarp"].items() if each["outside"] > 0]
    yield (
        f"TARP: the expected coverage leaves the exact sampler's band in the space of {' and '.join(left)}."
        if left
        else "TARP: the expected coverage stays within the exact sampler's band."
    )
    if found["crps"] >= found["crps_prior"]:
        yield "The data have taught nothing of the cells without data: the CRPS is no better than that of unconditional ones."
    if found["truths"] < ENOUGH:
        yield f"{found['truths']} truths are few: only gross faults can show. {ENOUGH} or more are needed to trust a pass."
    if found["effective"]["median"] < found["n"] / 2:
        yield f"Half of the posteriors are worth fewer than {found['effective']['median']:.0f} of {found['n']} draws by weight."
    if found["warned"]:
        yield f"{found['warned']} of {found['truths']} runs warned, such as: {found['warnings'][0]}"


def leaning(positions: Sequence[float]) -> str:
    """In what way ranks are not uniform, in words."""
    where = np.asarray(positions)
    mean, spread = where.mean() - 0.5, np.square(where - where.mean()).mean() * 12
    if abs(mean) * np.sqrt(12 * len(where)) > 3:
        return "draws are too high" if mean < 0 else "draws are too low"
    return "too sure" if spread > 1 else "not sure enough"
