"""Learning: what a learned prior is about, how its networks learn, and the prior that comes out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label
from gempy_gan.prior import Prior
from gempy_gan.properties import Property

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Shape = tuple[int, int, int]

SHAPES: Mapping[str, Shape] = {"tiny": (32, 32, 8), "small": (64, 64, 16), "paper": (128, 128, 16)}  # of presets


@dataclass(frozen=True)
class Domain:
    """What a learned prior is about: `properties` (the channels), the `shape` (nx, ny, nz) of the boxes it learns from, their
    `cell_size` (dx, dy, dz) in metres, and the `labels` that come with each box.
    """

    properties: tuple[Property, ...]
    shape: tuple[int, int, int]
    cell_size: tuple[float, float, float]
    labels: tuple[Label, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` builds the domain again."""
        return {
            "properties": [p.to_dict() for p in self.properties],
            "shape": list(self.shape),
            "cell_size": list(self.cell_size),
            "labels": [label.to_dict() for label in self.labels],
        }

    def scaled(self, given: Mapping[str, float]) -> list[float]:
        """All labels scaled to [-1, 1], NaN for those not among `given`, which are in the labels' own units.

        Raises GempyGanError for a label that there is none of, or a value that was not learned from.
        """
        unknown = given.keys() - {label.name for label in self.labels}
        if unknown:
            names = ", ".join(label.name for label in self.labels) or "none"
            raise GempyGanError(f"There is no label {min(unknown)!r}. Expected one of: {names}.")
        outside = [label for label in self.labels if label.name in given and not label.low <= given[label.name] <= label.high]
        if outside:
            label = outside[0]
            raise GempyGanError(
                f"The label {label.name!r} is {given[label.name]}. Expected {label.low} to {label.high} {label.unit}, which was "
                "learned from."
            )
        return [float(label.to_scaled(given[label.name])) if label.name in given else math.nan for label in self.labels]

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Domain:
        """Build a domain from what `to_dict` returned."""
        properties = tuple(Property.from_dict(p) for p in state["properties"])
        labels = tuple(Label.from_dict(label) for label in state["labels"])
        nx, ny, nz = state["shape"]
        dx, dy, dz = state["cell_size"]
        return cls(properties, (nx, ny, nz), (dx, dy, dz), labels)


class LearnedPrior(Prior):
    """A prior whose networks were trained: it can be saved, loaded, and trained further.

    `domain` says what it learned from, `networks` are its parts by name, `options` are the plain values that build the same
    networks again: `of(domain, networks=None, **options)` builds one, untrained where no networks are given.
    """

    domain: Domain
    networks: Mapping[str, nn.Module]
    options: Mapping[str, Any]
    card: Mapping[str, Any] = {}  # what its training recorded, where it came from a file; never changed in place

    @classmethod
    @abstractmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> LearnedPrior:
        """Build a prior for a domain. Raises GempyGanError for an unknown option or a shape that the networks cannot make."""

    @classmethod
    @abstractmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> Recipe:
        """How such a prior is trained. `preset` names a size: "tiny", "small", "paper"; `options` change single values of it."""

    @classmethod
    def learned_from(cls, preset: str, volume: Shape) -> Shape:
        """The boxes that a preset learns from, of volumes of one shape, where none are asked for: its own, or whole volumes."""
        return SHAPES.get(preset, volume)

    @classmethod
    def box(cls, trained: Shape, asked: Shape, options: Mapping[str, Any]) -> Shape:
        """The boxes that networks of these options, trained on boxes of one shape, make on their own, where another is asked for.

        Where it is not the one asked for, `in_boxes` makes that one of them.
        """
        return asked

    def in_boxes(self, shape: Shape) -> Prior:
        """The prior of a larger shape that is made of several of this one's boxes."""
        raise GempyGanError(
            f"{type(self).__name__} makes boxes of {self.shape} cells, and {shape} were asked for. Expected those."
        )


class Recipe(ABC):
    """Networks, their optimizers, and one training step; the engine in `training` does everything else.

    `networks` maps a name to each network that has trainable weights, `optimizers` likewise; `averaged` names the networks of
    which the engine keeps an exponential moving average (those that end up in the prior). `batch` is how many boxes a step
    takes unless the user says otherwise, `average` the half-life of the moving average in steps. What a recipe must remember
    between steps it keeps in its networks' buffers or its optimizers: nothing else is in a checkpoint.
    """

    domain: Domain
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    averaged: tuple[str, ...]
    batch: int = 32
    average: float = 500.0

    @abstractmethod
    def step(self, values: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        """Take optimizer step `number` on boxes (b, c, nx, ny, nz) in their own units with labels (b, k) scaled to [-1, 1].

        Returns scalars to show. Random numbers come from torch's global generators, which the engine seeds for each step, so
        that a resumed training repeats them. The engine has set precision and device, and stops when a returned scalar is not
        finite.
        """

    def measure(self, networks: Mapping[str, nn.Module], batches: Iterable[tuple[Tensor, Tensor]]) -> None:  # noqa: B027
        """When all steps are taken: put what is measured, not learned, into `networks`, which the prior will be made of.

        `batches` are further ones, as those of `step`. Nothing is measured by default.
        """

    def start(self, name: str, network: nn.Module) -> None:
        """Begin with the weights that a network of another training has. Raises RuntimeError where they do not fit."""
        self.networks[name].load_state_dict(network.state_dict())

    @abstractmethod
    def prior(self, networks: Mapping[str, nn.Module]) -> LearnedPrior:
        """The prior made of these networks: `networks` with the averaged ones in place of those being trained."""


def known(options: Mapping[str, Any], names: Iterable[str], what: str) -> Mapping[str, Any]:
    """The options as they are. Raises GempyGanError for one that is not among `names`."""
    unknown = options.keys() - set(names)
    if unknown:
        raise GempyGanError(f"A {what} has no option {min(unknown)!r}. Expected: {', '.join(names)}.")
    return options
