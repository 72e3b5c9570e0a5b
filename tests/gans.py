"""Small generators that tests share, untrained, and wells of what they make."""

import numpy as np
import torch
from posteriors import a_grid, seeded

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.learning import Domain
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import Prior
from gempy_gan.priors.gan import GanPrior
from gempy_gan.properties import Property

COLUMNS = ((3, 4), (12, 9))


def a_gan(**options) -> GanPrior:
    """A generator of 16 x 16 x 4 cells with 16 latents, lively enough that latents matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        domain = Domain((Property("coarse_fraction"), Property("deposition_time")), (16, 16, 4), (50.0, 50.0, 1.0))
        prior = GanPrior.of(domain, **{"latents": 16, "generator": (16, 16, 8), "discriminator": (8, 8, 16), **options})
    with torch.no_grad():
        for norm in prior.networks["generator"].modules():
            if isinstance(norm, torch.nn.BatchNorm3d):
                norm.weight.mul_(3.0)
    return prior


def wells(prior: Prior, columns=COLUMNS, soft: tuple[SoftData, ...] = (), std: float = 0.01) -> Likelihood:
    """Full columns of the coarse fraction of a realization of the prior, and soft data."""
    truth = prior.sample(1, seeded(7))[0, 0].numpy()
    cells = np.array([(i, j, k) for i, j in columns for k in range(prior.shape[2])]).reshape(-1, 3)
    hard = [HardData(cells, truth[tuple(cells.T)], std, "coarse_fraction")] if len(cells) else []
    return Likelihood.of(Constraints(a_grid(prior.shape), *hard, *soft), prior)


def state_of(prior: GanPrior) -> dict[str, torch.Tensor]:
    """A copy of everything that the networks hold: weights, statistics, vectors of power iterations."""
    return {f"{name}/{key}": v.clone() for name, net in prior.networks.items() for key, v in net.state_dict().items()}
