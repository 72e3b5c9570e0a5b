"""Mutated LAS and SEG-Y files, a bounded number with fixed seeds; GEMPY_GAN_FUZZ=N runs N of each."""

import os
import signal

import pytest
from fuzzing import MEMORY, run_case, seeds_of

COUNTS = {"las": int(os.environ.get("GEMPY_GAN_FUZZ", "800")), "segy": int(os.environ.get("GEMPY_GAN_FUZZ", "600"))}


@pytest.fixture(autouse=True)
def no_hanging():
    def hangs(*_):
        raise TimeoutError("a file took more than 10 s")

    before = signal.signal(signal.SIGALRM, hangs)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_mutated_files_are_refused_or_read_right(kind, tmp_path):
    import resource

    seeds, outcomes = seeds_of(kind, None), []
    for seed in range(COUNTS[kind]):
        try:
            outcomes.append(run_case(kind, seed, seeds, tmp_path))
        except Exception as error:
            raise AssertionError(f"{kind} {seed}: {type(error).__name__}: {error}") from error
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY or "torch" in __import__("sys").modules
    assert outcomes.count("read") > 0.1 * len(outcomes)  # files that a mutation leaves right are read
    assert outcomes.count("refused") > 0.2 * len(outcomes)


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_what_is_mutated_is_right_before(kind, tmp_path):
    """Otherwise refusals would prove nothing."""
    from fuzzing import check_las, check_segy

    for raw in seeds_of(kind, None):
        file = tmp_path / ("a.las" if kind == "las" else "a.sgy")
        file.write_bytes(raw)
        assert (check_las(file, raw) if kind == "las" else check_segy(file, {})).startswith("read")
