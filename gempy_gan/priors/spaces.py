"""Other latent spaces of a generator, in which more realizations lie than in its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.prior import TunablePrior

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.priors.gan import GanPrior
    from gempy_gan.priors.generator import GeneratorPrior
    from gempy_gan.priors.stylegan import StyleGanPrior

LEARNED_FROM = 256  # realizations from which the covariance of features is estimated
MAPPED = 8192  # latents from which the distribution of styles is estimated
KEPT = 0.98  # of the variance of features over channels
BATCH = 32  # realizations decoded at once for it


class Space(TunablePrior):
    """A generator's realizations with other latents; everything but `decode` is the generator's."""

    prior: GeneratorPrior

    def __init__(self, prior: GeneratorPrior) -> None:
        self.prior = prior
        self.properties, self.shape, self.cell_size = prior.properties, prior.shape, prior.cell_size

    def parameters(self) -> Sequence[Tensor]:
        """The generator's weights."""
        return self.prior.parameters()

    def features(self, m: Tensor, faithful: bool = False) -> Sequence[Tensor]:
        """As the generator's prior."""
        return self.prior.features(m, faithful)

    def realism(self, m: Tensor, faithful: bool = False) -> Tensor:
        """As the generator's prior."""
        return self.prior.realism(m, faithful)


