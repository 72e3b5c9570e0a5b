"""SeismicCube to SEG-Y: revision 1, through segyio, with everything in the headers that the reader asks for."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gempy_gan.adapters.segy_layout import Layout
from gempy_gan.errors import FormatError
from gempy_gan.seismic import SeismicCube

INT16, INT32 = 2**15 - 1, 2**31 - 1
LIVE, DEAD = 1, 2  # trace identification codes


def write_segy(cube: SeismicCube, path: str | Path, sample_format: Literal[1, 5] = 5) -> Path:
    """Write a cube as big-endian SEG-Y revision 1 with IEEE (5) or IBM (1) floats; returns the path.

    Positions are stored in centimetres (coordinate scalar -100), line numbers in bytes 189 and 193, CDP X and Y in 181 and
    185; dead traces are zero and flagged so. In depth, the interval is stored in millimetres and the first depth in metres, by
    the same convention as `read_segy` reads them. The file is written beside the target and renamed when it is complete.

    Raises FormatError when SEG-Y cannot hold the cube: an interval that is no whole microsecond (millimetre) below 32768,
    more than 32767 samples, a start or a position out of range, a NaN within a live trace, or a disk that refuses.
    """
    import segyio

    file = Path(path)
    interval, delay, scalar = _interval(cube, file.name), *_delay(cube, file.name)
    xy = _centimetres(cube, file.name)
    dead = cube.dead
    if np.isnan(cube.traces[~dead]).any():
        raise FormatError(f"{file.name}: live traces hold NaN, which SEG-Y readers take for numbers. Fill or blank those traces.")
    if cube.traces.shape[1] > INT16 or sample_format not in (1, 5):
        raise FormatError(
            f"{file.name}: {cube.traces.shape[1]} samples in sample format {sample_format}. "
            f"SEG-Y holds up to {INT16}, here in format 1 (IBM) or 5 (IEEE)."
        )
    with _staged(file) as staged, segyio.create(str(staged), _spec(cube, sample_format)) as stream:
        stream.text[0] = _text(cube)
        stream.bin.update(
            {3217: interval, 3219: interval, 3223: cube.traces.shape[1], 3255: 1, 3501: 256, 3503: 1}  # rev 1.0, fixed length
        )
        for i, trace in enumerate(cube.traces):
            stream.header[i] = {
                1: i + 1, 5: i + 1, 29: DEAD if dead[i] else LIVE, 71: -100, 89: 1, 109: delay, 115: len(trace),
                117: interval, 181: int(xy[i, 0]), 185: int(xy[i, 1]), 189: int(cube.lines[i, 0]),
                193: int(cube.lines[i, 1]), 215: scalar,
            }  # fmt: skip
            stream.trace[i] = np.zeros_like(trace) if dead[i] else trace
    return file


def write_segy_like(cube: SeismicCube, path: str | Path, source: str | Path) -> Path:
    """Write the traces of a cube into a copy of the file it was read from: every header stays as it is; returns the path.

    Dead traces become zero. Textual header, trace headers and trace order are those of the source, so interpretation programs
    load the result as they load the source.

    Raises FormatError when the cube does not hold exactly the source's traces (`read_segy` may have left some out or stacked
    them), the source changed since it was read, has samples other than IBM or IEEE single precision, or the disk refuses.
    """
    import segyio

    file, origin = Path(path), Path(source)
    header = Layout.of(origin)
    _check_same(cube, origin, header)
    with _staged(file) as staged:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, staged)
        with segyio.open(str(staged), "r+", ignore_geometry=True, endian=header.endian) as stream:
            for i, trace in enumerate(cube.traces):
                stream.trace[i] = np.nan_to_num(trace, nan=0.0).astype(np.float32)
    return file


@contextlib.contextmanager
def _staged(file: Path) -> Iterator[Path]:
    """A path beside the file that takes its place when the block is over, or goes when it fails."""
    staged = file.with_name(f".writing-{file.name}")
    try:
        yield staged
        staged.replace(file)
    except (OSError, RuntimeError) as error:
        raise FormatError(f"{file} was not written: {error}. Nothing was left half-written.") from error
    finally:
        staged.unlink(missing_ok=True)


def _check_same(cube: SeismicCube, origin: Path, header: Layout) -> None:
    expected, found = (header.traces, header.samples), cube.traces.shape
    if found != expected:
        raise FormatError(
            f"{origin.name} holds {expected[0]} traces of {expected[1]} samples, and the cube {found[0]} of {found[1]}. Expected "
            "the same: some traces were left out or stacked when it was read. Write it with write_segy."
        )
    if header.format not in (1, 5) or header.extensions:
        raise FormatError(
            f"{origin.name} has samples of format {header.format} and {header.extensions} more headers per trace. "
            "Expected 1 (IBM) or 5 (IEEE), and none: use write_segy."
        )
    with origin.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if cube.source.get("sha256") != digest:
        raise FormatError(f"The cube was not read from {origin.name} as it is now. Read it again, or write it with write_segy.")
    if np.isnan(cube.traces[~cube.dead]).any():
        raise FormatError("Live traces of the cube hold NaN, which SEG-Y readers take for numbers. Fill or blank those traces.")


def _spec(cube: SeismicCube, sample_format: int) -> Any:
    import segyio

    spec = segyio.spec()
    spec.format = sample_format
    spec.samples = np.arange(cube.traces.shape[1])
    spec.tracecount = len(cube.traces)
    return spec


def _interval(cube: SeismicCube, name: str) -> int:
    """Microseconds, or millimetres."""
    exact = cube.step * (1e6 if cube.domain == "time" else 1e3)
    if abs(exact - round(exact)) > 1e-6 * exact or not 1 <= round(exact) <= INT16:
        unit = "microseconds" if cube.domain == "time" else "millimetres"
        raise FormatError(
            f"{name}: the step is {exact:g} {unit}. SEG-Y holds whole {unit} from 1 to {INT16}: resample the traces."
        )
    return round(exact)


def _delay(cube: SeismicCube, name: str) -> tuple[int, int]:
    """Delay recording time (milliseconds, or metres) as a whole number and its scalar."""
    exact = cube.start * (1e3 if cube.domain == "time" else 1.0)
    for power in range(5):
        number = exact * 10**power
        if abs(number - round(number)) < 1e-6 * max(1.0, abs(number)) and abs(round(number)) <= INT16:
            return round(number), -(10**power) if power else 1
    raise FormatError(
        f"{name}: the first sample stands at {exact:g} {'ms' if cube.domain == 'time' else 'm'}. "
        f"SEG-Y holds up to {INT16} with at most four decimals in five digits: resample the traces."
    )


def _centimetres(cube: SeismicCube, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    xy = np.rint(cube.xy * 100)
    if not (np.abs(xy) <= INT32).all() or not (np.abs(cube.lines) <= INT32).all():
        raise FormatError(f"{name}: a position or line number is not finite or too large for SEG-Y ({INT32} centimetres).")
    return xy.astype(np.int64)


def _text(cube: SeismicCube) -> str:
    import segyio

    time = cube.domain == "time"
    domain, unit, interval = ("TWO-WAY TIME", "s", "MICROSECONDS") if time else ("DEPTH", "m", "MILLIMETRES")
    lines = [
        "WRITTEN BY GEMPY_GAN",
        f"DOMAIN: {domain}, FIRST SAMPLE {cube.start:g} {unit}, STEP {cube.step:g} {unit}",
        f"{len(cube.traces)} TRACES OF {cube.traces.shape[1]} SAMPLES, INTERVAL IN {interval}",
        "INLINE: BYTES 189-192   CROSSLINE: BYTES 193-196",
        "CDP X: BYTES 181-184    CDP Y: BYTES 185-188   SCALAR -100 (BYTES 71-72), METRES",
        "DEAD TRACES: ZERO, TRACE IDENTIFICATION (BYTES 29-30) 2",
    ]
    return str(
        segyio.tools.create_text_header(
            dict(enumerate((line[:76] for line in lines), start=1)) | {39: "SEG Y REV1", 40: "END TEXTUAL HEADER"}
        )
    )
