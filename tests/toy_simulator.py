"""A simulator for the tests, a few milliseconds a realization: one sinusoidal channel that moves sideways while it aggrades.

Also a plugin file (`gempy-gan --plugin tests/toy_simulator.py`) that registers it as `toy-simulator`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import GempyGanError
from gempy_gan.hookspecs import hookimpl
from gempy_gan.labels import Label
from gempy_gan.prior import Simulator
from gempy_gan.properties import Property

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PHASE = 0.6  # radians by which the bends wander down the valley from one layer to the next (standard deviation)


@hookimpl
def gempy_gan_register_priors(register: Any) -> None:
    register("toy-simulator", "toy_simulator:ToySimulator", "one sinusoidal channel")


@dataclass(eq=False)
class ToySimulator(Simulator):
    """Coarse fraction and deposition time (0 to 1, never decreasing upwards) of a channel along x.

    Three labels are drawn: `width` and `amplitude` in metres, `wavelength` in metres; `net_to_gross` is measured on the result.
    `broken` makes every seed divisible by it fail, to see what callers do.
    """

    shape: tuple[int, int, int] = (16, 16, 4)
    cell_size: tuple[float, float, float] = (10.0, 10.0, 0.5)
    broken: int | None = None

    properties = (Property("coarse_fraction"), Property("deposition_time"))
    labels = (
        Label("width", 15.0, 60.0, "m", meaning="width of the channel"),
        Label("wavelength", 60.0, 240.0, "m", log=True, meaning="wavelength of its bends"),
        Label("amplitude", 0.0, 50.0, "m", meaning="half-width of the belt that its bends sweep"),
    )
    measured = ("net_to_gross",)

    def __post_init__(self) -> None:
        self.shape, self.cell_size = tuple(self.shape), tuple(self.cell_size)

    def state(self) -> Mapping[str, Any]:
        return asdict(self) | {"shape": [*self.shape], "cell_size": [*self.cell_size]}

    def simulate(self, seed: int, labels: Mapping[str, float] | None = None) -> tuple[NDArray[Any], dict[str, float]]:
        import numpy as np

        if self.broken and seed % self.broken == 0:
            raise GempyGanError("The channel left the box.")
        drawing, process = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2))
        drawn = {label.name: float(label.from_scaled(drawing.uniform(-1, 1))) for label in self.labels} | dict(labels or {})
        (nx, ny, nz), (dx, dy, _) = self.shape, self.cell_size
        x, y = (np.arange(nx) + 0.5) * dx, (np.arange(ny) + 0.5) * dy
        phase = process.uniform(0, 2 * np.pi) + np.cumsum(PHASE * process.standard_normal(nz))
        middle = process.uniform(0.3, 0.7) * ny * dy + drawn["amplitude"] * np.sin(
            2 * np.pi * x[:, None] / drawn["wavelength"] + phase
        )  # (nx, nz)
        across = 2 * np.abs(y[None, :, None] - middle[:, None, :]) / drawn["width"]  # 1 at the banks
        coarse = np.clip(1 - across**4, 0.05, 1)
        fall = process.gamma(2.0, size=(nx, ny, nz)) + coarse  # the channel's sediment takes longest
        time = np.cumsum(fall, axis=-1) / fall.sum(axis=-1, keepdims=True)
        values = np.stack([coarse, time]).astype(np.float32)
        return values, drawn | {"net_to_gross": float((values[0] > 0.5).mean())}
