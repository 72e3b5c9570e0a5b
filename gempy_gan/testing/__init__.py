"""What a plugin's author tests with: the contracts of priors, strategies and formats in one line each, and toy files."""

from gempy_gan.testing.formats import check_format
from gempy_gan.testing.priors import check_prior
from gempy_gan.testing.strategies import check_strategy
from gempy_gan.testing.toys import toy_las, toy_segy

__all__ = ["check_format", "check_prior", "check_strategy", "toy_las", "toy_segy"]
