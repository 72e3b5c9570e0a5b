"""Mutated LAS and SEG-Y files: each is refused with a GempyGanError, or read as an independent, plain reading reads it.

Case number `seed` is the same on every machine. `python tests/fuzzing.py las|segy FIRST COUNT LOG [FOLDER]` runs a stretch of
them, with real files of FOLDER among those that are mutated, and goes on where LOG says that it stopped.
"""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import segyio
from raw_segy import grid, noise, segy

from gempy_gan.adapters.las import read_las
from gempy_gan.adapters.las_header import METRES
from gempy_gan.adapters.las_missing import SUSPECT_NULLS
from gempy_gan.adapters.segy import read_segy
from gempy_gan.errors import GempyGanError

SECONDS = 10
MEMORY = 2**30

# LAS

HEAD = """~Version
VERS. {version}: a comment
WRAP. {wrap}:
{dlm}~Well
STRT.{unit} 1000.0 : first
STOP.{unit} 1004.5 : last
STEP.{unit} 0.5 : step
NULL. -999.25 : null
WELL. A-1 : name
UWI . 100/01-06-098-10W4/0 : identifier
LOC . X = 500.5 Y = 800.0 : place
KB.M 30.5 : elevation
~Parameter
EKB.M 30.5 : elevation
~Curve
DEPT.{unit} : depth {{F}}
GR.GAPI : gamma {{F}}
RHOB.G/C3 : density {{F}}
DT.US/F : sonic {{F}}
"""
DATA = [[1000 + 0.5 * i, 40 + 7 * i, 2.1 + 0.04 * i, 80.0 - i] for i in range(10)]


def las_seeds() -> list[bytes]:
    """Plain, comma-delimited, wrapped, feet and LAS 3 files."""

    def rows(mark: str) -> str:
        return "".join(mark.join(f"{value:.3f}" for value in row) + "\n" for row in DATA)

    def head(version: str = "2.0", wrap: str = "NO", dlm: str = "", unit: str = "M") -> str:
        return HEAD.format(version=version, wrap=wrap, dlm=f"DLM. {dlm}:\n" if dlm else "", unit=unit)

    wrapped = "".join(f"{row[0]:.3f}\n" + " ".join(f"{value:.3f}" for value in row[1:]) + "\n" for row in DATA)
    third = head("3.0", dlm="COMMA").replace("~Parameter", "~Log_Parameter").replace("~Curve", "~Log_Definition")
    texts = [
        head() + "~A\n" + rows("  "),
        head("1.2", unit="F") + "~ASCII log data\n" + rows(" "),
        head(dlm="COMMA") + "~A\n" + rows(","),
        head(wrap="YES") + "~A\n" + wrapped,
        head() + "~A\n" + rows(" ").replace("2.180", "-999.25"),
        third + "~Tops_Data | Tops_Definition\nA,1\n~Log_Data | Log_Definition\n" + rows(","),
    ]
    return [*(text.encode() for text in texts), texts[0].encode("utf-16")]


TOKENS = ["****", "-999", "-999.25", "-9999", "1e30", "nan", "inf", "-inf", "1,5", "1_0", "0x1F", "", '"', "ABC", "1e", "--",
          "1000.0", "1000.5-999.25", "99999999999999999999", "-0", "1e-320", "²", "\uff11", "1d5", "+5", ".5", "5."]  # fmt: skip
LINES = ["~A", "~Curve", "~Well", "~Version", "~", "~O other", "#", "", "WRAP. YES:", "WRAP. NO:", "VERS. 3.0:", "VERS. 1.2:",
         "NULL. 60.0:", "NULL. :", "DEPT.FT :", "DEPT..1IN :", "GR.GAPI :", "DLM. COMMA:", "DLM. TAB:", "KB.FT 99:", "X . 1 : x",
         ".", ":", "A.B C:D", "~Log_Data[1] | Log_Definition[1]", "~Log_Definition[1]", "STRT.FT 5:", "1 2 3 4"]  # fmt: skip
UNITS = ["M", "FT", "F", "", ".1IN", "0.1IN", "S", "метер", "US/M", "KG/M3", "%", "V/V"]


