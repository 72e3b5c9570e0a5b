"""The card of the prior that made an ensemble."""

from __future__ import annotations

import inspect
from typing import Any

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.plugins import get_prior, registry


def card_of(ensemble: Ensemble, name: str) -> dict[str, Any] | None:
    """What a learned prior, by its registered name or its file, knows of itself; None for a prior that learned nothing.

    Raises GempyGanError when the ensemble was made with other weights, PluginError for an unknown name.
    """
    from gempy_gan.learning import LearnedPrior
    from gempy_gan.weights import fingerprint

    factory = registry().get("priors", name).load()
    options = () if isinstance(factory, type) else inspect.signature(factory).parameters.values()
    asks = any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in options)
    prior = None if isinstance(factory, type) or asks else get_prior(name)  # a class has not learned anything yet
    if not isinstance(prior, LearnedPrior):
        return None
    described = ensemble.provenance.get("prior", {})
    made = described.get("tile", described).get("weights")  # of a prior that is made of another one's boxes, that one's
    if made is not None and made != fingerprint(prior):
        raise GempyGanError(
            f"The weights of {name} are not those that the ensemble was made with. Give the prior that made it, or leave it out."
        )
    return dict(prior.card)
