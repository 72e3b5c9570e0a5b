"""A simulator whose process is lost; a module of its own, so that processes can import it."""

import os
import signal
import time
from pathlib import Path

from toy_simulator import ToySimulator


class Dying(ToySimulator):
    """A simulator whose process is killed in the middle of the set, once."""

    def simulate(self, seed, labels=None):
        flag = Path(os.environ["DYING"])
        if not flag.exists() and len(list(flag.parent.glob("done-*"))) >= 5:
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (flag.parent / f"done-{os.getpid()}-{time.monotonic_ns()}").touch()
        return super().simulate(seed, labels)
