"""The Gaussian random field: a prior whose posterior under linear data is known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.prior import ExactPrior, LatentPrior
from gempy_gan.priors.covariance import MODELS, correlation, reach
from gempy_gan.properties import Property, as_property

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.priors.exact import GaussianPosterior

TOLERANCE = 1e-3  # largest error of the sampled correlation at any lag inside the box
BATCH = 2**20  # latents that are decoded at once, which still fit into a processor's cache
LARGEST_EMBEDDING = 2**26  # cells; one realization of it takes 0.25 GiB in single precision


class GaussianPrior(LatentPrior, ExactPrior):
    """A stationary Gaussian random field of one property, drawn by circulant embedding (Dietrich & Newsam 1997).

    Parameters
    ----------
    shape, cell_size:
        Cells (nx, ny, nz) and their edges (dx, dy, dz) in metres.
    property:
        The property, or its name.
    mean:
        One number, or one per layer (nz), bottom to top, in the property's unit.
    std:
        Standard deviation in the property's unit.
    covariance:
        "spherical", "exponential", "gaussian" or "matern" (with smoothness `nu`).
    ranges:
        Practical ranges (rx, ry, rz) in metres: where the correlation has fallen to 5 % (to zero for the spherical model).
        None means a fifth of the box along each axis.
    azimuth:
        Degrees anticlockwise, seen from above, from the box's x axis to the direction of rx: the sense of Grid.rotation,
        which turns the box as a whole, this field included.
    quantiles:
        The marginal distribution, as its values at equally spaced probabilities from 0 (minimum) to 1 (maximum), with smooth
        monotone interpolation in between. The field is then a normal score, and `mean` and `std` are those of the score:
        leave them at 0 and 1 to get exactly this distribution in every cell. Such a field has no exact posterior.

    The latent is white noise on the embedding grid, which is larger than the box, so that opposite faces are not correlated;
    its size is the smallest tried for which the correlation inside the box is right within 0.001.

    Raises GempyGanError for impossible options, and when the ranges are so long that the embedding would not fit into memory.

    >>> prior = GaussianPrior((16, 16, 8), (50.0, 50.0, 1.0), "porosity", mean=0.2, std=0.05, ranges=(300.0, 150.0, 3.0))
    >>> prior.sample(2, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 16, 16, 8])
    """

    recommended: ClassVar[str] = "latent"

    def __init__(
        self,
        shape: Sequence[int],
        cell_size: Sequence[float] = (1.0, 1.0, 1.0),
        property: Property | str = "value",
        mean: float | Sequence[float] = 0.0,
        std: float = 1.0,
        covariance: str = "spherical",
        ranges: Sequence[float] | None = None,
        azimuth: float = 0.0,
        nu: float = 1.5,
        quantiles: Sequence[float] | None = None,
    ) -> None:
        self.shape = _triple(shape, "shape", int)
        self.cell_size = _triple(cell_size, "cell_size", float)
        box = [n * size for n, size in zip(self.shape, self.cell_size, strict=True)]
        self.ranges = _triple([edge / 5 for edge in box] if ranges is None else ranges, "ranges", float)
        self.properties = (as_property(property),)
        self.mean, self.std = _mean(mean, self.shape[2]), float(std)
        self.covariance, self.nu, self.azimuth = covariance, float(nu), float(azimuth)
        self.quantiles = None if quantiles is None else _quantiles(quantiles)
        self._slopes = torch.zeros(0) if self.quantiles is None else _slopes(self.quantiles)
        if not (math.isfinite(self.std) and self.std > 0):
            raise GempyGanError(f"The Gaussian prior's std is {std}. Expected a positive number in the property's unit.")
        if covariance not in MODELS:
            raise GempyGanError(f"The covariance model is {covariance!r}. Expected one of: {', '.join(MODELS)}.")
        if not math.isfinite(self.azimuth):
            raise GempyGanError(f"The Gaussian prior's azimuth is {azimuth}. Expected finite degrees.")
        self.latent_shape, self._amplitude = self._embedding()
        self._amplitude_single = self._amplitude.float()

    @property
    def latent_positions(self) -> Tensor:
        """Fractional cell indices (latents, 3) around which each latent acts; the padding lies beyond both ends of each axis."""
        axes = [(torch.arange(m) + (m - n) // 2) % m - (m - n) // 2 for m, n in zip(self.latent_shape, self.shape, strict=True)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3).double()

    def decode(self, z: Tensor) -> Tensor:
        """White noise (n, *latent_shape) to fields (n, 1, nx, ny, nz), in the precision of z."""
        amplitude = self._amplitude if z.dtype == torch.float64 else self._amplitude_single
        field: Tensor = _Convolved.apply(z, amplitude.to(z.device))  # type: ignore[no-untyped-call]
        nx, ny, nz = self.shape
        score = (self.mean.to(z) + self.std * field[:, :nx, :ny, :nz])[:, None]
        return score if self.quantiles is None else _anamorphosis(score, self.quantiles.to(z), self._slopes.to(z))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent fields; the first of them do not depend on n (to rounding)."""
        values, batch = torch.empty((n, 1, *self.shape)), max(1, BATCH // math.prod(self.latent_shape))
        with torch.no_grad():
            for start in range(0, n, batch):
                noise = [torch.randn(self.latent_shape, generator=generator) for _ in range(min(batch, n - start))]
                values[start : start + batch] = self.decode(torch.stack(noise))
        return values

    def covariance_at(self, lag: Tensor) -> Tensor:
        """Covariance (...) of two points that are `lag` (..., 3) metres apart along the box's axes, in double precision.

        With `quantiles` it is that of the normal score.
        """
        x, y, z = lag.double().unbind(-1)
        return self.std**2 * correlation(self.covariance, self._distance(x, y, z), self.nu)

    def covariance_matrix(self, cells: Tensor | None = None) -> Tensor:
        """Covariance (N, N) of the cells (N, 3), by default all of them in C order, in double precision."""
        index = torch.cartesian_prod(*(torch.arange(n) for n in self.shape)) if cells is None else torch.as_tensor(cells)
        position = index.double() * torch.tensor(self.cell_size, dtype=torch.float64)
        return self.covariance_at(position[:, None] - position[None])

    def posterior(self, likelihood: Any, linearize: bool = False, determinant: bool = True) -> GaussianPosterior:
        """See `gempy_gan.priors.exact.gaussian_posterior`; linear data alone have one, so that both options are of no use."""
        from gempy_gan.priors.exact import gaussian_posterior

        del linearize, determinant
        return gaussian_posterior(self, likelihood)

    def state(self) -> Mapping[str, Any]:
        """The options that build this prior again."""
        mean = self.mean.tolist()
        return {
            "shape": list(self.shape),
            "cell_size": list(self.cell_size),
            "property": self.properties[0].to_dict(),
            "mean": mean[0] if len(set(mean)) == 1 else mean,
            "std": self.std,
            "covariance": self.covariance,
            "ranges": list(self.ranges),
            "azimuth": self.azimuth,
            "nu": self.nu,
            "quantiles": None if self.quantiles is None else self.quantiles.tolist(),
        }

    def _distance(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Length in practical ranges of lags given in metres along the box's axes, which broadcast."""
        angle, (rx, ry, rz) = math.radians(self.azimuth), self.ranges
        along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
        square: Tensor = (along / rx) ** 2 + (across / ry) ** 2 + (z / rz) ** 2
        return square.sqrt()

    def _embedding(self) -> tuple[tuple[int, ...], Tensor]:
        """Shape of the embedding grid, and the square root of its eigenvalues on the half spectrum."""
        from scipy.fft import next_fast_len

        for pads, periodic in self._paddings():
            size = tuple(n if n == 1 else next_fast_len(n + p, real=True) for n, p in zip(self.shape, pads, strict=True))
            if math.prod(size) > LARGEST_EMBEDDING:
                break
            eigenvalues = torch.fft.rfftn(self._wrapped(size, periodic)).real.clamp(min=0)
            if self._embedding_error(size, eigenvalues) <= TOLERANCE:
                return size, eigenvalues.sqrt()
        raise GempyGanError(
            f"Ranges of {self.ranges} m on a box of {self.shape} cells of {self.cell_size} m need an embedding of more than "
            f"{LARGEST_EMBEDDING} cells. Shorten the ranges, coarsen the cells, or take the spherical model, which ends there."
        )

    def _paddings(self) -> list[tuple[tuple[int, int, int], bool]]:
        """Paddings to try, in cells, from tight to ample; the ample ones sum the periodic images, which cannot fail for long."""
        angle, (rx, ry, rz) = math.radians(self.azimuth), self.ranges
        extent = (
            math.hypot(rx * math.cos(angle), ry * math.sin(angle)),
            math.hypot(rx * math.sin(angle), ry * math.cos(angle)),
            rz,
        )
        far = reach(self.covariance, TOLERANCE, self.nu)
        full = [math.ceil(far * e / size) for e, size in zip(extent, self.cell_size, strict=True)]
        tight = []
        factor = 1.0
        while any(factor * (n - 1) < f for n, f in zip(self.shape, full, strict=True) if n > 1):
            tight.append([min(f, math.ceil(factor * (n - 1))) for n, f in zip(self.shape, full, strict=True)])
            factor *= 1.5
        ample = [[math.ceil(f * grow) for f in full] for grow in (1.0, 1.2, 1.5, 2.0)]
        return [((p[0], p[1], p[2]), False) for p in tight] + [((p[0], p[1], p[2]), True) for p in ample]

    def _wrapped(self, size: tuple[int, ...], periodic: bool) -> Tensor:
        """Correlation on the embedding grid: of the nearest periodic image, or summed over all images that matter."""
        lags = [torch.arange(m).double() for m in size]
        nearest = [torch.where(lag > m / 2, lag - m, lag) for lag, m in zip(lags, size, strict=True)]
        if not periodic:
            return self._correlation(nearest)
        images = [(lag,) if m == 1 else (lag, lag - m) for lag, m in zip(lags, size, strict=True)]
        return sum((self._correlation([x, y, z]) for x in images[0] for y in images[1] for z in images[2]), torch.zeros(()))

    def _embedding_error(self, size: tuple[int, ...], eigenvalues: Tensor) -> float:
        """Largest difference to the wanted correlation over all lags inside the box (half of them: the field is symmetric)."""
        nx, ny, nz = self.shape
        found: Tensor = torch.fft.irfftn(eigenvalues, s=size)
        lags = [torch.arange(nx), torch.arange(1 - ny, ny), torch.arange(nz)]
        inside = found[:nx][:, lags[1] % size[1]][:, :, :nz]
        return float((inside - self._correlation([lag.double() for lag in lags])).abs().max())

    def _correlation(self, lags: Sequence[Tensor]) -> Tensor:
        """Correlation on the product of three axes of lags, in cells."""
        x, y, z = (lag * size for lag, size in zip(lags, self.cell_size, strict=True))
        return correlation(self.covariance, self._distance(x[:, None, None], y[:, None], z), self.nu)


class _Convolved(torch.autograd.Function):
    """White noise (n, *size) convolved on the torus by a real, even spectrum.

    Such a convolution is its own transpose; torch would differentiate the real transforms through complex ones, at four times
    the cost.
    """

    @staticmethod
    def forward(z: Tensor, amplitude: Tensor) -> Tensor:
        """The convolution."""
        dims = (-3, -2, -1)
        field: Tensor = torch.fft.irfftn(torch.fft.rfftn(z, dim=dims).mul_(amplitude), s=z.shape[-3:], dim=dims)
        return field

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep the spectrum."""
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The same convolution, of the gradient."""
        (amplitude,) = ctx.saved_tensors
        return _Convolved.apply(gradients[0], amplitude), None  # type: ignore[no-untyped-call]


def _anamorphosis(score: Tensor, quantiles: Tensor, slopes: Tensor) -> Tensor:
    """Normal scores to the distribution with these values (and slopes) at equally spaced probabilities, by cubics."""
    position: Tensor = torch.special.ndtr(score) * (len(quantiles) - 1)
    below = position.detach().floor().clamp(0, len(quantiles) - 2).long()
    t = position - below
    low, high, left, right = quantiles[below], quantiles[below + 1], slopes[below], slopes[below + 1]
    return low + t * (left + t * (3 * (high - low) - 2 * left - right + t * (left + right - 2 * (high - low))))


def _slopes(quantiles: Tensor) -> Tensor:
    """Slopes per step of probability that keep the cubics monotone (Fritsch & Butland 1984)."""
    from scipy.interpolate import PchipInterpolator

    nodes = np.arange(len(quantiles), dtype=np.float64)
    return torch.as_tensor(PchipInterpolator(nodes, quantiles.numpy()).derivative()(nodes), dtype=torch.float64)


def _triple(values: Sequence[Any], name: str, kind: type) -> tuple[Any, Any, Any]:
    found = tuple(values)
    if len(found) != 3 or any(not math.isfinite(v) or v <= 0 or kind(v) != v for v in found):
        raise GempyGanError(f"The Gaussian prior's {name} is {found}. Expected three positive numbers, one per axis x, y, z.")
    return kind(found[0]), kind(found[1]), kind(found[2])


def _mean(mean: float | Sequence[float], layers: int) -> Tensor:
    values = torch.as_tensor(mean, dtype=torch.float64).reshape(-1)
    if len(values) not in {1, layers} or not values.isfinite().all():
        raise GempyGanError(
            f"The Gaussian prior's mean has {len(values)} values. "
            f"Expected one finite number, or one per layer ({layers}), bottom to top."
        )
    return values.expand(layers).clone()


def _quantiles(quantiles: Sequence[float]) -> Tensor:
    values = torch.as_tensor(quantiles, dtype=torch.float64).reshape(-1)
    if len(values) < 2 or not values.isfinite().all() or (values.diff() < 0).any():
        raise GempyGanError("The quantiles are not two or more finite values that never fall. Sort them, minimum first.")
    return values