class FeatureSpace(Space):
    """A generator whose features at one level are partly free: latents are its own, then one for each such feature.

    Features x become mean + sqrt(1 - free) (x - mean) + sqrt(free) e. The deviations e are normal with the covariance that
    features have over the prior, taken as a product of one matrix over channels and one along each axis: what is free varies as
    features do, from channel to channel and from place to place. `free`, between 0 and 1, is its share of the variance, `level`
    counts from the coarsest one, 0; None is the middle. Few latents decide a generator's whole box, and dense wells
    are more data than they are; here every place has latents of its own. It is a prior like any other, a little wider than the
    generator's: compare both by `validate`.

    The covariance is estimated from realizations of fixed latents; combinations of channels that hardly vary stay as they are.
    """

    prior: GanPrior

    def __init__(self, prior: GanPrior, free: float = 0.5, level: int | None = None) -> None:
        super().__init__(prior)
        if not 0 < free <= 1:
            raise GempyGanError(f"free = {free} of the features' variance was asked for. Expected 0 < free <= 1.")
        self.free = free
        seen = _features(prior)
        self.level = len(seen) // 2 if level is None else level
        if self.level not in range(len(seen)):
            raise GempyGanError(f"level = {level} was asked for. Expected 0 (the coarsest) to {len(seen) - 1}.")
        x = seen[self.level]
        self.mean = x.mean(dim=0)
        self.roots = _roots(x - self.mean)
        self.own, self.free_shape = prior.latent_shape[0], (self.roots[0].shape[1], *self.mean.shape[1:])
        self.latent_shape = (self.own + math.prod(self.free_shape),)

    def decode(self, z: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """Latents (n, own + features) to realizations (n, c, nx, ny, nz)."""
        device, z = z.device, self.prior.entering(z)
        own, free = z[:, : self.own], z[:, self.own :].reshape(-1, *self.free_shape)
        noise, labels = own[:, : self.prior.noise], self.prior.labels_of(own[:, self.prior.noise :])

        def change(level: int, x: Tensor) -> Tensor:
            if level != self.level:
                return x
            mean = self.mean.to(x)
            return mean + math.sqrt(1 - self.free) * (x - mean) + math.sqrt(self.free) * self._deviations(free)

        return self.prior.realized(self.prior.raw(noise, labels, weights, change)).to(device)

    @property
    def latent_positions(self) -> Tensor:
        """Fractional cell indices (latents, 3) of the latents of features; NaN for the generator's own, which act everywhere."""
        channels, *cells = self.free_shape
        axes = [(torch.arange(m) + 0.5) * (k / m) - 0.5 for m, k in zip(cells, self.shape, strict=True)]
        places = torch.cartesian_prod(*axes).expand(channels, -1, 3).reshape(-1, 3)
        return torch.cat([torch.full((self.own, 3), torch.nan), places])

    def state(self) -> dict[str, Any]:
        """The generator's prior, and the options of the space."""
        return {**self.prior.state(), "space": "features", "free": self.free, "level": self.level}

    def _deviations(self, white: Tensor) -> Tensor:
        channels, x, y, z = (root.to(white) for root in self.roots)
        e = torch.einsum("nchij,dc->ndhij", white, channels)
        return torch.einsum("ndhij,xh,yi,zj->ndxyz", e, x, y, z)


class StyleSpace(Space):
    """A style-based generator with styles behind its mapping as latents: one for all levels (W), or one for each (W+).

    Latents y stand for styles mean + root y, before the mapping's last rectifier, where styles are nearly normal (P space: Zhu et
    al. 2020, arXiv 2012.09036); mean and covariance are estimated once, over fixed latents and labels left open. In W+ levels
    have independent styles (Abdal et al. 2019). Then come the latents of maps, as the generator's prior has them.
    """

    prior: StyleGanPrior

    def __init__(self, prior: StyleGanPrior, styles: int) -> None:
        super().__init__(prior)
        self.styles, self.maps = styles, prior.noise - prior.style
        with torch.no_grad():
            z = torch.randn((MAPPED, *prior.latent_shape), generator=torch.Generator().manual_seed(0))
            entering = torch.cat([z[:, : prior.style], prior.labels_of(z[:, prior.noise :])], dim=1)
            mapping: Any = prior.networks["generator"].eval().mapping
            mapped = mapping(entering.to(next(mapping.parameters()))).float()
        self.mean, self.root = mapped.mean(dim=0), _root(torch.cov(mapped.T))
        self.latent_shape = (styles * prior.style + self.maps,)

    def decode(self, z: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """Latents (n, styles + maps) to realizations (n, c, nx, ny, nz)."""
        device, z = z.device, self.prior.entering(z)
        y = z[:, : -self.maps].reshape(len(z), self.styles, -1)
        mapped = (self.mean.to(z) + y @ self.root.to(z).T).unbind(dim=1)
        levels = len(self.prior.maps)
        inputs = (None, self.prior.unflat(z[:, -self.maps :]), mapped if self.styles > 1 else [*mapped] * levels)
        return self.prior.realized(self.prior.generate(inputs, weights)).to(device)

    @property
    def latent_positions(self) -> Tensor:
        """As the generator's prior has them; NaN for styles."""
        maps = self.prior.latent_positions[self.prior.style : self.prior.noise]
        return torch.cat([torch.full((self.latent_shape[0] - self.maps, 3), torch.nan), maps])

    def state(self) -> dict[str, Any]:
        """The generator's prior, and the space."""
        return {**self.prior.state(), "space": "w" if self.styles == 1 else "w+"}


def _features(prior: GanPrior) -> list[Tensor]:
    """Features (n, width, ...) of each level, the coarsest first, over realizations of fixed latents."""
    seen: dict[int, list[Tensor]] = {}

    def keep(level: int, x: Tensor) -> Tensor:
        seen.setdefault(level, []).append(x.float())
        return x

    with torch.no_grad():
        z = torch.randn((LEARNED_FROM, *prior.latent_shape), generator=torch.Generator().manual_seed(0))
        for part in torch.split(prior.entering(z), BATCH):
            prior.raw(part[:, : prior.noise], prior.labels_of(part[:, prior.noise :]), change=keep)
    return [torch.cat(parts) for _, parts in sorted(seen.items())]


def _roots(deviations: Tensor) -> list[Tensor]:
    """Roots of the covariances of deviations (n, width, x, y, z) over channels, and of their correlations along x, y and z."""
    matrices = []
    for axis in range(1, deviations.ndim):
        flat = deviations.transpose(0, axis).flatten(1)
        matrices.append(flat @ flat.T / flat.shape[1])
    channels, *axes = matrices
    return [_leading_root(channels), *(_root(axis / axis.diagonal().mean()) for axis in axes)]


def _leading_root(covariance: Tensor) -> Tensor:
    """A root (k, r) over the r leading eigenvectors, which have `KEPT` of the variance."""
    values, vectors = (part.flip(-1) for part in torch.linalg.eigh(covariance.double()))
    rank = 1 + int((values.cumsum(0) < KEPT * values.sum()).sum())
    root: Tensor = vectors[:, :rank] * values[:rank].clamp(min=0).sqrt()
    return root.float()


def _root(covariance: Tensor) -> Tensor:
    """The symmetric root, which keeps every latent nearest to its own place."""
    values, vectors = torch.linalg.eigh(covariance.double())
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root.float()
