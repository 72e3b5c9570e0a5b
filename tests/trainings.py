"""Small trainings for the tests: a linear prior on 24 volumes of a toy simulator, some milliseconds a step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import toy_simulator

import gempy_gan as gg
from gempy_gan import plugins
from gempy_gan.training_sets import make_training_set

HERE = Path(__file__).parent
FILES = tuple(HERE / name for name in ("toy_learner.py", "toy_simulator.py"))
BOX = (12, 12, 4)


def register() -> None:
    """Register the toy learner and the toy simulator."""
    for file in FILES:
        plugins.add_plugin_file(file)


def training_set(path: Path, n: int = 24, seed: int = 0) -> Path:
    """Volumes of 16 x 16 x 4 cells with three labels."""
    make_training_set(toy_simulator.ToySimulator(), path, n, seed)
    return path


def plan(data: Any, out: Path, **changes: Any) -> gg.TrainingPlan:
    """30 steps of 8 boxes, without pictures."""
    usual = {"steps": 30, "batch": 8, "shape": BOX, "precision": "32-true", "look_minutes": 0.0}
    return gg.TrainingPlan("toy-learner", str(data), out, **(usual | changes))


def simulated(out: Path, **changes: Any) -> gg.TrainingPlan:
    """As `plan`, on volumes that are simulated meanwhile."""
    return plan("toy-simulator", out, **({"simulator": {"shape": [16, 16, 4]}, "first": 16, "fresh": 0.5, "keep": 20} | changes))


def weights(prior: Any) -> dict[str, Any]:
    """All tensors of a prior's networks."""
    return {f"{name}/{key}": t for name, net in prior.networks.items() for key, t in net.state_dict().items()}


def killed(plan: gg.TrainingPlan, checkpoints: int = 3) -> int:
    """Train in another process, saving after each step, and kill it after some checkpoints; returns the step of the last one."""
    options = {"--data": plan.data, "--out": plan.out, "--steps": 10**6, "--batch": plan.batch, "--precision": plan.precision}
    more = {"--first": plan.first, "--fresh": plan.fresh, "--keep": plan.keep, "--save-minutes": 0, "--look-minutes": 0}
    command = [sys.executable, "-m", "gempy_gan", *(f"--plugin={file}" for file in FILES), "train", plan.prior]
    command += [str(part) for pair in (options | more).items() for part in pair] + ["--shape", *map(str, BOX)]
    command += [f"--simulator={name}={value}" for name, value in plan.simulator.items()]
    process = subprocess.Popen(
        command, env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: len(steps(plan)) > 1 and steps(plan)[-1] > checkpoints, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return steps(plan)[-1]


def steps(plan: gg.TrainingPlan) -> list[int]:
    """The steps that have a checkpoint."""
    return sorted(int(file.stem) for file in (plan.out / "checkpoints").glob("*.json"))


def wait_for(condition: Any, process: subprocess.Popen[bytes], seconds: float = 120.0) -> None:
    """Wait until the condition holds, while the process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
