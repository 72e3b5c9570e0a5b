"""Memorization, as a prior's card and the diagnosis tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gempy_gan.ensemble import Ensemble
from gempy_gan.report.judgement import figures
from gempy_gan.report.markup import listing, mark, paragraph, table, text

TESTED = ("memorization", "memorized_share", "training_neighbours")
HEADER = ("figure", "state", "value", "held-out images", "should be", "meaning")
UNTOLD = (
    "Nothing is known of it here. A prior learned from images may repeat them instead of making new geology; "
    "'gempy-gan validate PRIOR --against REAL --training IMAGES --card' tests it, and notes it on the prior's card."
)
UNTRAINED = (
    "This prior holds no weights that were learned, so it has nothing to memorize; one that is made of examples (empirical, "
    "mixture) repeats them, or their surroundings, by design."
)


def memorization(ensemble: Ensemble, card: Mapping[str, Any] | None, record: Mapping[str, Any] | None) -> str:
    """What is known: figures of this ensemble, and of its prior when that was validated."""
    of_ensemble = figures(record, "memorization")
    prior = ensemble.provenance.get("prior", {})
    if not card:
        return of_ensemble or paragraph(UNTOLD if "weights" in prior or not prior else UNTRAINED, "note")
    return of_ensemble + _of_prior(card)


def _of_prior(card: Mapping[str, Any]) -> str:
    found = {key: row for key in TESTED if (row := card.get("metrics", {}).get(key)) is not None}
    tested = (card.get("validation") or {}).get("training")
    if not found or tested is None:
        return paragraph(UNTOLD, "note")
    marks = {True: "pass", False: "look", None: ""}
    rows = [
        (
            text(key.replace("_", " ")),
            mark(marks[row.get("met")]),
            text(row.get("value")),
            text(row.get("floor")),
            text(row.get("target") or row.get("ideal")),
            text(row.get("meaning")),
        )
        for key, row in found.items()
    ]
    against = card["validation"].get("against", {})
    compared = [
        f"training images: {tested.get('volumes')} volumes of {tested.get('source')}",
        f"held-out images: {against.get('volumes')} volumes of {against.get('source')}",
        *([f"{card['validation']['compared']}"] if "compared" in card["validation"] else []),
    ]
    title = f"Unconditional samples of the prior {card.get('prior', '')}, beside what it learned from"
    return table(title, HEADER, rows) + listing(compared)
