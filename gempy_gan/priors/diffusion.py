"""A diffusion prior that is learned: a U-Net that expects the clean realization behind a noisy one, and knows wells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gempy_gan.denoising import STEPS, draw, within
from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, LearnedPrior, Recipe, Shape, known
from gempy_gan.networks.channels import Channels
from gempy_gan.networks.plane_unet import PlaneUNet
from gempy_gan.networks.planes import fold, unfold
from gempy_gan.networks.refiner import Refiner
from gempy_gan.networks.tones import Tones
from gempy_gan.networks.wavelengths import LEVELS, Wavelengths
from gempy_gan.networks.well_masks import random_wells
from gempy_gan.networks.widening import widen
from gempy_gan.prior import DiffusionPrior
from gempy_gan.priors.tiled import TiledDiffusion
from gempy_gan.progress import report

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor
    from torch.optim import Optimizer

SPREAD = 0.6  # standard deviation of a fraction scaled to [-1, 1]: sigma_data of Karras et al. (2022)
SIGMA_MAX = 100.0  # in [-1, 1]; box-wide contrasts survive much noise, because thousands of cells repeat them
FINE = 0.1  # noise in [-1, 1] below which errors count no more than at it: finer than this, nobody looks
SIGMA_MIN = 0.03  # in [-1, 1]; below it nobody looks
BLUR = 0.05  # in [-1, 1], what a guess on planes leaves out of a cell's detail: less noise tells a cell better than the guess
REFINED = 1.0  # noise in [-1, 1] below which a guess is refined cell by cell: above it, neighbours tell little of a cell
SIGMA_SLOPE = 1.6  # in [-1, 1]; above it, sigma^2 times the gradient is mostly error, and guidance by it raises the misfit
TRUST = 20  # a known value is trusted by half when its standard deviation is 1 / TRUST of the full range
LEAST_TOLD = 0.5  # share of the noise that a network may be told: with less, it takes noise for what lies behind
PATCH = 2  # columns by columns that share a place of the network's finest plane
PACE = {"unet": 1.0, "refiner": 4.0}  # of learning: a small network takes larger steps
MENDING = ("tones", "wavelengths")  # what is measured when the networks have learned, in this order
PARTS = ("widths", "blocks", "refiner", "measured")  # options that networks are built from
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"widths": (64, 128, 192), "blocks": 1, "refiner": 16, "measured": 128, "told": 0.95},
    "small": {"widths": (96, 128, 192, 256), "blocks": 1, "refiner": 16, "measured": 128, "told": 0.95},
    "paper": {"widths": (96, 128, 192, 256), "blocks": 1, "refiner": 16, "measured": 128, "told": 0.95},
}


class LearnedDiffusion(LearnedPrior, DiffusionPrior):
    """Realizations by removing noise, step by step, with a network that learned from training boxes.

    `labels` fixes some of the domain's labels, in their own units; the others are left open. A label may be a map (nx, ny) over
    the columns: a box takes its mean, and a larger shape that is made of several boxes the mean over the columns of each.
    `steps` are noise levels from noise to a realization, one network evaluation each. Build one with `of`, from a file with
    `load_prior`, or train one.

    A network that errs a little draws boxes with less contrast than it learned from, sees them at the next level, and takes away
    some more; where it is told that there is less noise than there is, it believes more of what it sees, and draws keep their
    contrast (Li et al. 2024). The option `told` is that share, of noise that no refiner deals with; `gempy-gan-bench why path`
    shows whether draws follow the data, `gempy-gan validate` what comes of it.
    """

    conditional = True

    def __init__(
        self,
        domain: Domain,
        networks: Mapping[str, nn.Module],
        options: Mapping[str, Any],
        labels: Mapping[str, ArrayLike] | None = None,
        steps: int = STEPS,
    ) -> None:
        self.domain, self.networks, self.options = domain, dict(networks), dict(options)
        self.properties, self.shape, self.cell_size = domain.properties, domain.shape, domain.cell_size
        self.channels = Channels(domain.properties, domain.shape[2])
        self.maps = {name: np.asarray(values) for name, values in (labels or {}).items() if np.ndim(values)}
        self.labels, self.steps, self.told = _means(domain, labels or {}), steps, float(options["told"])
        if not LEAST_TOLD <= self.told <= 1:
            raise GempyGanError(f"The share of the noise that a network is told is {self.told}. Expected {LEAST_TOLD} to 1.")
        self._asked = torch.tensor([domain.scaled(self.labels)], dtype=torch.float32)
        self.sigma_max, self.sigma_min, self.sigma_slope = SIGMA_MAX / 2, SIGMA_MIN / 2, SIGMA_SLOPE / 2
        self.centre, self.spread = 0.5, SPREAD / 2

    @classmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> LearnedDiffusion:
        """Build one. `options`: `widths`, `blocks`, `refiner`, `measured` of networks, `told`, `labels`, `steps` of the class."""
        used = {key: options.pop(key) for key in ("labels", "steps") if key in options}
        names = [*PARTS, "told", "labels", "steps"]
        plan = {**PRESETS["small"], "refiner": 0, "measured": 0, "told": 1.0, **known(options, names, "diffusion prior")}
        return cls(domain, networks or _networks(domain, **{name: plan[name] for name in PARTS}), plan, **used)

    @classmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> DiffusionRecipe:
        """How it is trained; `options` as in `DiffusionRecipe`."""
        if preset not in PRESETS:
            raise GempyGanError(f"A diffusion prior has no preset {preset!r}. Expected one of {', '.join(PRESETS)}.")
        return DiffusionRecipe(domain, **{**PRESETS[preset], **options})

    @classmethod
    def box(cls, trained: Shape, asked: Shape, options: Mapping[str, Any]) -> Shape:
        """As many columns as are asked for, down to what can be halved, and up to those trained on: larger planes drift."""
        step = _step(options.get("widths", PRESETS["small"]["widths"]))
        nx, ny = (min(t, max(k // step * step, step)) for t, k in zip(trained[:2], asked[:2], strict=True))
        return nx, ny, trained[2]

    def in_boxes(self, shape: Shape) -> TiledDiffusion:
        """Overlapping boxes denoised together, each with the mean of the labels' maps over its columns."""
        placed = [label.name for label in self.domain.labels if label.along and label.name in self.labels]
        if placed:
            raise GempyGanError(
                f"The label {placed[0]!r} says where things lie in a box of {self.shape[:2]} columns, and the {shape[:2]} asked "
                "for are made of several boxes. Leave it open."
            )
        return TiledDiffusion(self, shape, labels=self.maps)

    def labelled(self, labels: Mapping[str, float]) -> LearnedDiffusion:
        """The same networks, with these labels fixed as well."""
        return LearnedDiffusion(self.domain, self.networks, self.options, {**self.labels, **labels}, self.steps)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n realizations (n, c, nx, ny, nz)."""
        return draw(self, n, generator, steps=self.steps)

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """E[m | m + sigma * noise = x, condition], as the network learned it; differentiable in x."""
        device, x = x.device, x.to(next(self.networks["unet"].parameters()).device)  # what is expected comes back to where x is
        level = 2 * torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        labels = self._asked.to(x.device).expand(len(x), -1)
        known = None if condition is None else _condition(condition, x)
        return ((denoise(self.networks, self.channels, 2 * x - 1, level, labels, known, self.told) + 1) / 2).to(device)

    def finish(self, x: Tensor) -> Tensor:
        """Fractions within [0, 1], times that never decrease upwards."""
        return self.channels.in_order(x).clamp(0, 1)

    def state(self) -> Mapping[str, Any]:
        """Labels (of maps the means), steps, and the share of the noise that is told; the file says the rest."""
        return {"labels": self.labels, "steps": self.steps, "told": self.told}


class DiffusionRecipe(Recipe):
    """Denoising score matching (Karras et al. 2022, table 1) on boxes with random wells and, often, without their labels.

    Noise levels are log-normal, with `noise_mean` and `noise_spread` of ln sigma for values scaled to [-1, 1]. They lie higher
    than for photographs: thousands of alike cells tell what a box shows through noise many times their own spread, and it is
    there that the net-to-gross is settled, and what wells imply.
    `rate` is reached after `warm_up` steps. `blind` is the share of boxes shown without a label. `told` is for the draws of the
    prior: while it learns, a network is told what noise there is. When it has learned, what its guesses of a value lack in
    the mean is measured (`Tones`), and then what it should have believed of noisy boxes (`Wavelengths`), each on `measured` boxes
    at each noise level; 0 leaves both out.
    """

    def __init__(
        self,
        domain: Domain,
        widths: Sequence[int],
        blocks: int = 1,
        refiner: int = 0,
        measured: int = 0,
        told: float = 1.0,
        rate: float = 1e-3,
        batch: int = 16,
        warm_up: int = 200,
        noise_mean: float = 0.7,
        noise_spread: float = 1.8,
        blind: float = 0.6,
    ) -> None:
        self.domain, self.batch = domain, int(batch)
        parts: dict[str, Any] = {
            "widths": tuple(widths),
            "blocks": int(blocks),
            "refiner": int(refiner),
            "measured": int(measured),
        }
        self.options = {**parts, "told": float(told)}
        self.networks: Mapping[str, nn.Module] = _networks(domain, **parts)
        self.learning = {name: self.networks[name] for name in PACE if name in self.networks}
        groups = [{"params": list(network.parameters()), "pace": PACE[name]} for name, network in self.learning.items()]
        self.optimizers: Mapping[str, Optimizer] = {"all": torch.optim.AdamW(groups, rate, (0.9, 0.99), weight_decay=0.01)}
        self.averaged = tuple(self.networks)
        self.rate, self.warm_up, self.blind = rate, warm_up, blind
        self.noise_mean, self.noise_spread = noise_mean, noise_spread
        self.channels = Channels(domain.properties, domain.shape[2])

    def step(self, values: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        """One step; shows the weighted loss."""
        clean = self.channels.encode(values)
        known = random_condition(clean)
        shown = self._shown(labels)
        sigma = torch.exp(self.noise_mean + self.noise_spread * torch.randn(len(clean), device=clean.device)).clamp(max=SIGMA_MAX)
        x = clean + _each(sigma) * torch.randn_like(clean)
        error = (denoise(self.learning, self.channels, x, sigma, shown, known) - clean).square()
        weight = (sigma**2 + SPREAD**2) / (sigma**2 + FINE**2) / SPREAD**2
        loss = (error.mean(dim=(1, 2, 3, 4)) * weight).mean()
        optimizer = self.optimizers["all"]
        for group in optimizer.param_groups:
            group["lr"] = self.rate * group["pace"] * min(1.0, (number + 1) / self.warm_up)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_((weight for group in optimizer.param_groups for weight in group["params"]), 1.0)
        optimizer.step()
        return {"loss": loss.detach()}

    @torch.no_grad()
    def measure(self, networks: Mapping[str, nn.Module], batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """What guesses of these networks lack in the mean, and then, with that, what noisy boxes as a whole know better."""
        ready, batches = {name: networks[name] for name in self.learning}, iter(batches)
        for name in MENDING:
            if name in networks:
                self._measure(name, networks[name], ready, batches)
                ready[name] = networks[name]

    def _measure(
        self, name: str, table: Any, networks: Mapping[str, nn.Module], batches: Iterator[tuple[Tensor, Tensor]]
    ) -> None:
        boxes, taken = self.options["measured"], 0
        for (values, labels), level in zip(batches, cycle(range(len(LEVELS))), strict=False):
            clean = self.channels.encode(values)
            sigma = torch.full((len(clean),), LEVELS[level], device=clean.device)
            x = clean + LEVELS[level] * torch.randn_like(clean)
            expected = denoise(networks, self.channels, x, sigma, self._shown(labels), random_condition(clean))
            table.measure(level, clean, x, expected)
            taken += len(clean) if level == len(LEVELS) - 1 else 0  # the other levels have had as many before
            report(f"boxes measured at each noise level for {name}", min(taken, boxes), boxes)
            if taken >= boxes:
                table.settle()
                break

    def _shown(self, labels: Tensor) -> Tensor:
        """Labels (b, k) as the network is told them: none of a box, in a share `blind` of the boxes."""
        return torch.where(torch.rand(len(labels), 1, device=labels.device) < self.blind, torch.nan, labels)

    def start(self, name: str, network: nn.Module) -> None:
        """Begin with the weights of a network as wide as this one; on planes also of a narrower one."""
        if name == "unet":
            widen(self.networks[name], network)  # type: ignore[arg-type]
        else:
            super().start(name, network)

    def prior(self, networks: Mapping[str, nn.Module]) -> LearnedDiffusion:
        """The prior of these networks."""
        return LearnedDiffusion.of(self.domain, networks, **self.options)


def denoise(
    networks: Mapping[str, nn.Module],
    channels: Channels,
    x: Tensor,
    sigma: Tensor,
    labels: Tensor,
    known: tuple[Tensor, Tensor] | None,
    told: float = 1.0,
) -> Tensor:
    """Expected clean boxes behind x (n, c, nx, ny, nz), all scaled to [-1, 1].

    The network on planes gives the clean box itself, not the noise: a small network can learn what lies on the thin manifold of
    clean boxes, and noise it cannot (Li & He 2025). But it blurs what is finer than that manifold, by about `BLUR`, at whatever
    noise. Where there is little of it, a refiner mends the guess and tells how far it is off. Guess and noisy box are then two
    measurements of a cell, of which the more precise counts more. The mean of deposits in order is in order, so `channels` may
    impose it on the guess; what is in order is not mixed with the noise of single cells. What such values lack in the mean,
    `Tones` add; where the noisy box as a whole knows better, `Wavelengths` believe it.

    `known` is (trust, values): trust is 1 in cells that are known exactly, lower where they are known within an error, 0
    elsewhere. The expectation in a cell that is known exactly is its value, whatever the network says; in others it stays
    `within` what the value and the noisy box allow.
    """
    trust, values = known if known is not None else (torch.zeros_like(x), torch.zeros_like(x))
    unet: Any = networks["unet"]
    heard = torch.where(sigma < REFINED, sigma, told * sigma)
    raw = unet(_pyramid(_fold(x), _fold(trust), _fold(values), heard, unet.levels), heard.log() / 4, labels)
    guess, off = _refined(networks, channels, x, channels.encode(channels.decode(_unfold(raw, x.shape[-1]))), sigma)
    variance = _each(sigma) ** 2
    better = variance / (variance + off**2)
    share = [torch.ones_like(part) if up else part for part, up in zip(better.unbind(1), channels.increasing, strict=True)]
    expected = x.lerp(guess, torch.stack(share, dim=1))
    if "tones" in networks:
        expected = channels.in_order(expected + networks["tones"](expected, sigma))
    if "wavelengths" in networks:
        expected = channels.in_order(expected + networks["wavelengths"](x - expected, sigma))
    std = 2 * (1 / trust.clamp(min=1e-6) - 1) / TRUST
    return expected if known is None else within(expected, x, _each(sigma), trust > 0, values, std)


def _refined(
    networks: Mapping[str, nn.Module], channels: Channels, x: Tensor, guess: Tensor, sigma: Tensor
) -> tuple[Tensor, Tensor]:
    """The guess behind x with boxes of little noise refined, and how far it is off in each cell."""
    off, fine = torch.full_like(guess, BLUR), sigma < REFINED
    if "refiner" not in networks:
        return guess, off
    better, error = networks["refiner"](x[fine], guess[fine], sigma[fine], BLUR)
    return guess.index_put((fine,), channels.in_order(better)), off.index_put((fine,), error)


def _pyramid(x: Tensor, trust: Tensor, values: Tensor, sigma: Tensor, levels: int) -> list[Tensor]:
    """What the network sees on each level: the noisy planes, scaled to a spread of one, the trust, and the trusted values.

    Means over 2^k x 2^k places carry 4^k times less variance of noise: scaled for that, they show at once what lies deep under
    the noise of single cells. A mean of values counts the trusted ones alone, so that a well is as loud in it as in its cell.
    """
    found = []
    for level in range(levels):
        if level:
            x, total, trust = (functional.avg_pool2d(planes, 2) for planes in (x, trust * values, trust))
            values = total / trust.clamp(min=1e-6)
        shown = x * (sigma**2 / 4**level + SPREAD**2).rsqrt()[:, None, None, None]
        most = (trust * 4**level).clamp(max=1.0)
        found.append(torch.cat([shown, most, most * values], dim=1).contiguous(memory_format=torch.channels_last))
    return found


def random_condition(clean: Tensor) -> tuple[Tensor, Tensor]:
    """Trust and values on random wells in boxes scaled to [-1, 1], (n, c, nx, ny, nz) each; from torch's global generator.

    Half of the boxes have errors on their logs, the same standard deviation in each cell of a box, up to 0.2 of the full
    range. The first property is logged always, each other one in a fifth of the boxes.
    """
    n, c = clean.shape[:2]
    wells = random_wells(n, (clean.shape[2], clean.shape[3], clean.shape[4]), clean.device)
    logged = torch.rand(n, c, device=clean.device) < 0.2
    logged[:, 0] = True
    mask = wells[:, None] & _each(logged)
    std = 0.2 * torch.rand(n, device=clean.device) ** 2 * (torch.rand(n, device=clean.device) < 0.5)
    values = clean + 2 * _each(std) * torch.randn_like(clean)
    return mask * _each(trusted(std)), torch.where(mask, values, 0.0)


def trusted(std: Tensor) -> Tensor:
    """How a network is told the standard deviation of a known value in [0, 1]: 1 for none, 1/2 for 0.05."""
    return 1 / (1 + TRUST * std)


def _condition(condition: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The public (mask, values[, std]) in [0, 1], each (c, nx, ny, nz) or one a row, as (trust, values) scaled to [-1, 1]."""
    mask, values, *rest = (torch.as_tensor(part, device=x.device) for part in condition)
    std = rest[0].to(x) if rest else torch.zeros_like(values, dtype=x.dtype)
    trust = torch.where(mask.bool(), trusted(std), 0.0).to(x)
    return trust.expand(x.shape), torch.where(mask.bool(), 2 * values.to(x) - 1, 0.0).expand(x.shape)


