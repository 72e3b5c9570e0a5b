"""Contenders: a prior and a strategy, by their names and options, as a run compares them."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gempy_gan import Constraints, GempyGanError, HardData, Prior, Strategy
from gempy_gan.inversion import describe_prior, prior_given
from gempy_gan.likelihood import channel, check_grid
from gempy_gan.plugins import registry
from gempy_gan_bench import truths
from gempy_gan_bench.observations import grid_of
from gempy_gan_bench.protocol import CELL_SIZE, PROPERTY, Protocol
from gempy_gan_bench.unconditional import strategy_of


@dataclass(frozen=True)
class Contender:
    """Names and options, which are plain JSON values; `label` is what tables call it.

    `strategy` None means the one recommended for the prior.
    """

    prior: str
    strategy: str | None = None
    prior_options: Mapping[str, Any] = field(default_factory=dict)
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def built_prior(self, protocol: Protocol, member: int) -> Prior:
        """The prior of a member: `size` and `member` are those of the protocol where the prior takes them.

        Raises PluginError and GempyGanError as `gempy_gan.get_prior`, and where it cannot tell the protocol's data.
        """
        return _prior(self.prior, json.dumps(self.prior_options), protocol, member)[0]

    def described_prior(self, protocol: Protocol, member: int) -> dict[str, Any]:
        """Class, options and weights of that prior, as plain JSON values."""
        return _prior(self.prior, json.dumps(self.prior_options), protocol, member)[1]

    def built_strategy(self, prior: Prior) -> Strategy:
        """The strategy. Raises PluginError and GempyGanError as `gempy_gan.get_strategy`, and where the prior cannot do it."""
        found = strategy_of(self.strategy or prior.recommended, self.strategy_options)
        found.check(prior)
        return found

    def takes_members(self) -> bool:
        """Whether the prior has members trained independently, and none of them was asked for."""
        return "member" in _takes(self.prior) and "member" not in self.prior_options


def available(contender: Contender, protocol: Protocol) -> Protocol:
    """The protocol with those of its members that there are; one, for a prior that has no members.

    Raises what building the first one raises.
    """
    if not contender.takes_members():
        return dataclasses.replace(protocol, members=(0,))
    first, *others = protocol.members
    contender.built_prior(protocol, first)
    found = [first]
    for member in others:
        try:
            contender.built_prior(protocol, member)
        except GempyGanError:
            continue
        found.append(member)
    return dataclasses.replace(protocol, members=tuple(found))


@lru_cache(maxsize=4)  # each task asks for it several times
def _prior(name: str, options: str, protocol: Protocol, member: int) -> tuple[Prior, dict[str, Any]]:
    takes = _takes(name)
    of_protocol = {key: value for key, value in (("size", protocol.size), ("member", member)) if key in takes}
    grid = grid_of(protocol, CELL_SIZE)
    example = Constraints(grid, HardData([[0, 0, 0]], [0.5], 0.1, PROPERTY))
    prior = prior_given(name, example, **{**of_protocol, **json.loads(options)})
    channel(prior.properties, PROPERTY)
    check_grid(prior, grid)
    truths.check_unseen(prior)
    return prior, describe_prior(prior)


def _takes(name: str) -> Mapping[str, Any]:
    return inspect.signature(registry().get("priors", name).load()).parameters
