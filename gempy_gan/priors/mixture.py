"""The Gaussian mixture around training images: a diffusion prior whose denoiser is known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.prior import DiffusionPrior, ExactPrior
from gempy_gan.priors.examples import load_examples

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.priors.exact import MixturePosterior
    from gempy_gan.properties import Property


class MixturePrior(DiffusionPrior, ExactPrior):
    """p(m) = 1/N sum_n N(m; m_n, sigma^2 I): what a diffusion model becomes that has memorized its N training images.

    This is equation 3 of Siahkoohi & Sabeddu (2026); `exact.mixture_posterior` has their equations 4 and 5. `examples`,
    `properties`, `cell_size` and `sha256` are those of EmpiricalPrior; `sigma` is the spread around each image, in the
    property's unit (several properties share it). `sigma_max` None is the largest distance between two images (Song & Ermon
    2020), where noise hides which image is meant.

    Raises what EmpiricalPrior raises, and GempyGanError when a sigma is not positive.

    >>> prior = MixturePrior(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1), sigma=0.1)
    >>> prior.denoise(torch.zeros(1, 1, 1, 1, 1), 1.0).item()
    0.0
    """

    conditional = True

    def __init__(
        self,
        examples: Any,
        sigma: float,
        properties: Sequence[Property | str] | None = None,
        cell_size: Sequence[float] | None = None,
        sigma_max: float | None = None,
        sha256: str | None = None,
    ) -> None:
        self._loaded = load_examples(examples, properties, cell_size, sha256)
        self.examples = self._loaded.values
        self.properties, self.shape, self.cell_size = self._loaded.properties, self._loaded.shape, self._loaded.cell_size
        self.sigma = float(sigma)
        self._flat = self.examples.flatten(1).double()
        self.centre = float(self._flat.mean())
        self.spread = math.hypot(self.sigma, float(self._flat.std(dim=0, correction=0).square().mean().sqrt()))
        self.sigma_max = self._largest_distance() if sigma_max is None else float(sigma_max)
        if not (math.isfinite(self.sigma) and self.sigma > 0 and self.sigma_max > 0):
            raise GempyGanError(
                f"The mixture's sigma is {sigma} and its sigma_max {sigma_max}. Expected positive numbers in the property's unit."
            )

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n realizations: an image each, plus noise of standard deviation sigma."""
        centres = self.examples[torch.randint(len(self.examples), (n,), generator=generator)]
        return centres + self.sigma * torch.randn(centres.shape, generator=generator, dtype=centres.dtype)

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """E[m | m + sigma * noise = x], and = E[m | ..., m[mask] + std * noise = values] given a condition; exact.

        Computed in double precision; differentiable in x.
        """
        shift, scale, weights = self._components(x, sigma, condition)
        return (shift + scale * (weights @ self._flat)).reshape(x.shape).to(x.dtype)

    def posterior(self, likelihood: Any, linearize: bool = False, determinant: bool = True) -> MixturePosterior:
        """See `gempy_gan.priors.exact.mixture_posterior`."""
        from gempy_gan.priors.exact import mixture_posterior

        return mixture_posterior(self, likelihood, linearize, determinant)

    def component_weights(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """p(image | x, condition), (n, N): which training image the noisy x (n, c, nx, ny, nz) is a copy of."""
        return self._components(x, sigma, condition)[2]

    def log_density(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """log p of m + sigma * noise at x (n, c, nx, ny, nz), (n,); of the prior itself for sigma = 0."""
        flat = x.flatten(1).double()
        variance = self.sigma**2 + _column(sigma, flat) ** 2
        square = torch.cdist(flat, self._flat, compute_mode="donot_use_mm_for_euclid_dist").square()
        normaliser = 0.5 * flat.shape[1] * (2 * math.pi * variance[:, 0]).log() + math.log(len(self._flat))
        return torch.logsumexp(-0.5 * square / variance, dim=1) - normaliser

    def state(self) -> Mapping[str, Any]:
        """The options that build this prior again (`examples` is None for images that came from memory)."""
        return {**self._loaded.state(), "sigma": self.sigma, "sigma_max": self.sigma_max}

    def _largest_distance(self) -> float:
        """The largest distance between two images, and no less than ten times sigma."""
        distances = torch.pdist(self._flat)
        return max(float(distances.max()) if distances.numel() else 0.0, 10 * self.sigma)

    def _components(self, x: Tensor, sigma: Tensor | float, condition: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The denoised x is shift + scale * m_n for image n, with probability weights[n].

        Given image n, cells are independent: m ~ N(a m_n + b, v), from which x differs by noise of variance sigma^2.
        """
        flat = x.flatten(1).double()
        noise = (_column(sigma, flat) ** 2).clamp(min=1e-200)  # no noise on a cell known without error still gives its value
        a, b, v, evidence = self._given(condition, flat)
        total = v + noise
        linear = a * (flat - b) / total
        quadratic = a**2 / total
        square = quadratic @ self._flat.square().T - 2 * linear @ self._flat.T
        weights = torch.softmax(evidence - 0.5 * square, dim=1)
        return (noise * b + v * flat) / total, noise * a / total, weights

    def _given(self, condition: Any, flat: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Coefficients a, b, v (k, D) of m given image n and the condition, and log p(condition | image), (k, N).

        k is 1, or the number of rows where each has a condition of its own.
        """
        variance = torch.full_like(flat[:1], self.sigma**2)
        if condition is None:
            return torch.ones_like(variance), torch.zeros_like(variance), variance, flat.new_zeros(1, len(self._flat))
        parts, whole = [torch.as_tensor(part) for part in condition], (len(self.properties), *self.shape)
        if any(part.shape not in (whole, (len(flat), *whole)) for part in parts):
            raise GempyGanError(
                f"The condition has the shapes {[tuple(part.shape) for part in parts]}. "
                f"Expected (mask, values[, std]), each of shape {whole}, or such a one for each of {len(flat)} rows."
            )
        rows = max(part.numel() for part in parts) // flat.shape[1]
        mask, values, *std = (part.reshape(-1, flat.shape[1]).expand(rows, -1) for part in parts)
        mask = mask.bool()
        value = torch.where(mask, values.to(flat), 0.0)
        error = std[0].to(flat).square() if std else torch.zeros_like(value)
        gain = torch.where(mask, variance / (variance + error), 0.0)
        misfit = [
            ((v - self._flat)[:, m].square() / s[m]).sum(dim=1) for v, m, s in zip(value, mask, variance + error, strict=True)
        ]
        return 1 - gain, gain * value, (1 - gain) * variance, -0.5 * torch.stack(misfit)


def _column(sigma: Tensor | float, flat: Tensor) -> Tensor:
    """A noise level, one number or (n,), as a column (n, 1). Raises GempyGanError for a negative one."""
    level = torch.as_tensor(sigma).to(flat).reshape(-1, 1).expand(len(flat), 1)
    if (level < 0).any():
        raise GempyGanError(f"The noise level is {float(level.min())}. Expected sigma >= 0.")
    return level
