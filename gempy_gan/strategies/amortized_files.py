"""Trained inference networks, kept: in memory for the next call, and in safetensors files for the next day."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.atomic import replace_file
from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning
from gempy_gan.strategies.amortized import Amortized, Training, channels_of, network_of, predicted, train
from gempy_gan.strategies.surrogate import Surrogate

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior
    from gempy_gan.strategy import LikelihoodLike

FORMAT = "gempy_gan inference network 1"
ENDING = ".safetensors"
REMEMBERED = 4  # networks in memory
PROBES = 2  # latents by whose realizations, and data, a prior and an operator are known again
COMPARED = 4096  # numbers of them that a file holds
SAME = 1e-2  # relative difference of those that another machine may make
RANGE = 1.5  # how much smaller or larger than in training a standard deviation may be without a warning
_KEY = "gempy_gan"

_memory: OrderedDict[str, Amortized] = OrderedDict()


def trained_before(prior: LatentPrior, likelihood: LikelihoodLike, training: Training) -> Amortized:
    """The network of this training, from memory where the same prior, wells, errors and operator were there before."""
    key = _key(prior, likelihood, training)
    found = _memory.pop(key, None) or train(prior, likelihood, training)
    _memory[key] = found
    while len(_memory) > REMEMBERED:
        _memory.popitem(last=False)
    return found


def _key(prior: LatentPrior, likelihood: LikelihoodLike, training: Training) -> str:
    """What decides a training: a prior is known by what it decodes, an operator by what it predicts."""
    mask, _, std = likelihood.known
    found = hashlib.sha256(repr((type(prior), training, prior.latent_shape, prior.cell_size)).encode())
    for part in (mask, torch.where(mask, std, 0.0), likelihood.std[likelihood.hard :], _probe(prior, likelihood)):
        found.update(repr(tuple(part.shape)).encode() + part.contiguous().numpy().tobytes())
    return found.hexdigest()


def _probe(prior: LatentPrior, likelihood: LikelihoodLike) -> Tensor:
    """What a few fixed latents are decoded to, and the soft data that they predict, (probes, d)."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        m = prior.decode(torch.randn((PROBES, *prior.latent_shape), generator=generator))
        return predicted(likelihood, range(len(prior.properties)), m)


def _thinned(probe: Tensor) -> Tensor:
    flat = probe.flatten()
    return flat[torch.linspace(0, len(flat) - 1, min(COMPARED, len(flat))).long()].clone()


def save_amortized(amortized: Amortized, prior: LatentPrior, likelihood: LikelihoodLike, path: str | os.PathLike[str]) -> Path:
    """Write a network to one safetensors file; raises FormatError for another ending, or where the disk refuses."""
    from safetensors.torch import save

    target = checked(path)
    tensors = {f"surrogate/{name}": tensor.contiguous() for name, tensor in amortized.surrogate.tensors().items()}
    tensors |= {f"network/{name}": tensor.contiguous() for name, tensor in amortized.network.state_dict().items()}
    header = {
        "format": FORMAT,
        "training": asdict(amortized.training),
        "channels": list(amortized.channels),
        "soft": amortized.soft,
        "std": _ranges(likelihood, amortized.channels),
        "log": amortized.log,
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, save({**tensors, "probe": _thinned(_probe(prior, likelihood))}, {_KEY: json.dumps(header)}))
    except OSError as error:
        raise FormatError(
            f"The file {target} was not written: {error.strerror or error}. Make room, or choose another."
        ) from error
    return target


def checked(path: str | os.PathLike[str]) -> Path:
    """The path of a file to be written. Raises FormatError for another ending than .safetensors."""
    target = Path(path)
    if target.suffix != ENDING:
        raise FormatError(f"The file {target.name!r} ends in {target.suffix!r}. Expected a name that ends in {ENDING}.")
    return target


def load_amortized(path: str | os.PathLike[str], prior: LatentPrior, likelihood: LikelihoodLike) -> Amortized:
    """The network that a file holds. Raises FormatError where it is missing or no such file, GempyGanError where it was trained
    for another prior, other logged properties or other soft data; warns where errors are outside those it was trained with."""
    file = Path(path)
    header, tensors = _read(file)
    _check(file, header, tensors["probe"], prior, likelihood)
    surrogate = Surrogate(*(tensors[f"surrogate/{name}"] for name in ("mean", "loadings", "unexplained", "basis")))
    training = Training(**header["training"])
    network = network_of(training, surrogate)
    network.load_state_dict({k.partition("/")[2]: v for k, v in tensors.items() if k.startswith("network/")})
    network.eval().requires_grad_(requires_grad=False)
    return Amortized(surrogate, network, training, tuple(header["channels"]), header["soft"], header["log"])


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    remedy = "Expected a file that InferenceNetwork.fit wrote."
    if not file.is_file():
        raise FormatError(f"The file {file} does not exist. Check the path, or write it with InferenceNetwork.fit.")
    try:
        with safe_open(file, framework="pt") as opened:
            header = json.loads((opened.metadata() or {}).get(_KEY, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(f"{file} is damaged or no safetensors file ({error}). {remedy}") from None
    if header.get("format") != FORMAT:
        raise FormatError(f"{file} has the format {header.get('format')!r}, and {FORMAT!r} was expected. {remedy}")
    return header, load_file(file)


def _check(file: Path, header: dict[str, Any], probe: Tensor, prior: LatentPrior, likelihood: LikelihoodLike) -> None:
    logged, soft = channels_of(likelihood), len(likelihood.observed) - likelihood.hard
    if not set(logged) <= set(header["channels"]) or soft != header["soft"]:
        raise GempyGanError(
            f"The network in {file} was trained for hard data of the properties {_names(prior, header['channels'])} and "
            f"{header['soft']} soft data, and there are hard data of {_names(prior, logged)} and {soft} soft data. Train another."
        )
    found = _thinned(_probe(prior, likelihood))
    if found.shape != probe.shape or float((found - probe).abs().max()) > SAME * float(probe.abs().max()):
        raise GempyGanError(
            f"The network in {file} was trained for another prior, or for soft data of another operator. Train one for these."
        )
    for name, (low, high) in _ranges(likelihood, logged).items():
        trained = header["std"].get(name, [low, high])
        if low * RANGE < trained[0] or high > RANGE * trained[1]:
            what = "soft data" if name == "soft" else _names(prior, [int(name)])
            warnings.warn(
                f"The errors of the {what} are {low:g} to {high:g}, and the network in {file} was trained with {trained[0]:g} to "
                f"{trained[1]:g}: its draws are less exact. Train another.",
                GempyGanWarning,
                stacklevel=4,
            )


def _names(prior: LatentPrior, channels: Iterable[int]) -> str:
    return ", ".join(prior.properties[c].name for c in channels if c < len(prior.properties)) or "none"


def _ranges(likelihood: LikelihoodLike, channels: Iterable[int]) -> dict[str, tuple[float, float]]:
    """Smallest and largest standard deviation of the hard data of each channel, and of the soft data."""
    mask, _, std = likelihood.known
    parts = {str(c): std[c][mask[c]] for c in channels} | {"soft": likelihood.std[likelihood.hard :]}
    return {name: (float(part.min()), float(part.max())) for name, part in parts.items() if len(part)}
