"""Prior files: a trained prior in one safetensors file, with what it takes to build its networks again."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from gempy_gan.atomic import replace_file
from gempy_gan.errors import FormatError, GempyGanError, PluginError
from gempy_gan.learning import Domain, LearnedPrior
from gempy_gan.limits import REMEDY
from gempy_gan.plain_torch import plain_torch
from gempy_gan.plugins import registry
from gempy_gan.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "gempy_gan prior 1"
ENDING = ".safetensors"
MOST = 2**24  # of anything that networks can have
CHANNELS = 256  # numbers that they may keep for each cell of a box that is asked for
_KEY = "gempy_gan"  # of the metadata, one JSON text, in the file's header
_REMEDY = "Expected a file that 'gempy-gan train' or gempy_gan.save_prior wrote."


def save_prior(
    prior: LearnedPrior, path: str | os.PathLike[str], card: Mapping[str, Any] | None = None, dtype: str = "float16"
) -> Path:
    """Write a prior's networks, class, options and domain, and the card of its training, into one safetensors file.

    Weights are rounded to `dtype`, "float16" or "float32"; a tensor that half precision cannot hold stays single, and whole
    numbers stay as they are. Nothing is pickled. The card, plain JSON values, is `prior.card` if not given.

    Raises GempyGanError for another dtype or weights that are not finite, FormatError when the disk refuses.
    """
    target = Path(path)
    if target.suffix != ENDING:
        raise GempyGanError(f"The prior file {target.name!r} ends in {target.suffix!r}. Expected a name that ends in {ENDING}.")
    header = {
        "format": FORMAT,
        "class": f"{type(prior).__module__}:{type(prior).__qualname__}",
        "options": dict(prior.options),
        "domain": prior.domain.to_dict(),
        "card": dict(prior.card if card is None else card),
    }
    tensors = {f"{name}/{key}": tensor for name, net in prior.networks.items() for key, tensor in net.state_dict().items()}
    return _write(target, {key: _stored(key, tensor, dtype) for key, tensor in tensors.items()}, header)


def replace_card(path: str | os.PathLike[str], card: Mapping[str, Any]) -> None:
    """Give a prior file another card, and leave its weights to the last bit; errors as in `load_prior` and `save_prior`."""
    header, tensors = _read(Path(path))
    _write(Path(path), tensors, {**header, "card": dict(card)})


def _write(target: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Path:
    from safetensors.torch import save

    content = save(dict(tensors), {_KEY: json.dumps(header, allow_nan=False)})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, content)
    except OSError as error:
        reason = error.strerror or error
        raise FormatError(f"The prior file {target} was not written: {reason}. Make room, or choose another.") from error
    return target


@overload
def load_prior(
    path: str | os.PathLike[str],
    shape: None = None,
    rescaled_to: Sequence[float] | None = None,
    device: str | None = None,
    **options: Any,
) -> LearnedPrior: ...


@overload
def load_prior(
    path: str | os.PathLike[str],
    shape: Sequence[int] | None,
    rescaled_to: Sequence[float] | None = None,
    device: str | None = None,
    **options: Any,
) -> Prior: ...


def load_prior(
    path: str | os.PathLike[str],
    shape: Sequence[int] | None = None,
    rescaled_to: Sequence[float] | None = None,
    device: str | None = None,
    **options: Any,
) -> Prior:
    """The prior that a file holds, ready to be sampled.

    `shape` (nx, ny, nz) asks for boxes of another size than the networks were trained on, `options` change single options of
    the prior (such as the number of sampling steps); both must fit the stored weights. A diffusion prior makes any larger shape
    of overlapping boxes (`TiledDiffusion`). `rescaled_to` (dx, dy, dz) metres takes the cells for larger or smaller ones than
    those it learned from, which stretches the geology with them. `device`, such as "cuda", is where the networks compute;
    latents go there and realizations come back, so that strategies need not know.

    Raises FormatError when the file is missing, cut short, or no prior file; PluginError when it names a class that no
    installed plugin registers; GempyGanError when shape, options or device do not fit.
    """
    file = Path(path)
    header, tensors = _read(file)
    trained, given = _domain(file, header), {**header["options"], **options}
    asked = trained.shape if shape is None else _shape(shape)
    cls = prior_class(header["class"], file)
    box = asked if asked == trained.shape else cls.box(trained.shape, asked, given)
    cell_size = trained.cell_size if rescaled_to is None else _cell_size(rescaled_to)
    with plain_torch():
        with _no_larger(file, header, tensors, 0 if shape is None else math.prod(box)):
            prior = _built(file, cls, replace(trained, shape=box, cell_size=cell_size), given)
        for name, network in prior.networks.items():
            _fill(file, name, network, tensors)
            if device is not None:
                _place(network, device)
        prior.card = header["card"]
        return prior if box == asked else prior.in_boxes(asked)


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The card of a prior file, without its weights; errors as in `load_prior`."""
    return dict(_header(Path(path))["card"])


