"""Network evaluations: how many realizations a prior decodes or denoises while a block runs, and how many are differentiated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from gempy_gan import Prior

METHODS = ("decode", "denoise")


@dataclass
class Evaluations:
    """Rows that went forward through `decode` or `denoise`, and rows whose gradient came back out of them."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted() -> Iterator[Evaluations]:
    """Count what every prior does in the block, copies of priors included: methods are replaced in their classes.

    Calls within calls are one evaluation. A product with the transposed Jacobian is one backward row, and so is one with the
    Jacobian by differentiating twice; forward-mode products are not counted, nor is what a discriminator does.
    """
    found, busy = Evaluations(), [False]
    with ExitStack() as stack:

        def count(cls: type) -> None:
            for name in METHODS:
                if name in vars(cls) and not getattr(vars(cls)[name], "__isabstractmethod__", False):
                    stack.enter_context(mock.patch.object(cls, name, _counting(vars(cls)[name], found, busy)))

        for cls in _subclasses(Prior):
            count(cls)
        # strategies import some classes only when they need them
        stack.enter_context(mock.patch.object(Prior, "__init_subclass__", classmethod(lambda cls, **_: count(cls)), create=True))
        yield found


def _counting(method: Callable[..., Tensor], found: Evaluations, busy: list[bool]) -> Callable[..., Tensor]:
    @functools.wraps(method)
    def counting(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if busy[0]:
            return method(self, x, *args, **kwargs)
        busy[0] = True
        try:
            values = method(self, x, *args, **kwargs)
        finally:
            busy[0] = False
        found.forward += len(x)
        return _Tap.apply(values, found) if torch.is_grad_enabled() else values  # type: ignore[no-untyped-call]

    return counting


class _Tap(torch.autograd.Function):
    """The identity; counts the rows of every gradient that passes, and of gradients of gradients."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, found: Evaluations) -> Tensor:
        del found
        return values.view_as(values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Evaluations], output: Tensor) -> None:
        del output
        ctx.found = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.found.backward += len(gradient)
        return _Tap.apply(gradient, ctx.found), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent.view_as(tangent)


def _subclasses(cls: type) -> Iterator[type]:
    found: type
    for found in cls.__subclasses__():
        yield found
        yield from _subclasses(found)