def mutate_las(raw: bytes, draw: random.Random) -> bytes:
    """One to four changes of bytes, tokens, lines or the encoding."""
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = draw.randrange(12)
        if kind < 3:
            raw = _bytes_changed(raw, draw)
            continue
        if kind == 3:
            raw = raw[: draw.randrange(len(raw) + 1)] if draw.random() < 0.5 else raw + draw.randbytes(draw.randrange(60))
            continue
        lines = raw.decode("utf-8", "replace").split("\n")
        if kind == 4:
            raw = _encoded("\n".join(lines), draw)
            continue
        at = draw.randrange(len(lines))
        if kind == 5:
            del lines[at]
        elif kind == 6:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif kind == 7:
            lines.insert(at, draw.choice(LINES))
        elif kind == 8:
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 9:
            lines[at] = re.sub(r"\.[^ ]*", "." + draw.choice(UNITS), lines[at], count=1)
        else:
            parts = re.split(r"([\s,]+)", lines[at])
            parts[draw.randrange(len(parts))] = draw.choice(TOKENS)
            lines[at] = "".join(parts)
        raw = "\n".join(lines).encode("utf-8", "replace")
    return raw


def _bytes_changed(raw: bytes, draw: random.Random) -> bytes:
    data = bytearray(raw)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(len(data) + 1)
        if draw.random() < 0.6 and at < len(data):
            data[at] = draw.choice((draw.randrange(256), ord(draw.choice("~.:,-#|\t\n\r\0 0123456789eE{}[]"))))
        elif draw.random() < 0.5:
            data[at:at] = bytes([draw.randrange(256)])
        else:
            del data[at : at + draw.randrange(1, 20)]
    return bytes(data)


def _encoded(text: str, draw: random.Random) -> bytes:
    name = draw.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252", "latin-1", "utf-32"))
    return text.replace("\n", draw.choice(("\n", "\r\n", "\r", "\f\n"))).encode(name, "replace")


def check_las(file: Path, raw: bytes) -> str:
    """Read a file; what becomes of it, in one word. Raises AssertionError when it was read wrongly."""
    try:
        well = read_las(file, xy="header", kb="header")
    except GempyGanError:
        try:
            well = read_las(file)
        except GempyGanError:
            return "refused"
    values = well.curves.to_numpy()
    assert values.dtype == np.float64
    assert len(well.md) >= 1
    assert np.isfinite(well.md).all()
    assert (np.diff(well.md) > 0).all()
    assert not np.isinf(values).any()
    assert not np.isin(values, SUSPECT_NULLS).any()
    assert set(well.units) == set(well.curves.columns)
    assert well.trajectory is None or np.isfinite(well.trajectory.to_numpy()).all()
    return _as_plainly_read(well, raw)


def _as_plainly_read(well, raw: bytes) -> str:
    """Whether the numbers are those of the data lines, read without knowing anything of the reader."""
    text = _plain_text(raw)
    head, *rest = re.split(r"(?m)^[ \t\f\v\r]*~[aA]", text, maxsplit=1)
    data = rest[0] if rest else ""
    version = re.search(r"(?im)^\s*VERS\s*\.[^:\n]*?(\d+(\.\d+)?)", text)
    if version and float(version[1]) >= 3:
        return "read (LAS 3)"
    lines = [line for line in data.split("\n")[1:] if line.strip() and not line.strip().startswith("#")]
    versions = "".join(re.findall(r"(?ims)^\s*~V.*?(?=^\s*~|\Z)", head))
    mark = re.search(r"(?im)^\s*DLM\s*\.\S*\s+(COMMA|TAB)", versions)
    separator = {"COMMA": ",", "TAB": "\t"}[mark[1].upper()] if mark else None
    tokens = [token.strip() or "nan" for line in lines for token in line.strip(" \r").split(separator)]
    width = 1 + well.curves.shape[1]
    assert len(tokens) == width * len(well.md), (len(tokens), width, len(well.md))
    matrix = np.array([float(token) for token in tokens]).reshape(-1, width)
    stated = re.findall(r"(?im)^[ \t]*NULL[ \t]*\.\S*[ \t]+([-+.\deE]+)[ \t]*(?::|\r?$)", head)
    nulls = {float(text) for text in stated if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text)}
    expected = np.where(np.isin(matrix[:, 1:], list(nulls)), np.nan, matrix[:, 1:])
    order = np.argsort(matrix[:, 0])
    assert any(np.allclose(matrix[order, 0] * factor, well.md, rtol=1e-12, atol=1e-12) for factor in {*METRES.values(), 1.0})
    np.testing.assert_array_equal(expected[order], well.curves.to_numpy())
    return "read"


