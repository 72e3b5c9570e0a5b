"""torch as it is without GemPy's torch engine, which changes it for the whole process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_torch() -> Iterator[None]:
    """While the block runs, torch's own functions and gradients are back.

    A model computed with GemPy's PyTorch engine leaves `torch.zeros`, `torch.sum` and others replaced by functions of other
    signatures, and gradients switched off. Afterwards everything is as the engine left it, for it needs it. Where torch has not
    been imported, nobody has changed it, and it is not imported here: whoever simulates does without.
    """
    if "torch" not in sys.modules:
        yield
        return
    import torch

    own = torch._C._VariableFunctions  # where the engine, too, takes the originals from
    replaced = {
        name: function
        for name, function in vars(torch).items()
        if str(getattr(function, "__module__", "")).startswith("gempy_engine") and hasattr(own, name)
    }
    try:
        for name in replaced:
            setattr(torch, name, getattr(own, name))
        with torch.enable_grad():
            yield
    finally:
        for name, function in replaced.items():
            setattr(torch, name, function)