def _networks(domain: Domain, widths: Sequence[int], blocks: int, refiner: int, measured: int) -> dict[str, nn.Module]:
    """The networks for a domain. Raises GempyGanError when a side of its boxes cannot be halved often enough."""
    nx, ny, nz = domain.shape
    step = _step(widths)
    if nx % step or ny % step:
        raise GempyGanError(
            f"The boxes have {nx} x {ny} columns. Expected multiples of {step}, since {len(widths)} widths halve them."
        )
    properties = len(domain.properties)
    planes = properties * nz * PATCH**2
    networks: dict[str, nn.Module] = {"unet": PlaneUNet(3 * planes, planes, widths, blocks, len(domain.labels))}
    networks["unet"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if refiner:
        networks["refiner"] = Refiner(properties, refiner)
        networks["refiner"].to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if measured:
        networks["tones"] = Tones(properties)
        networks["wavelengths"] = Wavelengths(properties, domain.shape)
    return networks


def _step(widths: Sequence[int]) -> int:
    """Of what a network's number of columns must be a multiple."""
    return int(PATCH * 2 ** (len(widths) - 1))


def _means(domain: Domain, labels: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Labels as one number each, maps as their mean. Raises GempyGanError for one that leaves the range learned from."""
    for name, values in labels.items():
        if np.ndim(values) not in (0, 2):
            raise GempyGanError(f"The label {name!r} has {np.ndim(values)} dimensions. Expected a number, or a map (nx, ny).")
        for extreme in (np.min, np.max):
            domain.scaled({name: float(extreme(np.asarray(values)))})
    return {name: float(np.mean(np.asarray(values))) for name, values in labels.items()}


def _fold(x: Tensor) -> Tensor:
    """Boxes (n, c, nx, ny, nz) as planes (n, c * nz * PATCH^2, nx / PATCH, ny / PATCH)."""
    return functional.pixel_unshuffle(fold(x), PATCH)


def _unfold(planes: Tensor, nz: int) -> Tensor:
    return unfold(functional.pixel_shuffle(planes, PATCH), nz)


def _each(numbers: Tensor) -> Tensor:
    """Numbers (n,) or (n, c) so that they multiply boxes (n, c, nx, ny, nz)."""
    return numbers.reshape(*numbers.shape, *([1] * (5 - numbers.ndim)))