def _plain_text(raw: bytes) -> str:
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return raw.decode(name)
    for name in ("utf-16-le", "utf-16-be", "utf-8", "cp1252"):
        zeros = raw[1 if name == "utf-16-le" else 0 : 400 : 2].count(0)
        if name.startswith("utf-16") and zeros < 0.9 * len(raw[:400:2]):
            continue
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", "replace")


# SEG-Y


def segy_seeds() -> list[bytes]:
    """Small surveys: formats, byte orders, revision 2, a line, dead traces."""
    survey = grid(range(1, 4), range(10, 14))
    floats = np.random.default_rng(3).normal(0, 1000, (12, 24))
    second = {3501: ("B", 2), 3507: ("h", 1), 3269: ("i", 24), 3513: ("Q", 12)}
    values = noise(12, 24)
    values[5] = 0
    return [
        segy(floats, survey, 5),
        segy(floats, survey, 1),
        segy(floats, survey, 5, "<"),
        segy(values, survey, 3),
        segy(values, survey, 8, "<"),
        segy(floats, survey, 5, binary=second, extensions=1),
        segy(floats, grid([1], range(12)), 5, texts=[b"((SEG: EndText))"]),
    ]


BINARY = [3217, 3221, 3225, 3255, 3501, 3503, 3505, 3507, 3513, 3521, 3529, 3261, 3269, 3273, 3297]
FIELDS = [29, 71, 89, 109, 115, 117, 181, 185, 189, 193, 215, 73, 77, 9, 21]
NUMBERS = [0, 1, -1, 2, 3, 5, 8, 16, 100, -100, 4000, 255, 32767, -32768, 2**31 - 1, -(2**31), 2**30, 1000000]


def mutate_segy(raw: bytes, draw: random.Random) -> bytes:
    """One to four changes of header fields, header bytes, or the length."""
    data = bytearray(raw)
    length = (len(data) - 3600) // 12
    for _ in range(draw.choice((1, 1, 2, 3, 4))):
        kind = draw.randrange(10)
        if kind < 4:
            _put(data, draw.choice(BINARY) - 1, draw)
        elif kind < 7:
            byte = draw.choice(FIELDS)
            for trace in range(12) if draw.random() < 0.4 else [draw.randrange(12)]:
                _put(data, 3600 + trace * length + byte - 1, draw)
        elif kind == 7:
            at = draw.randrange(3200, 3600) if draw.random() < 0.5 else 3600 + draw.randrange(240)
            data[min(at, len(data) - 1)] = draw.randrange(256)
        elif kind == 8:
            del data[draw.randrange(len(data)) :]
            data += b"\0" * (max(0, 1 - len(data)))
        else:
            data += draw.randbytes(draw.choice((1, 4, 240, 3200, 336)))
    return bytes(data)


def _put(data: bytearray, at: int, draw: random.Random) -> None:
    number = draw.choice(NUMBERS)
    kind = draw.choice("hi" if -(2**15) <= number < 2**15 else "i")
    packed = struct.pack(draw.choice("><") + kind, number)
    if at + len(packed) <= len(data):
        data[at : at + len(packed)] = packed


OPTIONS: Sequence[dict] = [
    {},
    {},
    {"domain": "depth"},
    {"dt": 0.004},
    {"duplicates": "mean"},
    {"inline_byte": None, "crossline_byte": None},
    {"preset": "source"},
]


