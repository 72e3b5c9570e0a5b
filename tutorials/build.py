"""Run the tutorials, each in a process of its own, and build their notebooks.

    python tutorials/build.py                    # run all scripts, print how long each took
    python tutorials/build.py 01 04              # only these
    python tutorials/build.py 01 --notebooks     # run it as a notebook, and keep that with its outputs
    python tutorials/build.py 01 --text          # only words were changed: take them over, run nothing

A tutorial that fails, or warns, fails the run. Those on real data need GEMPY_GAN_REAL_DATA, and are left out without it.
Notebooks are written beside the scripts; the seconds they took go into the table of README.md.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
REAL = "GEMPY_GAN_REAL_DATA"
COLOURS = 256  # in a picture of a notebook
LIMIT = 600  # seconds for a tutorial


def scripts(numbers: list[str]) -> list[Path]:
    """The tutorials, in order; those whose names start with one of the numbers, or all."""
    found = sorted(HOME.glob("[0-9][0-9]_*.py"))
    unknown = [number for number in numbers if not any(path.name.startswith(number) for path in found)]
    if unknown:
        sys.exit(f"There is no tutorial {unknown[0]}. There are: {', '.join(path.stem for path in found)}.")
    return [path for path in found if not numbers or path.name.startswith(tuple(numbers))]


def needs_real_data(script: Path) -> bool:
    """Whether a tutorial reads files that cannot be made up."""
    return f'os.environ["{REAL}"]' in script.read_text(encoding="utf-8")


def run_script(script: Path, folder: Path) -> str:
    """Run a tutorial as a script in a folder; returns what went wrong, or nothing."""
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=_environment(), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    return done.stderr if done.returncode else _warnings(done.stderr)


def build_notebook(script: Path, folder: Path) -> str:
    """Run a tutorial as a notebook in a folder and write it, with its outputs, beside the script."""
    import jupytext
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = jupytext.read(script)
    os.environ.update(_environment(), PYTHONWARNINGS="ignore:IProgress not found")  # tqdm misses ipywidgets, which we do not need
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=LIMIT, resources=where, record_timing=False)
    try:
        client.execute()
    except CellExecutionError as error:
        return str(error)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", ()):
            _shrink(output.get("data", {}))
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    jupytext.write(notebook, script.with_suffix(".ipynb"), fmt="ipynb")
    printed = (o.text for c in notebook.cells for o in c.get("outputs", ()) if o.get("name") == "stderr")
    return _warnings("".join(printed))


def take_text(script: Path) -> str:
    """Take the words of a script over into its notebook, whose outputs stay; returns what is in the way, or nothing."""
    import jupytext

    old, new = jupytext.read(script.with_suffix(".ipynb")), jupytext.read(script)
    code = [[cell.source for cell in notebook.cells if cell.cell_type == "code"] for notebook in (old, new)]
    if code[0] != code[1] or len(old.cells) != len(new.cells):
        return f"The code of {script.name} has changed as well: build it with --notebooks."
    for cell, other in zip(old.cells, new.cells, strict=True):
        cell.source = other.source
    jupytext.write(old, script.with_suffix(".ipynb"), fmt="ipynb")
    return ""


def _environment() -> dict[str, str]:
    """Where a tutorial runs: the real data are named by their full path, and no window is opened."""
    real = {REAL: str(Path(os.environ[REAL]).resolve())} if REAL in os.environ else {}
    return {**os.environ, **real, "MPLBACKEND": "Agg", "PYTHONPATH": ""}


def _warnings(printed: str) -> str:
    """The warnings among what was printed: a tutorial that means to show one catches and prints it."""
    return "\n".join(line for line in printed.splitlines() if re.search(r"\w*Warning: ", line))


def _shrink(data: dict[str, Any]) -> None:
    """Pictures with a palette: a third of their size."""
    from PIL import Image

    if "image/png" not in data:
        return
    content = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # which keeps rare colours
    few.save(content, "png", optimize=True)
    data["image/png"] = base64.b64encode(content.getvalue()).decode()


def timed(action: Callable[[Path, Path], str], script: Path) -> tuple[str, float, float]:
    """What went wrong, and the seconds by the clock and of the processor."""
    before, start = _cpu(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wrong = action(script, Path(folder))
    return wrong, time.monotonic() - start, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def note_time(script: Path, cpu: float) -> None:
    """Put the measured seconds into the table."""
    table = HOME / "README.md"
    text = table.read_text(encoding="utf-8")
    row = re.compile(rf"^(\|.*\({re.escape(script.stem)}\.ipynb\).*\|)[^|]*\|$", re.MULTILINE)
    table.write_text(row.sub(rf"\g<1> {cpu:.0f} |", text), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="such as 01; none means all")
    parser.add_argument("--notebooks", action="store_true", help="run as notebooks and keep them")
    parser.add_argument("--text", action="store_true", help="take over words that changed, without running")
    options = parser.parse_args()
    if options.text:
        sys.exit("\n".join(wrong for script in scripts(options.numbers) if (wrong := take_text(script))) or 0)
    failed, total = [], [0.0, 0.0]
    for script in scripts(options.numbers):
        if needs_real_data(script) and REAL not in os.environ:
            print(f"{script.stem:36s} left out: {REAL} is not set", flush=True)
            continue
        wrong, wall, cpu = timed(build_notebook if options.notebooks else run_script, script)
        print(
            f"{script.stem:36s} {wall:5.0f} s by the clock, {cpu:5.0f} s of the processor{', FAILED' * bool(wrong)}", flush=True
        )
        total = [total[0] + wall, total[1] + cpu]
        if wrong:
            failed.append(script.stem)
            print(wrong, file=sys.stderr)
        elif options.notebooks:
            note_time(script, cpu)
    print(f"{'all':36s} {total[0]:5.0f} s by the clock, {total[1]:5.0f} s of the processor")
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
