"""Claims of files from strangers, believed by nothing: refused in little memory, and in one line."""

import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

import gempy_gan as gg
from gempy_gan.cli import main

HUGE = 10**12


@contextmanager
def little_memory(size=2**30):
    """So much more address space, and no more, as `ulimit -v` gives: what believes a claim of terabytes ends with MemoryError."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refused(path, match):
    """Reading is refused by the library, and on the command line with one line."""
    with little_memory(), pytest.raises(gg.GempyGanError, match=match):
        gg.read(path)
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 1
    assert "bug in gempy-gan" not in done.stderr
    assert done.stderr.count("\n") == 1
