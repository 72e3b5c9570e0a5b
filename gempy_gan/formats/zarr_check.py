"""A store from a stranger: names that leave its folder, and claims that its files cannot hold, are refused before it is read.

A compressed chunk says in its first bytes how much it unpacks to; one that does not is as long as what it holds. So every chunk
is checked without being read, and a store of which files were lost, in copying it for instance, does not read as numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gempy_gan.errors import FormatError
from gempy_gan.limits import REMEDY, UNPROVEN, in_words

CHUNK_LIMIT = 2**30  # bytes that one chunk may unpack to
CHECKSUM = 4  # bytes that crc32c adds
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_HEADER = 18  # bytes, at most
ABSENT = 2**64 - 1  # how the index of a shard says that a chunk is not there
KINDS = {"bool": 1, **{f"{kind}{8 * size}": size for kind in ("int", "uint", "float") for size in (1, 2, 4, 8)}}


@dataclass(frozen=True)
class Packing:
    """How chunks of one shape are packed into bytes."""

    shape: tuple[int, ...]
    size: int  # bytes of a chunk as it is in memory
    compressed: bool
    checksum: bool

    @property
    def length(self) -> int:
        """Bytes of a chunk on disk, where it is not compressed."""
        return self.size + CHECKSUM * self.checksum


def check_store(path: Path, arrays: Mapping[str, Any]) -> None:
    """Check the arrays of a group, by their consolidated metadata, against the files of the store. Raises FormatError."""
    for name, meta in arrays.items():
        if not _is_name(name) or (path / name).is_symlink() or (path / name / "c").is_symlink():
            raise FormatError(f"The store {path} has an array {name!r:.80}, which lies elsewhere. Expected plain names. {REMEDY}")
        try:
            _check_array(path / name, meta)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise FormatError(f"The metadata of {path / name} cannot be understood ({error!r:.80}). {REMEDY}") from None


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not {"/", "\\", "\0", ":"} & set(name)


def _check_array(folder: Path, meta: Mapping[str, Any]) -> None:
    shape = [int(n) for n in meta["shape"]]
    if meta["data_type"] not in KINDS or min(shape, default=0) < 0:
        raise FormatError(f"{folder} holds {meta['data_type']!r:.80}. Expected numbers. {REMEDY}")
    chunk = [int(n) for n in meta["chunk_grid"]["configuration"]["chunk_shape"]]
    codecs, size = meta["codecs"], KINDS[meta["data_type"]]
    sharded = codecs[0]["name"] == "sharding_indexed"
    inner = [int(n) for n in codecs[0]["configuration"]["chunk_shape"]] if sharded else chunk
    packing = _packing(folder, inner, codecs[0]["configuration"]["codecs"] if sharded else codecs, size)
    counts = [-(-n // each) for n, each in zip(shape, chunk, strict=True)]
    found = _chunks(folder / "c", len(shape))
    unproven = size * (math.prod(shape) - len(found) * math.prod(chunk))
    if unproven > UNPROVEN:
        raise FormatError(
            f"{folder} claims {in_words(size * math.prod(shape))}, of which {in_words(unproven)} are not there. {REMEDY}"
        )
    if packing.checksum and math.prod(counts) > len(found):  # only what was written here has them, and has every chunk
        raise FormatError(
            f"{folder} lacks {math.prod(counts) - len(found)} of {math.prod(counts)} files. Copy the store again, with all of it."
        )
    for file in found:
        check = _check_shard if sharded else _check_chunk
        with suppress(FileNotFoundError):  # as in _entries
            check(file, packing, math.prod(n // each for n, each in zip(chunk, inner, strict=True)))


def _packing(folder: Path, chunk: Sequence[int], codecs: Sequence[Mapping[str, Any]], item: int) -> Packing:
    names, size = [codec["name"] for codec in codecs], item * math.prod(chunk)
    if names not in (["bytes"], ["bytes", "zstd"], ["bytes", "crc32c"], ["bytes", "zstd", "crc32c"]):
        raise FormatError(f"{folder} is packed with {', '.join(map(str, names))[:80]}. Expected bytes, zstd and crc32c.")
    if not 0 < size <= CHUNK_LIMIT:
        raise FormatError(f"{folder} has chunks of {in_words(size)}. Expected at most {in_words(CHUNK_LIMIT)}. {REMEDY}")
    return Packing(tuple(chunk), size, "zstd" in names, "crc32c" in names)


def _chunks(folder: Path, depth: int) -> list[Path]:
    """The files of an array's chunks: `c/3/0/0/0`. Raises FormatError for a link."""
    level = [folder] if folder.is_dir() else []
    for _ in range(depth):
        entries = [entry for each in level for entry in _entries(each)]
        links = [entry for entry in entries if entry.is_symlink()]
        if links:
            raise FormatError(f"{links[0].path} is a link to elsewhere. Expected files of the store. {REMEDY}")
        level = [Path(entry.path) for entry in entries if entry.name.isdigit()]
    return level


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it is gone: a writer at work clears away what a killed one left."""
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:
        return []


def _check_chunk(file: Path, packing: Packing, _: int = 1) -> None:
    with file.open("rb") as stream:
        _check_bytes(file, packing, file.stat().st_size, stream.read(ZSTD_HEADER))


def _check_shard(file: Path, packing: Packing, chunks: int) -> None:
    """Check what the index at the end of a shard says of its chunks."""
    size, index_size = file.stat().st_size, 16 * chunks + CHECKSUM
    if not 0 < index_size <= size:
        raise FormatError(f"{file} is cut short: it has {in_words(size)}. Restore it from a copy.")
    with file.open("rb") as stream:
        stream.seek(size - index_size)
        index = np.frombuffer(stream.read(16 * chunks), "<u8").reshape(chunks, 2).tolist()
        for offset, length in index:
            if (offset, length) == (ABSENT, ABSENT):
                continue
            if offset + length > size - index_size:
                raise FormatError(f"{file} is damaged: a chunk in it ends behind its end. Restore it from a copy.")
            header = b""
            if packing.compressed:
                stream.seek(offset)
                header = stream.read(ZSTD_HEADER)
            _check_bytes(file, packing, length, header)


def _check_bytes(file: Path, packing: Packing, length: int, header: bytes) -> None:
    unpacked = zstd_size(header) if packing.compressed else length - CHECKSUM * packing.checksum
    if unpacked != packing.size:
        claim = "something else" if unpacked is None else in_words(unpacked)
        raise FormatError(f"{file} holds {claim} where {in_words(packing.size)} belong. Restore it from a copy. {REMEDY}")


def zstd_size(header: bytes) -> int | None:
    """How many bytes a zstd frame says that it unpacks to (RFC 8878, section 3.1.1.1); None where it does not say it."""
    if header[:4] != ZSTD_MAGIC or len(header) < 6:
        return None
    descriptor = header[4]
    single, flag = bool(descriptor & 0x20), descriptor >> 6
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    width = (1 if single else 0, 2, 4, 8)[flag]
    if not width or len(header) < start + width:
        return None
    return int.from_bytes(header[start : start + width], "little") + (256 if width == 2 else 0)
