"""A diffusion prior whose denoiser is a network of dense layers: for values without neighbours, such as coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gempy_gan import DiffusionPrior, Domain, GempyGanError, LearnedPrior, Recipe
from gempy_gan.denoising import heun, noise_levels, settled

SIGMA_MAX = 20.0  # of values with a spread of about one
PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"width": 128, "blocks": 3},
    "small": {"width": 512, "blocks": 6},
    "paper": {"width": 2048, "blocks": 12},  # Siahkoohi & Sabeddu (2026)
}


class ScoreNetwork(LearnedPrior, DiffusionPrior):
    """Realizations by removing noise with a residual network of dense layers, which sees all values at once.

    For values with a mean of about 0 and a spread of about 1 in every cell. `steps` are Heun steps from noise to a realization.
    Train one with `gempy-gan train score-network`, or build one with `of`; labels are not learned.
    """

    def __init__(self, domain: Domain, network: nn.Module, options: Mapping[str, Any], steps: int = 32) -> None:
        self.domain, self.networks, self.options = domain, {"score": network}, dict(options)
        self.properties, self.shape, self.cell_size = domain.properties, domain.shape, domain.cell_size
        self.sigma_max, self.steps = SIGMA_MAX, steps

    @classmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> ScoreNetwork:
        """Build one. `options`: `width` and `blocks` of the network, and `steps`."""
        plan = {**PRESETS["small"], **options}
        steps = int(plan.pop("steps", 32))
        unknown = plan.keys() - {"width", "blocks"}
        if unknown:
            raise GempyGanError(f"A score network has no option {min(unknown)!r}. Expected: width, blocks, steps.")
        network = networks["score"] if networks else ResidualLayers(_values(domain), plan["width"], plan["blocks"])
        return cls(domain, network, plan, steps)

    @classmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> ScoreRecipe:
        """How it is trained; `options` as in `ScoreRecipe`."""
        if preset not in PRESETS:
            raise GempyGanError(f"A score network has no preset {preset!r}. Expected one of {', '.join(PRESETS)}.")
        return ScoreRecipe(domain, **{**PRESETS[preset], **options})

    @classmethod
    def learned_from(cls, preset: str, volume: tuple[int, int, int]) -> tuple[int, int, int]:
        """Whole volumes: coefficients cannot be cut."""
        return volume

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n realizations (n, c, nx, ny, nz)."""
        with torch.no_grad():
            return heun(self.denoise, settled(self.denoise, self, n, generator), noise_levels(self, self.steps))

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """E[m | m + sigma * noise = x], as the network learned it; differentiable in x."""
        network = self.networks["score"]
        like = next(network.parameters())
        level = torch.as_tensor(sigma).to(like).expand(len(x))
        return denoised(network, x.to(like), level).to(x)

    def state(self) -> Mapping[str, Any]:
        """The number of steps; the file says the rest."""
        return {"steps": self.steps}


class ScoreRecipe(Recipe):
    """Denoising score matching (Karras et al. 2022, table 1), each example with `repeats` levels of noise in a step.

    Levels are log-normal, with `noise_mean` and `noise_spread` of ln sigma: the values are of a spread of one, and it is there
    that a network either tells its examples apart or does not. The rate falls to zero by a cosine over `horizon` steps, where
    that is given.
    """

    def __init__(
        self,
        domain: Domain,
        width: int,
        blocks: int,
        rate: float = 1e-3,
        batch: int = 50,
        repeats: int = 4,
        noise_mean: float = 0.0,
        noise_spread: float = 1.4,
        horizon: int | None = None,
        average: float = 200.0,
    ) -> None:
        if domain.labels:
            raise GempyGanError("A score network learns no labels, and the training set has some. Train with --labels ''.")
        self.domain, self.batch, self.repeats, self.average = domain, int(batch), int(repeats), float(average)
        self.options = {"width": int(width), "blocks": int(blocks)}
        network = ResidualLayers(_values(domain), int(width), int(blocks))
        self.networks: Mapping[str, nn.Module] = {"score": network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "score": torch.optim.AdamW(network.parameters(), rate, (0.9, 0.99))
        }
        self.averaged = ("score",)
        self.rate, self.horizon, self.noise_mean, self.noise_spread = rate, horizon, noise_mean, noise_spread

    def step(self, values: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        """One step; shows the weighted loss."""
        clean = values.repeat(self.repeats, 1, 1, 1, 1)
        sigma = torch.exp(self.noise_mean + self.noise_spread * torch.randn(len(clean), device=clean.device)).clamp(max=SIGMA_MAX)
        x = clean + sigma[:, None, None, None, None] * torch.randn_like(clean)
        error = (denoised(self.networks["score"], x, sigma) - clean).square().flatten(1).mean(dim=1)
        loss = (error * (1 + sigma**-2)).mean()
        optimizer = self.optimizers["score"]
        for group in optimizer.param_groups:
            group["lr"] = self.rate * self._fall(number)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.networks["score"].parameters(), 1.0)
        optimizer.step()
        return {"loss": loss.detach()}

    def prior(self, networks: Mapping[str, nn.Module]) -> ScoreNetwork:
        """The prior of these networks."""
        return ScoreNetwork.of(self.domain, networks, **self.options)

    def _fall(self, number: int) -> float:
        return 1.0 if self.horizon is None else 0.5 * (1 + math.cos(math.pi * min(1.0, number / self.horizon)))


class ResidualLayers(nn.Module):
    """Dense layers over all values at once, each added to what came before; the noise level enters every one of them."""

    def __init__(self, values: int, width: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Linear(values, width)
        self.levels = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.last = nn.Linear(width, values)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Values (n, k) from scaled noisy ones (n, k), and ln sigma / 4 (n,)."""
        waves = level[:, None] * torch.arange(1, 9, device=level.device)
        about = self.levels(torch.cat([waves.sin(), waves.cos()], dim=1))
        x = self.first(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(nn.functional.silu(norm(x) + about))
        found: Tensor = self.last(x)
        return found


def denoised(network: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
    """Expected clean realizations behind x (n, c, nx, ny, nz) of noise sigma (n,), preconditioned for a spread of one.

    The network adds to what would be right for independent standard normal values (Karras et al. 2022, equation 7).
    """
    level = sigma[:, None]
    flat = x.flatten(1)
    total = 1 + level.square()
    scaled = network(flat * total.rsqrt(), sigma.log() / 4)
    found: Tensor = flat / total + level * total.rsqrt() * scaled
    return found.reshape(x.shape)


def _values(domain: Domain) -> int:
    return len(domain.properties) * math.prod(domain.shape)
