"""Devices: where a training computes, in which precision, and in how many processes (through Lightning Fabric)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.training.speed import prefers_bf16

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.learning import Recipe


class Devices:
    """The accelerator that was found, or the CPU. With several devices each process takes its share of every batch.

    Gradients are averaged over the processes as soon as each is complete, so that a recipe needs to know nothing of them.
    """

    def __init__(self, count: int, precision: str) -> None:
        from lightning_fabric import Fabric

        for name in ("lightning.fabric", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.precision = native_precision() if precision == "auto" else precision
        try:
            self.fabric: Any = Fabric(devices=count, precision=self.precision, strategy="ddp" if count > 1 else "auto")
        except (RuntimeError, ValueError) as error:
            raise GempyGanError(f"{count} devices cannot be had: {' '.join(str(error).split())}. Ask for fewer.") from None
        self.fabric.launch()
        self.device: torch.device = self.fabric.device
        self.is_gpu = self.device.type == "cuda"
        self.dtype = torch.bfloat16 if self.precision == "bf16-mixed" else torch.float32
        if self.is_gpu:
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True  # the fastest convolutions, whose sums may differ in their last bits

    @property
    def rank(self) -> int:
        """The number of this process."""
        return int(self.fabric.global_rank)

    def place(self, recipe: Recipe) -> None:
        """Move a recipe's networks to this process' device and share their gradients."""
        for network in recipe.networks.values():
            network.to(self.fabric.device)
            if self.fabric.world_size > 1:
                for parameter in network.parameters():
                    parameter.register_post_accumulate_grad_hook(self._average)  # type: ignore[no-untyped-call]

    def share(self, size: int) -> slice:
        """Which boxes of a batch are this process' own."""
        each, rest = divmod(size, self.fabric.world_size)
        if rest:
            raise GempyGanError(
                f"A batch of {size} cannot be shared by {self.fabric.world_size} devices. Take a multiple of them."
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor on the device."""
        return (tensor.pin_memory() if self.is_gpu else tensor).to(self.fabric.device, non_blocking=True)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Mixed precision, where it was asked for.

        Weights are cast anew for each use: autocast's own cache would hide an optimizer's step from what follows it in the
        same block, such as a generator's loss after the discriminator has learned.
        """
        with self.fabric.autocast():
            before = torch.is_autocast_cache_enabled()
            torch.set_autocast_cache_enabled(False)
            try:
                yield
            finally:
                torch.set_autocast_cache_enabled(before)

    def agree(self, stop: bool) -> bool:
        """Whether the first process wants to stop: all of them must do the same."""
        return bool(self.fabric.broadcast(stop)) if self.fabric.world_size > 1 else stop

    def _average(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")


def native_precision() -> str:
    """bf16-mixed where the hardware computes in it, else 32-true: where it is emulated it is slower than single precision."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability()[0] >= 8 else "32-true"
    return "bf16-mixed" if prefers_bf16() else "32-true"