def check_segy(file: Path, options: dict) -> str:
    """Read a file; what becomes of it, in one word. Raises AssertionError when it was read wrongly."""
    try:
        cube = read_segy(file, **{"domain": "time", **options})
    except GempyGanError:
        return "refused"
    n, samples = cube.traces.shape
    assert n >= 1
    assert samples >= 1
    assert cube.xy.shape == cube.lines.shape == (n, 2)
    assert np.isfinite(cube.xy).all()
    assert np.isfinite([cube.start, cube.step]).all()
    assert not np.isinf(cube.traces).any()
    assert not cube.dead.all()
    if cube.binning is not None:
        live = ~cube.dead
        off = np.linalg.norm(cube.binning.xy(cube.lines[live]) - cube.xy[live], axis=1)
        assert off.max() < 0.5 * np.linalg.norm(np.diff(cube.binning.xy([[0, 0], [1, 1]]), axis=0)) * 1e4
        assert len(np.unique(cube.lines, axis=0)) == n
    return _as_segyio_reads(cube, file, options)


def _as_segyio_reads(cube, file: Path, options: dict) -> str:
    raw = file.read_bytes()
    if "duplicates" in options or raw[3500] == 2 or raw[3501] == 2:
        return "read (nothing to compare with)"
    try:
        with segyio.open(str(file), ignore_geometry=True, endian=str(cube.source["byte_order"])) as stream:
            theirs = stream.trace.raw[:].astype(np.float32)
    except Exception:  # noqa: BLE001  # what segyio cannot open is nothing to compare with
        return "read (nothing to compare with)"
    if theirs.shape != cube.traces.shape:
        assert theirs.shape[1] == cube.traces.shape[1]
        return "read (traces left out)"
    live = ~cube.dead
    np.testing.assert_allclose(cube.traces[live], theirs[live], rtol=1e-6)
    return "read"


# Running them


def seeds_of(kind: str, folder: Path | None) -> list[bytes]:
    """The files that are mutated: those written here, and small real ones."""
    made = las_seeds() if kind == "las" else segy_seeds()
    if folder is None or kind == "segy":
        return made
    real = [_shortened(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".las"]
    return made * 4 + [raw for raw in real if len(raw) < 10_000]


def _shortened(raw: bytes, rows: int = 15) -> bytes:
    """The header and the first rows of data."""
    head, mark, data = raw.partition(b"\n~A")
    return head + mark + b"\n".join(data.split(b"\n")[: rows + 1]) + b"\n"


def run_case(kind: str, seed: int, seeds: Sequence[bytes], folder: Path) -> str:
    """One case. Raises whatever is wrong with it."""
    draw = random.Random(f"{kind} {seed}")  # noqa: S311
    raw = draw.choice(seeds)
    mutated = mutate_las(raw, draw) if kind == "las" else mutate_segy(raw, draw)
    file = folder / f"a.{'las' if kind == 'las' else 'sgy'}"
    file.write_bytes(mutated)
    signal.alarm(SECONDS)
    try:
        return check_las(file, mutated) if kind == "las" else check_segy(file, draw.choice(OPTIONS))
    finally:
        signal.alarm(0)


def main(kind: str, first: int, count: int, log: Path, folder: Path | None) -> None:
    """Run cases from `first` on, or from where the log ends."""
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    start = done[-1]["next"] if done else first
    seeds = seeds_of(kind, folder)
    with tempfile.TemporaryDirectory() as place:
        for stretch in range(start, first + count, 1000):
            counts: Counter[str] = Counter()
            wrong, slowest, end = [], 0.0, min(stretch + 1000, first + count)
            for seed in range(stretch, end):
                began = time.process_time()
                try:
                    counts[run_case(kind, seed, seeds, Path(place))] += 1
                except BaseException as error:  # noqa: BLE001  # everything is a finding
                    wrong.append([seed, type(error).__name__, str(error)[:300]])
                slowest = max(slowest, time.process_time() - began)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            row = {"next": end, "counts": counts, "wrong": wrong, "slowest_s": round(slowest, 2), "peak_mib": peak}
            with log.open("a") as stream:
                stream.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("more than 10 s")))
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]) if len(sys.argv) > 5 else None)
