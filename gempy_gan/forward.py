"""Seismic traces from realizations: rock physics, reflectivity and a wavelet, differentiable in torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gempy_gan.columns import UnitColumns, at, column_faces
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.responses import Responses
from gempy_gan.rock_physics import Impedance, RockPhysics, TwoEndMembers, rock_from
from gempy_gan.seismic import Domain
from gempy_gan.wavelets import CUBIC_REACH, Wavelet, cubic, ormsby, ricker, statistical, wavelet_from
from gempy_gan.well_tie import WellTie, well_tie

__all__ = [
    "Convolution",
    "Impedance",
    "Synthetic",
    "TwoEndMembers",
    "Wavelet",
    "WellTie",
    "ormsby",
    "reflectivity",
    "ricker",
    "statistical",
    "well_tie",
]

TABLE = 2**26  # numbers in a table of the wavelet at all reflectors, above which it is not kept

Reflectivity = Literal["exact", "log", "linear"]


def reflectivity(impedance: Tensor, kind: Reflectivity = "exact", reference: float | None = None) -> Tensor:
    """Normal-incidence reflection coefficients (..., k - 1) between layers of impedance (..., k), from top to bottom.

    - "exact": (I2 - I1) / (I2 + I1).
    - "log": half the difference of ln I, within 0.1 % of exact up to coefficients of 0.05; linear in ln I.
    - "linear": (I2 - I1) / (2 reference); linear in I.

    >>> reflectivity(torch.tensor([4.0, 6.0])).tolist()
    [0.20000000298023224]
    """
    above, below = impedance[..., :-1], impedance[..., 1:]
    if kind == "exact":
        return (below - above) / (below + above)
    if kind == "log":
        return 0.5 * (below.log() - above.log())
    if reference is None:
        raise GempyGanError("Linear reflectivity needs reference=, the impedance in kg/(m2 s) about which it is linear.")
    return 0.5 * (below - above) / reference


@dataclass(frozen=True, eq=False)
class Convolution:
    """The convolutional model: options, which `bind` ties to a grid and to the samples to be predicted.

    Each face between two cells reflects; the trace is the sum of the wavelet at the exact two-way time (or depth) of each face
    times its reflection coefficient. No multiples, no transmission loss, no angle. In the frame of a unit (see `from_gempy`) the
    faces lie where the unit's layers lie; times and depths are true ones. Cells that are not active do not reflect.

    Parameters
    ----------
    wavelet:
        A Wavelet, in seconds for time data and in metres for depth data; or its options (see `wavelet_from`).
    rock:
        From the property to impedance: TwoEndMembers(...), Impedance(...), or an object with the same methods; or its options
        (see `rock_from`).
    velocity:
        Constant P-wave velocity in m/s; or "rock", the rock model's own velocity of each realization's cells, from the top
        of the grid down. Either this or `time_depth` for time data.
    tie:
        A (height z in metres, two-way time in seconds) that belong together; with a constant velocity.
    time_depth:
        Table (k, 2) of depth below the vertical datum (-z, metres) and two-way time in seconds, both increasing, as from a
        checkshot; linear in between. With velocity="rock" it gives the time at the unit's top only.
    property:
        Which of the prior's properties `rock` reads; None where there is only one.
    reflectivity, reference:
        See `reflectivity`.
    over, under:
        Impedance above and below the grid's active cells. None lets the outermost of them go on, so that the unit's top and base
        do not reflect.

    Raises GempyGanError when options contradict each other.
    """

    wavelet: Wavelet
    rock: RockPhysics = field(default_factory=TwoEndMembers)
    velocity: float | Literal["rock"] | None = None
    tie: tuple[float, float] = (0.0, 0.0)
    time_depth: ArrayLike | None = None
    property: str | None = None
    reflectivity: Reflectivity = "exact"
    reference: float | None = None
    over: float | None = None
    under: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.wavelet, Mapping):
            object.__setattr__(self, "wavelet", wavelet_from(self.wavelet))
        if isinstance(self.rock, Mapping):
            object.__setattr__(self, "rock", rock_from(self.rock))
        if self.reflectivity not in ("exact", "log", "linear"):
            raise GempyGanError(f"Reflectivity is {self.reflectivity!r}. Allowed: 'exact', 'log', 'linear'.")
        for name in ("velocity", "over", "under", "reference"):
            value = getattr(self, name)
            if (
                value is not None
                and not (name == "velocity" and value == "rock")
                and not (np.isreal(value) and 0 < value < np.inf)
            ):
                raise GempyGanError(f"{name} is {value!r}. Expected a positive number.")
        if self.reflectivity == "linear" and self.reference is None:
            raise GempyGanError("Linear reflectivity needs reference=, the impedance in kg/(m2 s) about which it is linear.")
        if self.time_depth is not None:
            object.__setattr__(self, "time_depth", _table(self.time_depth))
            if self.velocity not in (None, "rock"):
                raise GempyGanError("Both velocity= and time_depth= were given. Expected one of them.")

    def times(self, z: ArrayLike) -> NDArray[np.float64]:
        """Two-way time in seconds at heights z (metres, upwards).

        Raises GempyGanError when neither a velocity nor a table says it, or a height lies outside the table.
        """
        height = np.asarray(z, dtype=np.float64)
        if self.time_depth is not None:
            depth, time = np.asarray(self.time_depth).T
            if height.size and (-height.max() < depth[0] - 1e-6 or -height.min() > depth[-1] + 1e-6):
                raise GempyGanError(
                    f"Depths {-height.max():g} to {-height.min():g} m are needed in time, and the time-depth table holds "
                    f"{depth[0]:g} to {depth[-1]:g} m. Extend the table or shrink the grid."
                )
            return np.asarray(np.interp(-height, depth, time))
        if self.velocity == "rock":
            if np.abs(height - self.tie[0]).max() > 1e-3:
                raise GempyGanError(
                    f"With velocity='rock' the time at the grid's top, {height.max():g} m, must be known, and tie= stands at "
                    f"{self.tie[0]:g} m. Give tie= there, or time_depth=."
                )
            return np.full(height.shape, self.tie[1])
        if self.velocity is None:
            raise GempyGanError("Time data need a time-depth relation. Give velocity= in m/s, or time_depth= from a checkshot.")
        return np.asarray(self.tie[1] + 2 * (self.tie[0] - height) / self.velocity)

    def bind(self, grid: Grid, columns: ArrayLike, axis: ArrayLike, domain: Domain) -> Synthetic:
        """The operator that predicts `axis` samples (s,) in `domain` at grid columns (k, 2) [ix, iy].

        A column may be fractional, to say where in it a trace stands: faces then lie where they lie there, and the cells are
        those of the column around it.

        Raises GempyGanError when the wavelet belongs to the other domain or no time-depth relation is given.
        """
        if domain != self.wavelet.domain:
            raise GempyGanError(
                f"The data are in {domain} and the wavelet in {self.wavelet.domain}. "
                f"Correct the data's domain, or give a wavelet with domain={domain!r} and a step in "
                f"{'seconds' if domain == 'time' else 'metres'}."
            )
        index = np.atleast_2d(np.asarray(columns, dtype=np.float64))
        heights = column_faces(grid, index)
        if domain == "depth":
            faces = -heights
        elif self.velocity == "rock":
            faces = self.times(at(heights, UnitColumns.of(grid, index).first))
        else:
            faces = self.times(heights)
        return Synthetic(self, grid, index, np.asarray(axis, dtype=np.float64), domain, heights, faces)

    def state(self) -> dict[str, Any]:
        """Every option as plain JSON values."""
        table = None if self.time_depth is None else np.asarray(self.time_depth).tolist()
        options = {name: getattr(self, name) for name in ("velocity", "property", "reflectivity", "reference", "over", "under")}
        nested = {"wavelet": self.wavelet.state(), "rock": self.rock.state()}
        return {**nested, **options, "tie": list(self.tie), "time_depth": table}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], grid: Grid) -> Synthetic:
        """The bound operator whose `state()` this is."""
        options = {key: value for key, value in state.items() if key not in ("forward", "columns", "axis", "domain")}
        return cls(**options).bind(grid, state["columns"], state["axis"], state["domain"])


class Synthetic:
    """A Convolution bound to a grid: realizations (n, c, nx, ny, nz) to traces (n, columns * samples).

    `columns` (k, 2), `axis` (s,) and `domain` are what it was bound to; `property` is the property it reads. `faces` (k, nz + 1)
    are times or depths of the cells' faces from top to bottom (that of the unit's top only, where realizations bring their own
    velocity).
    """

    def __init__(
        self,
        convolution: Convolution,
        grid: Grid,
        columns: NDArray[np.float64],
        axis: NDArray[np.float64],
        domain: Domain,
        heights: NDArray[np.float64],
        faces: NDArray[np.float64],
    ) -> None:
        self.convolution, self.grid, self.columns, self.axis, self.domain = convolution, grid, columns, axis, domain
        self.property = convolution.property
        self.heights, self.faces = heights, faces
        self._unit = UnitColumns.of(grid, columns)
        self._cast: dict[tuple[torch.dtype, torch.device], Responses | Tensor] = {}

    def __call__(self, m: Tensor) -> Tensor:
        """Predicted data (n, k * s) of realizations (n, c, nx, ny, nz); c is 1, or the one channel of `property`."""
        if m.ndim != 5 or m.shape[1] != 1 or tuple(m.shape[2:]) != self.grid.resolution:
            raise GempyGanError(
                f"Realizations of shape {tuple(m.shape)} were given. Expected (n, 1, *{self.grid.resolution}): of several "
                "properties, name the one that reflects as Convolution(property=...)."
            )
        cells = self._unit.filled(m.flatten(2, 3)[:, 0, self._unit.flat.to(m.device)].flip(-1))
        coefficients = self._reflectivity(self.convolution.rock.impedance(cells))
        responses = self._responses_like(m)
        if responses is None:
            return self._spread(self._times(cells), coefficients).flatten(1)
        traces = responses(coefficients) if isinstance(responses, Responses) else coefficients @ responses.T
        return traces.flatten(1)

    def state(self) -> dict[str, Any]:
        """Plain JSON values that say what this operator computes."""
        columns = self.columns.astype(np.int64) if (self.columns == np.rint(self.columns)).all() else self.columns
        where = {"columns": columns.tolist(), "axis": self.axis.tolist(), "domain": self.domain}
        return {"forward": "convolution", **self.convolution.state(), **where}

    def positions(self) -> NDArray[np.float64]:
        """Fractional cell indices (k * s, 3) of the predicted samples: where each one looks, NaN outside the unit."""
        faces = self._known_faces()
        distinct = faces[:1] if _shared(faces) else faces
        below_top = np.stack([np.interp(self.axis, row, np.arange(len(row)), left=np.nan, right=np.nan) for row in distinct])
        positions = np.empty((len(faces), len(self.axis), 3))
        positions[..., :2] = self.columns[:, None]
        outside = (below_top < self._unit.first[:, None]) | (below_top > self._unit.last[:, None] + 1)
        positions[..., 2] = np.where(outside, np.nan, self.grid.resolution[2] - 0.5 - below_top)
        return positions.reshape(-1, 3)

    def near_edges(self) -> NDArray[np.bool_]:
        """Which predicted samples (k * s,) lie within half a wavelet of the unit's top or base, and see reflectors beyond."""
        faces, reach = self._known_faces(), self.convolution.wavelet.reach
        top, base = at(faces, self._unit.first), at(faces, self._unit.last + 1)
        return np.asarray(((self.axis - top < reach) | (base - self.axis < reach)).ravel())

    def _known_faces(self) -> NDArray[np.float64]:
        """Face times; where they depend on m, with the rock's velocity at half of its property, to look for samples before."""
        if self.faces.shape[1] > 1:
            return self.faces
        velocity = float(self.convolution.rock.velocity(torch.tensor(0.5, dtype=torch.float64)))
        return np.asarray(self.faces + 2 * (at(self.heights, self._unit.first) - self.heights) / velocity)

    def _reflectivity(self, impedance: Tensor) -> Tensor:
        options = self.convolution
        impedance = self._unit.enclosed(impedance, options.over, options.under)
        over = impedance[..., :1] if options.over is None else torch.full_like(impedance[..., :1], options.over)
        under = impedance[..., -1:] if options.under is None else torch.full_like(impedance[..., -1:], options.under)
        return reflectivity(torch.cat([over, impedance, under], dim=-1), options.reflectivity, options.reference)

    @cached_property
    def _responses(self) -> Responses | Tensor | None:
        """What samples see of reflectors, made when it is first needed: w(t_i - t_j), a table (s, nz + 1) where all columns share
        their face times; None where the faces move, or there are too many."""
        if self.faces.shape[1] == 1:
            return None
        if _shared(self.faces):
            return torch.as_tensor(self.convolution.wavelet.at(self.axis[:, None] - self.faces[:1]))
        parts = self.convolution.wavelet, self.axis, self.faces
        return None if Responses.size(*parts) > TABLE else Responses.of(*parts)

    def _responses_like(self, m: Tensor) -> Responses | Tensor | None:
        key = (m.dtype, m.device)
        if key not in self._cast and self._responses is not None:
            found = self._responses
            self._cast[key] = found if isinstance(found, Responses) else found.to(m)
        return self._cast.get(key)

    def _times(self, cells: Tensor) -> Tensor:
        """Times (n, k, nz + 1) of the faces; those that depend on the realization are differentiated too."""
        faces = torch.as_tensor(self.faces).to(cells)
        if self.faces.shape[1] > 1:
            return faces.expand(len(cells), *self.faces.shape)
        thickness = torch.as_tensor(-np.diff(self.heights, axis=1)).to(cells)
        travel = (2 * thickness / self.convolution.rock.velocity(cells)).cumsum(-1)
        travel = torch.cat([torch.zeros_like(travel[..., :1]), travel], dim=-1)
        start = torch.as_tensor(self._unit.first, device=cells.device)[:, None].expand(*travel.shape[:2], 1)
        return faces + travel - travel.gather(-1, start)

    def _spread(self, times: Tensor, coefficients: Tensor) -> Tensor:
        """Traces (n, k, s) of reflectors at any times (n, k, nz + 1).

        Each reflector is spread over four samples of the wavelet's own step by the kernel that interpolates the wavelet, so
        that convolution afterwards equals the wavelet at the exact time.
        """
        wavelet, subsampling, count = self._fine()
        half = len(wavelet.samples) // 2
        position = (times - float(self.axis[0])) / wavelet.step + half
        base = position.detach().floor()
        spikes = coefficients.new_zeros((*coefficients.shape[:2], count + 2 * half))
        for offset in range(1 - CUBIC_REACH, CUBIC_REACH + 1):
            index = base + offset
            inside = (index >= 0) & (index < spikes.shape[-1])
            weight = coefficients * cubic(position - index) * inside
            spikes = spikes.scatter_add(-1, index.clamp(0, spikes.shape[-1] - 1).long(), weight)
        taps = torch.as_tensor(wavelet.samples[::-1].copy()).to(coefficients)[None, None]
        traces = torch.nn.functional.conv1d(spikes.flatten(0, 1)[:, None], taps, stride=subsampling)
        return traces[:, 0].reshape(*coefficients.shape[:2], -1)

    def _fine(self) -> tuple[Wavelet, int, int]:
        """The wavelet on a step that divides the axis', how many such steps make one of it, and the samples they make."""
        if len(self.axis) < 2:
            return self.convolution.wavelet, 1, 1
        step = (self.axis[-1] - self.axis[0]) / (len(self.axis) - 1)
        wavelet = self.convolution.wavelet
        subsampling = max(1, int(np.ceil(step / wavelet.step - 1e-6)))
        if abs(step / subsampling / wavelet.step - 1) > 1e-9:
            wavelet = wavelet.resampled(step / subsampling)
        return wavelet, subsampling, (len(self.axis) - 1) * subsampling + 1


def _shared(faces: NDArray[np.float64]) -> bool:
    """Whether all columns have their faces at the same times."""
    return bool(np.ptp(faces, axis=0).max() < 1e-9)


def _table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.array(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or len(table) < 2 or not np.isfinite(table).all():
        raise GempyGanError(
            f"The time-depth table has shape {table.shape}. Expected (k, 2): depth below datum (m) and two-way time (s)."
        )
    bad = np.flatnonzero((np.diff(table, axis=0) <= 0).any(axis=1))
    if len(bad):
        found = " -> ".join(f"({depth:g} m, {time:g} s)" for depth, time in table[bad[0] : bad[0] + 2])
        raise GempyGanError(f"The time-depth table does not increase: {found}. Sort it, and drop repeated or reversed rows.")
    table.setflags(write=False)
    return table
