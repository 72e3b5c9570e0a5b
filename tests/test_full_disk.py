"""A disk that is really full: a small tmpfs, in a mount namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MOUNT = 'mount -t tmpfs -o size=64m tmpfs "$1" && exec "$2" "$3" "$1" "$4"'


def may_mount(folder):
    """Whether this system lets anyone mount a tmpfs in a namespace of their own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_every_command_survives_a_full_disk(tmp_path):
    """Cutting files short, which test_bad_input and test_files do, needs no mount; this is the real thing."""
    for name in ("full", "original"):
        (tmp_path / name).mkdir()
    if not may_mount(tmp_path / "full"):
        pytest.skip("this system does not let a user mount a tmpfs")
    script = [str(tmp_path / "full"), sys.executable, str(HERE / "full_disk.py"), str(tmp_path / "original")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    command = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", *script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["invert"] >= 3
    assert found["sample"] >= 2
    assert found["export"] >= 3
    assert found["train"] >= 3
