"""Waves of a field's coefficients, with the whole matrix of derivatives by reciprocity: few parameters, many products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan import GempyGanError, Grid
from gempy_gan_waveform.helmholtz import Helmholtz, HelmholtzSection
from gempy_gan_waveform.modes import Modes, modes_from
from gempy_gan_waveform.solving import System, in_threads

Array = NDArray[np.float64]

AT_ONCE = 2**24  # complex numbers in the products of fields that are summed together: 256 MB


class ModalHelmholtz:
    """Coefficients (n, 1, kx, 1, kz) of `modes` to data (n, d) of `waves`, both on one section.

    Reciprocity gives all derivatives of all data from one solve for each source and each receiver, with the factors of the
    forward run. The gradient is exact, and strategies that multiply many vectors by one Jacobian solve no further equation.
    There are no second derivatives: asking for them raises GempyGanError.

    `waves` is a Helmholtz of "squared_slowness" and `section` the grid of its cells; options may be given as their states.
    """

    def __init__(self, waves: Helmholtz | Mapping[str, Any], modes: Modes | Mapping[str, Any], section: Grid | Mapping[str, Any]):
        options = waves if isinstance(waves, Helmholtz) else Helmholtz(**waves)
        grid = section if isinstance(section, Grid) else Grid.from_dict(section)
        self.modes, self.waves = modes_from(modes), HelmholtzSection(options, grid)
        if options.quantity != "squared_slowness" or (grid.resolution[0], grid.resolution[2]) != self.modes.shape:
            raise GempyGanError(
                f"Modes on {self.modes.shape} cells were given with waves that see {options.quantity} on {grid.resolution}. "
                "Expected squared_slowness on the same cells."
            )
        self.shape, self.property = self.waves.shape, options.property

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Data (n, d): real and imaginary parts, for each frequency, source and receiver."""
        self.modes._check(coefficients, self.modes.count)
        if not (torch.is_grad_enabled() and coefficients.requires_grad):
            return self.data(coefficients).to(coefficients)
        data, _ = Differentiated.apply(coefficients.double(), self)  # type: ignore[no-untyped-call]
        found: Tensor = data.to(coefficients.dtype)
        return found

    def jacobian(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Data (n, d) and their derivatives (n, d, kx * kz), in double precision, without a graph."""
        made = in_threads(self._one, self._slowness(coefficients))
        data, slopes = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
        return data, slopes

    def data(self, coefficients: Tensor) -> Tensor:
        """Data (n, d) in double precision, without a graph: half the work of `jacobian`."""
        with torch.no_grad():
            return self.waves(self.modes.fields(coefficients.detach().double().cpu()))

    def state(self) -> dict[str, Any]:
        """Plain JSON values that say what this operator computes."""
        known = {"waves": self.waves.options.state(), "modes": self.modes.state(), "section": self.waves.grid.to_dict()}
        return {"forward": "helmholtz-modes", **known}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], grid: Grid) -> ModalHelmholtz:
        """The operator whose `state()` this is; `grid` is that of the coefficients."""
        found = cls(**{key: value for key, value in state.items() if key != "forward"})
        if grid.resolution != found.modes.coefficient_grid.resolution:
            raise GempyGanError(f"The grid has {grid.resolution} cells. Expected one for each coefficient, {found.modes.count}.")
        return found

    def _slowness(self, coefficients: Tensor) -> Array:
        """Squared slowness (n, N) of the padded cells in s2/m2."""
        fields = self.modes.fields(coefficients.detach().double().cpu())
        return np.asarray(self.waves.squared_slowness(fields)[:, self.waves.cells].numpy())

    def _one(self, slowness: Array) -> tuple[Array, Array]:
        """Data (d,) and derivatives (d, kx * kz) of one padded model (N,)."""
        made = [self._at(system, slowness) for system in self.waves.systems]
        data, slopes = (np.stack(part) for part in zip(*made, strict=True))
        slopes = slopes.reshape(*data.shape, -1)
        parts = np.stack([slopes.real, slopes.imag], axis=-2)
        return np.stack([data.real, data.imag], axis=-1).ravel(), parts.reshape(-1, parts.shape[-1])

    def _at(self, system: System, slowness: Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Data (sources, receivers) and derivatives (sources, receivers, kx, kz) at one frequency.

        d u(r) / d m_j = -omega^2 (W^T g_r)_j u_j with g_r = A^-T delta_r.
        """
        fields = system.solve(slowness[None], self.waves.right_side(system)[None])[0]
        receivers = self.waves.receiver
        duals = system.solve(slowness[None], receivers.toarray()[None].astype(np.complex128), "T")[0]
        scale = -(system.stencil.omega**2) * 1e-6 * self.modes.amplitudes
        of_x, of_z = self._padded_cosines()
        averaged = (system.stencil.mass.T @ duals.T).T.reshape(-1, *self.waves.padded)
        slopes = np.empty((len(fields), len(duals), *self.modes.count), np.complex128)
        for some in np.array_split(np.arange(len(duals)), -(-duals.size // AT_ONCE)):
            for k, u in enumerate(fields.reshape(-1, *self.waves.padded)):
                slopes[k, some] = of_x.T @ ((u * averaged[some]) @ of_z)
        return np.asarray((receivers @ fields.T).T), slopes * scale

    def _padded_cosines(self) -> tuple[Array, Array]:
        """The modes along x and z on the padded cells."""
        pad = self.waves.options.pml
        x, z = (
            phi[np.clip(np.arange(-pad, len(phi) + pad), 0, len(phi) - 1), :k]
            for phi, k in zip(self.modes.cosines, self.modes.count, strict=True)
        )
        return x, z


class Differentiated(torch.autograd.Function):
    """Data (n, d) of coefficients, and their Jacobian (n, d, k) as a constant."""

    @staticmethod
    def forward(coefficients: Tensor, operator: ModalHelmholtz) -> tuple[Tensor, Tensor]:
        """Both in one go."""
        data, slopes = operator.jacobian(coefficients)
        return data.to(coefficients.device), slopes.to(coefficients.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the Jacobian."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        """grad J, linear in grad and differentiable in it."""
        coefficients, slopes = ctx.saved_tensors
        kept = Constant.apply(slopes, coefficients)  # type: ignore[no-untyped-call]
        return (grad[:, None] @ kept).reshape(coefficients.shape), None


class Constant(torch.autograd.Function):
    """A Jacobian that depends on coefficients, and refuses to be differentiated by them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(slopes: Tensor, coefficients: Tensor) -> Tensor:
        """The Jacobian."""
        return slopes.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Refuse."""
        raise GempyGanError(
            "Second derivatives of waves with respect to coefficients were asked for. There are none: use Helmholtz on the "
            "fields of the coefficients instead, whose derivatives are exact to any order."
        )
