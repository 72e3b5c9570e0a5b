"""Fixtures that several files of tests ask for."""

import pytest
import torch


@pytest.fixture
def seeded_torch():
    """Torch's global generator as after `manual_seed(0)`, and afterwards as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
