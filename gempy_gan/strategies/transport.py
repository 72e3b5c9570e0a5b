"""Densities over latents: a normalizing flow along the leading directions of a Gaussian reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.reference import Reference

HIDDEN_LAYERS = 2
BINS = 8  # of a spline, which reaches over five standard deviations of the reference to either side


class Transport(nn.Module):
    """A density q over flat latents (k,) that can be drawn from and evaluated, both exactly and in one pass.

    z = mean + rest + (scale * T^-1(u; rest)) F. F are the f leading directions of a Gaussian reference (those in which the data
    inform most), u is standard normal, `rest` is what the reference draws in all other directions, times one learned width,
    and T is a normalizing flow that sees the rest. Only along F does q depart from a Gaussian (Brennan et al. 2020), but how it
    does may depend on all latents, so that q can follow a curved ridge.

    Each of `layers` layers of T is an affine coupling (Dinh et al. 2017) and a rational-quadratic spline coupling (Durkan et al.
    2019) of one half of the coordinates given the other. Untrained, T is the identity and q the reference itself.
    """

    mean: Tensor
    along: Tensor
    along_scale: Tensor
    other: Tensor
    other_scale: Tensor

    def __init__(self, reference: Reference, directions: int, layers: int, width: int) -> None:
        super().__init__()
        rows, information = _directions(reference, directions)
        scale, flowing = (1 + information).rsqrt(), min(directions, len(rows))
        self.register_buffer("mean", reference.mean)
        self.register_buffer("along", rows[:flowing])
        self.register_buffer("along_scale", scale[:flowing])
        self.register_buffer("other", rows[flowing:])
        self.register_buffer("other_scale", scale[flowing:])
        self.rest = len(reference.mean) - flowing
        self.rest_log_scale = nn.Parameter(torch.zeros(()))
        self.flow = _couplings(flowing, self.rest and len(reference.mean), layers, width)

    @property
    def latents(self) -> int:
        """How many there are."""
        return len(self.mean)

    def narrow(self, width: float) -> None:
        """Let no direction be wider than `width` prior standard deviations, before training."""
        self.along_scale.clamp_(max=width)
        self.rest_log_scale.data.fill_(min(0.0, math.log(width)))

    def draw(self, noise: Tensor) -> Tensor:
        """Latents (n, k) of standard normal noise (n, k), differentiable with respect to the parameters."""
        u = noise @ self.along.T
        rest = noise - u @ self.along
        rest = self.rest_log_scale.exp() * (rest + (rest @ self.other.T * (self.other_scale - 1)) @ self.other)
        moved = self.flow(self._context(rest)).inv(u)
        return cast("Tensor", self.mean + rest + (moved * self.along_scale) @ self.along)

    def forward(self, z: Tensor) -> Tensor:
        """log q (n,), float64, of flat latents (n, k)."""
        deviation = z - self.mean
        x = deviation @ self.along.T
        rest = deviation - x @ self.along
        u, volume = self.flow(self._context(rest)).call_and_ladj(x / self.along_scale)
        inside = rest @ self.other.T
        square = _square(rest) - _square(inside) + _square(inside / self.other_scale)
        energy = _square(u) + square * (-2 * self.rest_log_scale.double()).exp()
        scales = self.along_scale.double().log().sum() + self.other_scale.double().log().sum() + self.rest * self.rest_log_scale
        return cast("Tensor", volume.double() - 0.5 * energy - scales - 0.5 * self.latents * math.log(2 * math.pi))

    def _context(self, rest: Tensor) -> Tensor | None:
        return rest if self.rest else None


def _square(x: Tensor) -> Tensor:
    return x.double().square().sum(dim=1)


def _directions(reference: Reference, wanted: int) -> tuple[Tensor, Tensor]:
    """The reference's directions (r, k), most informed first, and their information (r,); all k, where so many are wanted."""
    order = reference.information.argsort(descending=True, stable=True)
    rows, information = reference.directions[order], reference.information[order]
    latents = len(reference.mean)
    if len(rows) < latents <= wanted:
        rest = torch.linalg.qr(rows.T, mode="complete")[0].T[len(rows) :] if len(rows) else torch.eye(latents)
        rows, information = torch.cat([rows, rest]), torch.cat([information, torch.zeros(len(rest))])
    return rows, information


def _couplings(features: int, context: int, layers: int, width: int) -> nn.Module:
    """The flow, from coordinates to noise. Its parameters come from torch's own random numbers."""
    from zuko.flows.coupling import GeneralCouplingTransform
    from zuko.lazy import LazyComposedTransform
    from zuko.transforms import MonotonicRQSTransform

    index = torch.arange(features)
    lower, odd = index >= (features + 1) // 2, index % 2 == 1
    spline: dict[str, Any] = {"univariate": MonotonicRQSTransform, "shapes": [(BINS,), (BINS,), (BINS - 1,)]}
    couplings = []
    for k in range(layers):
        mask = (lower, ~lower, odd, ~odd)[k % 4]
        for kind in ({}, spline):
            coupling = GeneralCouplingTransform(features, context, mask, hidden_features=(width,) * HIDDEN_LAYERS, **kind)
            _to_identity(coupling)
            couplings.append(coupling)
    return cast("nn.Module", LazyComposedTransform(*couplings))


def _to_identity(coupling: Any) -> None:
    """What a coupling does is the last thing that its network says, or, with a single coordinate and no context, a parameter."""
    last = coupling.hyper[-1].parameters() if hasattr(coupling, "hyper") else coupling.phi
    for tensor in last:
        nn.init.zeros_(tensor)
