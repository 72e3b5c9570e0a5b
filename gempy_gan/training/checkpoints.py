"""Checkpoints: everything that a training must remember, in files that are whole or absent."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan.atomic import replace_file
from gempy_gan.errors import FormatError, GempyGanWarning

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a training after `step` steps, and `notes`, plain JSON values."""

    step: int
    tensors: Mapping[str, Tensor]
    notes: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of a folder, of which the last two are kept.

    One is a file of tensors and a small JSON file, which is written last and holds the digest of the first: a process that is
    killed in between leaves no checkpoint that looks whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self) -> list[int]:
        """After how many steps there are checkpoints, ascending."""
        return sorted(int(file.stem) for file in self.folder.glob("*.json") if file.stem.isdigit())

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove older ones. Raises FormatError when the disk refuses; the older ones stay then."""
        from safetensors.torch import save

        content = save(dict(checkpoint.tensors))
        notes = {"step": checkpoint.step, "sha256": hashlib.sha256(content).hexdigest(), **checkpoint.notes}
        weights, about = self._files(checkpoint.step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(weights, content)
            replace_file(about, json.dumps(notes, allow_nan=False).encode())
        except OSError as error:
            last = f"That of step {self.steps()[-1]} is kept" if self.steps() else "There is none yet"
            raise FormatError(
                f"The checkpoint of step {checkpoint.step} was not written to {self.folder}: {error.strerror or error}. "
                f"{last}: make room, then repeat the command."
            ) from error
        self._forget(checkpoint.step)

    def latest(self) -> Checkpoint | None:
        """The last whole checkpoint, or None where there never was one.

        A damaged one is passed over with a warning. Raises FormatError when all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self._load(step)
            except FormatError as error:
                warnings.warn(f"{error} Going back to the one before.", GempyGanWarning, stacklevel=2)
        if steps:
            raise FormatError(f"No checkpoint in {self.folder} can be read. Restore them, or remove the folder to begin again.")
        return None

    def _files(self, step: int) -> tuple[Path, Path]:
        return self.folder / f"{step:09d}.safetensors", self.folder / f"{step:09d}.json"

    def _load(self, step: int) -> Checkpoint:
        from safetensors.torch import load

        weights, about = self._files(step)
        try:
            notes, content = json.loads(about.read_bytes()), weights.read_bytes()
            whole = notes["sha256"] == hashlib.sha256(content).hexdigest()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"The checkpoint {weights} cannot be read ({error}).") from None
        if not whole:
            raise FormatError(f"The checkpoint {weights} is damaged: its digest is not the one that was noted.")
        return Checkpoint(int(notes["step"]), load(content), notes)

    def _forget(self, last: int) -> None:
        """Remove all but the last ones, and what killed processes left."""
        for step in [s for s in self.steps() if s <= last][:-KEPT]:
            for file in reversed(self._files(step)):
                file.unlink(missing_ok=True)
        keep = {f"{step:09d}" for step in self.steps()}
        for file in self.folder.iterdir():
            if file.stem not in keep:
                file.unlink(missing_ok=True)


def flatten_networks(kind: str, networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The state of networks as tensors named "kind/network/key"."""
    return {
        f"{kind}/{name}/{key}": tensor.detach().cpu().clone().contiguous()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }


def fill_networks(kind: str, networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Put back what `flatten_networks` took. Raises FormatError when it does not fit."""
    for name, network in networks.items():
        prefix = f"{kind}/{name}/"
        mine = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        try:
            network.load_state_dict(mine)
        except RuntimeError as error:
            raise FormatError(
                f"The checkpoint does not fit the network {name!r} ({' '.join(str(error).split())[:200]}). "
                "It was made by another version: begin again in another folder, or continue with that version."
            ) from None


def flatten_optimizers(optimizers: Mapping[str, Optimizer]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of optimizers as tensors, and as JSON values in which "tensor:NAME" stands for one of them."""
    tensors: dict[str, Tensor] = {}
    notes: dict[str, Any] = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        notes[name] = {
            "groups": _plain(state["param_groups"], f"optimizer/{name}/groups", tensors),
            "state": [[int(index), _plain(held, f"optimizer/{name}/{index}", tensors)] for index, held in state["state"].items()],
        }
    return tensors, notes


def fill_optimizers(optimizers: Mapping[str, Optimizer], tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Put back what `flatten_optimizers` took. Raises FormatError when it does not fit."""
    import torch

    for name, optimizer in optimizers.items():
        try:
            held = notes[name]
            state = {index: _alive(entry, tensors) for index, entry in held["state"]}
            optimizer.load_state_dict({"state": state, "param_groups": _alive(held["groups"], tensors)})
        except (KeyError, ValueError) as error:
            raise FormatError(
                f"The checkpoint does not fit the optimizer {name!r} ({error}). Begin again in another folder."
            ) from None
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                if getattr(value, "shape", None) == parameter.shape:  # laid out in memory as before, so that sums round alike
                    state[key] = torch.empty_like(parameter).copy_(value)


def _plain(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
        return f"tensor:{name}"
    if isinstance(value, Mapping):
        return {str(key): _plain(held, f"{name}/{key}", tensors) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held, f"{name}/{k}", tensors) for k, held in enumerate(value)]
    return value


def _alive(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith("tensor:"):
        return tensors[value.removeprefix("tensor:")]
    if isinstance(value, Mapping):
        return {key: _alive(held, tensors) for key, held in value.items()}
    return [_alive(held, tensors) for held in value] if isinstance(value, list) else value
