"""Stationary correlation models of Gaussian random fields, by their practical range."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["spherical", "exponential", "gaussian", "matern"]
MODELS: tuple[str, ...] = get_args(Model)
AT_RANGE = math.exp(-3)  # correlation left at the practical range, 5 % (the spherical model reaches zero there)


def correlation(model: str, distance: Tensor, nu: float = 1.5) -> Tensor:
    """Correlation at a distance given in practical ranges (1 = one range); `nu` is the smoothness of the Matern model.

    All but the spherical model have fallen to exp(-3), 5 %, at the practical range; Matern with nu = 0.5 is the exponential.
    Raises GempyGanError for a model that does not exist or a smoothness that is not positive.

    >>> correlation("exponential", torch.tensor([0.0, 1.0]).double()).round(decimals=4).tolist()
    [1.0, 0.0498]
    """
    if model == "spherical":
        return torch.where(distance < 1, 1 - 1.5 * distance + 0.5 * distance**3, torch.zeros_like(distance))
    if model == "exponential":
        return torch.exp(-3 * distance)
    if model == "gaussian":
        return torch.exp(-3 * distance**2)
    if model == "matern":
        return _matern(_matern_scale(nu) * distance, nu)
    raise GempyGanError(f"The covariance model is {model!r}. Expected one of: {', '.join(MODELS)}.")


def reach(model: str, tolerance: float, nu: float = 1.5) -> float:
    """Distance in practical ranges beyond which the correlation stays below `tolerance`."""
    if model == "spherical":
        return 1.0
    from scipy.optimize import brentq

    def excess(distance: float) -> float:
        return float(correlation(model, torch.tensor([distance], dtype=torch.float64), nu)[0]) - tolerance

    return float(brentq(excess, 0.0, 100.0))


@lru_cache
def _matern_scale(nu: float) -> float:
    """What a distance of one practical range is in the Matern function's own unit."""
    if not (math.isfinite(nu) and nu > 0):
        raise GempyGanError(f"The Matern smoothness nu is {nu}. Expected a positive number, e.g. 0.5, 1.5 or 2.5.")
    from scipy.optimize import brentq

    return float(brentq(lambda x: float(_matern(torch.tensor([x], dtype=torch.float64), nu)[0]) - AT_RANGE, 1e-9, 1e3))


def _matern(x: Tensor, nu: float) -> Tensor:
    """2^(1 - nu) / Gamma(nu) x^nu K_nu(x), in closed form for nu = 1/2, 3/2, 5/2."""
    if nu == 0.5:
        return torch.exp(-x)
    if nu == 1.5:
        return (1 + x) * torch.exp(-x)
    if nu == 2.5:
        return (1 + x + x**2 / 3) * torch.exp(-x)
    from scipy.special import gammaln, kve

    far = x.detach().double().clamp(min=1e-12).numpy()
    value = np.exp((1 - nu) * math.log(2) - gammaln(nu) - far + nu * np.log(far)) * kve(nu, far)
    return torch.where(x > 1e-12, torch.from_numpy(value).to(x), torch.ones_like(x))
