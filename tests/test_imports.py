"""Importing is cheap, every public name is there, and the layers hold."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import gempy_gan as gg

ROOT = Path(__file__).parents[1]
LIGHT = [
    "gempy_gan",
    "gempy_gan.errors",
    "gempy_gan.hookspecs",
    "gempy_gan.defaults",
    "gempy_gan.registry",
    "gempy_gan.plugins",
    "gempy_gan.prior",
    "gempy_gan.strategy",
    "gempy_gan.progress",
    "gempy_gan.properties",
]


@pytest.mark.parametrize("name", gg.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    assert getattr(gg, name).__doc__
    assert name in dir(gg)


def test_no_public_name_is_that_of_a_module():
    modules = {module.name for module in pkgutil.iter_modules(gg.__path__)}
    assert set(gg.__all__) & modules == {"forward", "plot"}


def test_a_public_name_stays_what_it_is_after_its_module_was_imported():
    for name in gg.__all__:
        first = getattr(gg, name)
        importlib.import_module(first.__name__ if name in ("forward", "plot") else first.__module__)
        assert getattr(gg, name) is first


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'inverse'"):
        _ = gg.inverse


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_imports_nothing_heavy(module):
    code = (
        f"import sys, {module}; print([m for m in ('numpy', 'torch', 'gempy', 'pandas', 'xarray', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_known_to_type_checkers_is_what_there_is():
    """The names that __init__ imports for type checkers are those it resolves."""
    text = (ROOT / "gempy_gan" / "__init__.py").read_text()
    typed = {line.split(" as ")[-1] for line in text.splitlines() if line.startswith("    from ")}
    assert typed == set(gg.__all__)


def test_nothing_is_imported_against_the_layers():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