def fingerprint(prior: LearnedPrior) -> str:
    """SHA-256 over the names and values of all weights, as they are in memory: what tells two trainings apart."""
    found = hashlib.sha256()
    for name, network in sorted(prior.networks.items()):
        for key, tensor in sorted(network.state_dict().items()):
            found.update(f"{name}/{key}".encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def prior_class(name: str, file: Path) -> type[LearnedPrior]:
    """The class "module:Name" that a prior file names, among gempy_gan's own and those that plugins registered.

    Nothing else is imported: importing a module runs it, and a file from a stranger must not choose what runs here.
    """
    module, _, attribute = name.partition(":")
    own = module.startswith("gempy_gan.") and all(part.isidentifier() for part in [*module.split("."), attribute])
    found: Any = _attribute(module, attribute) if own else _registered(name)
    if not (isinstance(found, type) and issubclass(found, LearnedPrior)):
        raise PluginError(
            f"{file} holds a prior of the class {name!r}, which no installed plugin registers. "
            "Install the plugin that it was trained with, or update gempy_gan."
        )
    return found


def _shape(given: Sequence[int]) -> tuple[int, int, int]:
    if len(given) != 3 or not all(int(k) == k and k > 0 for k in given):
        raise GempyGanError(f"The prior's shape was to be {list(given)}. Expected three positive whole numbers (nx, ny, nz).")
    nx, ny, nz = (int(k) for k in given)
    return nx, ny, nz


def _cell_size(given: Sequence[float]) -> tuple[float, float, float]:
    if len(given) != 3 or not all(size > 0 for size in given):
        raise GempyGanError(f"The prior was to be rescaled to cells of {list(given)} m. Expected three positive numbers.")
    dx, dy, dz = (float(size) for size in given)
    return dx, dy, dz


def _attribute(module: str, attribute: str) -> Any:
    import importlib

    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError:
        return None


def _registered(name: str) -> Any:
    for entry in registry().of("priors"):
        target = entry.target
        if target == name or f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}" == name:
            return entry.load()
    return None


def _stored(key: str, tensor: Tensor, dtype: str) -> Tensor:
    import torch

    kinds = {"float16": torch.float16, "float32": torch.float32}
    if dtype not in kinds:
        raise GempyGanError(f"Weights were to be stored as {dtype!r}. Expected one of: {', '.join(kinds)}.")
    plain = tensor.detach().cpu()
    if not plain.is_floating_point():
        return plain.clone()
    if not plain.isfinite().all():
        raise GempyGanError(f"The weights {key!r} are not finite: the training went wrong. Save an earlier checkpoint.")
    rounded = plain.to(kinds[dtype])
    return (rounded if rounded.isfinite().all() else plain.float()).clone().contiguous()


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors.torch import load_file

    header = _header(file)
    return header, load_file(file)


def _header(file: Path) -> dict[str, Any]:
    """The metadata of a prior file, checked."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise FormatError(f"The prior file {file} does not exist. Check the path.")
    try:
        with safe_open(file, framework="pt") as opened:
            found = (opened.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{file} is damaged or no safetensors file ({error}). Fetch it again. {_REMEDY}") from None
    if found is None:
        raise FormatError(f"{file} is a safetensors file of another program. {_REMEDY}")
    return _checked(file, found)


def _checked(file: Path, text: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
        version, missing = header["format"], {"class", "options", "domain", "card"} - header.keys()
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise FormatError(f"{file} has a header that cannot be read. {_REMEDY}") from None
    if version != FORMAT or missing:
        what = f"lacks {', '.join(sorted(missing))}" if missing else f"has the format {version!r}"
        raise FormatError(f"{file} {what}. Expected {FORMAT!r}: update gempy_gan, or save the prior again.")
    return dict(header)


def _domain(file: Path, header: Mapping[str, Any]) -> Domain:
    try:
        dict(header["options"]), dict(header["card"])
        return Domain.from_dict(header["domain"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{file} has a header that cannot be understood ({error!r:.80}). {_REMEDY}") from None


def _built(file: Path, cls: type[LearnedPrior], domain: Domain, options: Mapping[str, Any]) -> LearnedPrior:
    """The prior with untrained networks; torch's global random numbers are left where they were."""
    import torch

    with torch.random.fork_rng(devices=[]):
        try:
            return cls.of(domain, **options)
        except TypeError as error:
            raise GempyGanError(f"The prior in {file} cannot be built: {error}. Check the options given for it.") from None


@contextmanager
def _no_larger(file: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor], asked: int) -> Iterator[None]:
    """Raise FormatError where the networks that a file describes are built larger than its weights and the cells that were
    `asked` for can explain: before the memory is taken."""
    import torch
    from torch.overrides import TorchFunctionMode

    too_large = [value for value in _numbers([header["options"], header["domain"]["shape"]]) if abs(value) > MOST]
    if too_large:
        raise FormatError(f"{file} describes networks with {too_large[0]:.3g} of something. {REMEDY}")

    class Bounded(TorchFunctionMode):
        makers = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.eye)
        left = MOST + 16 * sum(tensor.numel() for tensor in tensors.values()) + CHANNELS * asked

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in self.makers:
                size = (kwargs or {}).get("size") or (args[0] if args and isinstance(args[0], (list, tuple)) else args)
                self.left -= math.prod(int(n) for n in size)
            if self.left < 0:
                raise FormatError(f"{file} describes larger networks than it holds weights of. {REMEDY}")
            return func(*args, **(kwargs or {}))

    with Bounded():
        yield


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in JSON values."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, (int, float)):
        yield value


def _place(network: nn.Module, device: str) -> None:
    import torch

    try:
        torch.zeros(1).to(device)
        network.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise GempyGanError(
            f"The device {device!r} cannot be had: {reason}. Expected one that torch finds, such as 'cpu'."
        ) from None


def _fill(file: Path, name: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    mine = {key.partition("/")[2]: tensor for key, tensor in tensors.items() if key.partition("/")[0] == name}
    try:
        network.load_state_dict(mine)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise GempyGanError(
            f"The weights of {name!r} in {file} do not fit the network ({reason}). Leave shape and options as they were trained."
        ) from None
    network.eval()
