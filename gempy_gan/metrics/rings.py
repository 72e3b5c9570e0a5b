"""The conditioned ring error: how well realizations conditioned on wells predict the cells around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gempy_gan import scores
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics.splits import Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Conditional = Callable[["Tensor", "Tensor", int, "torch.Generator"], Any]

RING = 2  # cells from one ring around the wells to the next


def ring_error(
    truths: ArrayLike,
    conditional: Conditional,
    unconditional: ArrayLike | None = None,
    wells: int | Sequence[ArrayLike] = 8,
    n: int = 10,
    rings: int = 6,
    seed: int = 0,
) -> pd.DataFrame:
    """Errors of the coarse fraction by distance from wells, on truths (t, c, nx, ny, nz) that the prior was not trained on.

    For each truth, `conditional(mask, values, n, generator)` gets the cells whose fraction, channel 0, wells have seen, a boolean
    tensor (c, nx, ny, nz), their values, zero elsewhere, and returns n realizations (n, c, nx, ny, nz). `wells` is a number of
    vertical wells at random places, or for each truth a mask (nx, ny, nz). A cell's distance is that to the nearest well in its
    layer; ring 1-2 holds distances above 0 and up to 2 cells, and so on; the last row is the wells themselves, at distance 0.

    Columns, all in the unit of the fraction and means over truths:

    - `mae` of single realizations, `median` that of their median cell by cell, `crps` that of the whole ensemble;
    - `copy`, the error of the nearest well's value in the layer;
    - `unconditional`, as `mae` but of volumes (k, c, nx, ny, nz) drawn without wells, and `unconditional_crps`.

    A single realization is a draw and no prediction: where it is uncertain, even the exact posterior's may have a larger `mae`
    than the copied value. Over many truths, `crps` and `median` of the exact posterior are not (Gneiting & Raftery 2007).

    Raises GridError for shapes that do not fit, GempyGanError for wells that cannot be placed.
    """
    import torch

    fields = np.asarray(truths, dtype=np.float32)
    if fields.ndim != 5:
        raise GridError(f"The truths have shape {fields.shape}. Expected (t, c, nx, ny, nz).")
    luck = None if unconditional is None else np.asarray(unconditional, dtype=np.float64)[:, 0]
    masks = _masks(fields, wells, seed)
    rows = []
    for k, (truth, mask) in enumerate(zip(fields, masks, strict=True)):
        seen = np.zeros(truth.shape, dtype=bool)
        seen[0] = mask
        generator = torch.Generator().manual_seed(seed + k)
        given = torch.from_numpy(np.where(seen, truth, 0.0).astype(np.float32))
        drawn = torch.as_tensor(conditional(torch.from_numpy(seen), given, n, generator)).detach().cpu().numpy()
        if drawn.shape != (n, *truth.shape):
            raise GridError(f"The realizations have shape {drawn.shape}. Expected {(n, *truth.shape)}.")
        rows.append(_errors(truth[0].astype(np.float64), mask, drawn[:, 0].astype(np.float64), luck, rings))
    return pd.concat(rows).groupby(level=0, sort=False).mean()


def _masks(fields: Array, wells: int | Sequence[ArrayLike], seed: int) -> list[NDArray[np.bool_]]:
    shape = fields.shape[2:]
    if not isinstance(wells, int):
        masks = [np.asarray(mask, dtype=bool) for mask in wells]
        if len(masks) != len(fields) or any(mask.shape != shape or not mask.any() for mask in masks):
            raise GridError(f"{len(masks)} masks of wells were given. Expected {len(fields)} of {shape} cells, each with a well.")
        return masks
    if not 1 <= wells < shape[0] * shape[1]:
        raise GempyGanError(
            f"{wells} wells were asked for on {shape[0]} x {shape[1]} columns. Expected at least 1, and some free."
        )
    rng, found = np.random.default_rng([seed, wells]), []
    for _ in fields:
        columns = np.zeros(shape[0] * shape[1], dtype=bool)
        columns[rng.choice(columns.size, wells, replace=False)] = True
        found.append(np.broadcast_to(columns.reshape(*shape[:2], 1), shape).copy())
    return found


def _errors(truth: Array, mask: Array, drawn: Array, luck: Array | None, rings: int) -> pd.DataFrame:
    """Mean errors of one truth in each ring; nan for a ring without cells."""
    from scipy import ndimage

    far = 4.0 * max(truth.shape)
    distance, nearest = ndimage.distance_transform_edt(~mask, sampling=(1, 1, far), return_indices=True)
    columns = _scores(drawn, truth)
    columns["copy"] = np.abs(truth[tuple(nearest)] - truth)
    if luck is not None:
        free = _scores(luck, truth)
        columns |= {"unconditional": free["mae"], "unconditional_crps": free["crps"]}
    ring = np.where(distance < far, np.ceil(distance / RING), -1)  # layers that no well reaches belong to none
    index = [f"{RING * k + 1}-{RING * (k + 1)}" for k in range(rings)]
    table = {name: [_mean(error, ring == k) for k in (*range(1, rings + 1), 0)] for name, error in columns.items()}
    return pd.DataFrame(table, index=pd.Index([*index, "wells"], name="distance"))


def _scores(drawn: Array, truth: Array) -> dict[str, Array]:
    return {
        "mae": np.abs(drawn - truth).mean(axis=0),
        "median": np.abs(np.median(drawn, axis=0) - truth),
        "crps": scores.crps(drawn.reshape(len(drawn), -1), truth.ravel()).reshape(truth.shape),
    }


def _mean(error: Array, where: Array) -> float:
    return float(error[where].mean()) if where.any() else float("nan")
