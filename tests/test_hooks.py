"""Every hook works and is documented; a plugin at fault costs one line and nothing else."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
import torch

import gempy_gan as gg
from gempy_gan import hookspecs, plugins
from gempy_gan.registry import KINDS, Registry

README = Path(__file__).parents[1] / "plugins" / "README.md"
HOOKS = [name for name in vars(hookspecs) if name.startswith("gempy_gan_register_")]
BLOCKS = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", README.read_text(), flags=re.DOTALL)

GOOD = """
from gempy_gan import hookimpl

@hookimpl
def gempy_gan_register_priors(register):
    register("good", object, "nothing wrong here")
"""
BROKEN_IMPORT = "import a_module_that_is_not_there"
BROKEN_AT_LOAD = "raise RuntimeError('first line\\nsecond line')"
EXITING = "raise SystemExit(3)"
BROKEN_HOOK = GOOD + "    raise KeyError('weights')"
MISSPELT = GOOD + "\n@hookimpl\ndef gempy_gan_register_prior(register): ...\n"
UNMARKED = GOOD + "\ndef gempy_gan_register_formats(register): ...\n"
NO_HOOK = "answer = 42"
WRONG_ARGUMENT = "from gempy_gan import hookimpl\n@hookimpl\ndef gempy_gan_register_priors(add): ...\n"
DUPLICATE = GOOD.replace('"good"', '"gaussian"') + "    register('own', object)"
ENDING = """
from gempy_gan import hookimpl

@hookimpl
def gempy_gan_register_adapters(register):
    register("mine", object, suffixes=(".NC",))
"""


class Installed(Distribution):
    """A distribution that is installed nowhere."""

    def __init__(self, name):
        self._name = name

    name = property(lambda self: self._name)
    version = "1.2.3"

    def read_text(self, filename):
        return None

    def locate_file(self, path):
        return Path(path)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install modules, each as the distribution acme-<name>, and give a fresh registry."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GEMPY_GAN_STRICT", raising=False)
    monkeypatch.delenv("GEMPY_GAN_DISABLE", raising=False)

    def load(**sources):
        points = []
        for name, source in sources.items():
            (tmp_path / f"acme_{name}.py").write_text(source)
            sys.modules.pop(f"acme_{name}", None)
            points.append(EntryPoint(name, f"acme_{name}", "gempy_gan")._for(Installed(f"acme-{name}")))
        monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints(points).select(group=group))
        plugins.registry.cache_clear()
        return plugins.registry

    yield load
    monkeypatch.undo()
    plugins.registry.cache_clear()


def lines_of(load) -> tuple[Registry, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = load()
    assert all(w.category is gg.GempyGanWarning for w in caught)
    return found, [str(w.message) for w in caught]


@pytest.fixture
def readme_plugin(tmp_path, monkeypatch):
    plugins.registry.cache_clear()
    (tmp_path / "mine.py").write_text({name: code for code, name in BLOCKS}["mine.py"])
    plugins.add_plugin_file(tmp_path / "mine.py")
    yield tmp_path
    sys.modules.pop("mine", None)
    plugins.registry.cache_clear()


# Each hook, with the README's plugin


def test_gempy_gan_register_priors(readme_plugin):
    prior = gg.get_prior("smooth", shape=(5, 4, 3), std=2.0)
    assert prior.sample(2, torch.Generator().manual_seed(0)).shape == (2, 1, 5, 4, 3)
    assert gg.prior_for("smooth", gg.Grid((0, 60, 0, 40, 0, 4), (6, 4, 2))).cell_size == (10.0, 10.0, 2.0)


def test_gempy_gan_register_strategies(readme_plugin):
    grid = gg.Grid((0, 60, 0, 40, 0, 4), (6, 4, 2))
    constraints = gg.Constraints(grid, gg.HardData([[0, 0, 0]], [1.0], 0.5, "porosity"))
    assert len(gg.invert("smooth", constraints, "best-of", n=3, seed=1)) == 3


def test_gempy_gan_register_forwards(readme_plugin):
    m = torch.arange(24.0).reshape(1, 1, 3, 2, 4)
    assert gg.get_forward("column-mean")(m).tolist() == [[1.5, 5.5, 9.5, 13.5, 17.5, 21.5]]


def test_gempy_gan_register_formats(readme_plugin):
    ensemble = gg.Ensemble.from_values(
        gg.Grid((0, 2, 0, 1, 0, 3), (2, 1, 3)), ["porosity"], np.arange(6.0).reshape(1, 1, 2, 1, 3)
    )
    (file,) = gg.write(ensemble, readme_plugin / "e.layers")
    assert file.read_text() == "0 3\n1 4\n2 5"
    with pytest.raises(gg.FormatError, match="do not hold their grid"):
        gg.read(file)


def test_gempy_gan_register_adapters(readme_plugin):
    (readme_plugin / "a.picks").write_text("A-1,1200.5\nB-2,1300\n")
    assert gg.read(readme_plugin / "a.picks", unit="ft").columns.tolist() == ["well", "depth_ft"]


def test_every_hook_is_tested_and_stands_in_the_readme():
    text = README.read_text()
    assert len(HOOKS) == len(KINDS)
    for hook in HOOKS:
        assert f"test_{hook}" in globals(), f"{hook} has no test"
        assert f"| `{hook}` |" in text, f"{hook} does not stand in plugins/README.md"
        assert f"def {hook}(register):" in text, f"{hook} is not in the example of plugins/README.md"


def test_the_readmes_tests_pass(readme_plugin, monkeypatch):
    assert [name for _, name in BLOCKS] == ["mine.py", "test_mine.py"]
    (readme_plugin / "test_mine.py").write_text({name: code for code, name in BLOCKS}["test_mine.py"])
    monkeypatch.syspath_prepend(readme_plugin)
    tests = {name: test for name, test in runpy.run_path(str(readme_plugin / "test_mine.py")).items() if name.startswith("test_")}
    assert len(tests) == 3
    for name, test in tests.items():
        test(readme_plugin / name) if test.__code__.co_argcount else test()


def test_the_readmes_toml_is_a_project_with_an_entry_point():
    (toml,) = re.findall(r"```toml\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert tomllib.loads(toml)["project"]["entry-points"]["gempy_gan"] == {"mine": "mine"}


# Plugins at fault


@pytest.mark.parametrize(
    ("source", "fault", "keeps"),
    [
        (BROKEN_IMPORT, "ModuleNotFoundError: No module named 'a_module_that_is_not_there' (line 1 of acme_bad.py)", []),
        (BROKEN_AT_LOAD, "RuntimeError: first line second line (line 1 of acme_bad.py)", []),
        (EXITING, "SystemExit: 3 (line 1 of acme_bad.py)", []),
        ("def (", "SyntaxError", []),
        (BROKEN_HOOK, "KeyError: 'weights' (line 7 of acme_bad.py)", []),
        (WRONG_ARGUMENT, "add", []),
        (NO_HOOK, "it implements no hook. Expected one of gempy_gan_register_priors", []),
        (MISSPELT, "'gempy_gan_register_prior', and no hook has that name. Did you mean 'gempy_gan_register_priors'?", ["good"]),
        (UNMARKED, "'gempy_gan_register_formats' is not marked with @gempy_gan.hookimpl", ["good"]),
        (DUPLICATE, "the prior name 'gaussian' of acme-bad belongs to gempy_gan itself, which keeps it", ["own"]),
        (ENDING, "file ending .nc of the adapter 'mine' of acme-bad belongs to the format 'netcdf' of gempy_gan itself", []),
        (GOOD.replace('"good"', "3"), "a prior is named 3. Expected letters", []),
        (GOOD.replace("object", "None"), "target of the prior 'good' is None. Expected an object or 'module:attribute'", []),
        (GOOD.replace("object", "'some/file.py'"), "target of the prior 'good' is 'some/file.py'", []),
        (ENDING.replace('(".NC",)', '".las"'), "suffixes of the adapter 'mine' are '.las'. Expected a tuple", []),
        (ENDING.replace(".NC", "las"), "suffixes of the adapter 'mine' are ('las',). Expected a tuple", []),
    ],
)
def test_a_plugin_at_fault_costs_one_line(install, source, fault, keeps):
    healthy, none = lines_of(install())
    found, lines = lines_of(install(bad=source, fine=GOOD.replace("good", "fine")))
    assert none == []
    assert len(lines) == 1
    assert fault in lines[0]
    assert lines[0].startswith("Plugin acme-bad: ")
    assert lines[0].endswith("GEMPY_GAN_DISABLE=acme-bad.")
    assert "\n" not in lines[0]
    assert found.errors == {"acme-bad": lines[0]}
    brought = {entry.name: entry.owner for key, entry in found.entries.items() if key not in healthy.entries}
    assert brought == {"fine": "acme-fine"} | dict.fromkeys(keeps, "acme-bad")
    assert found.get("priors", "gaussian").owner == "gempy_gan"


def test_two_plugins_that_claim_one_name_are_both_named(install):
    found, lines = lines_of(install(one=GOOD, two=GOOD))
    assert len(lines) == 1
    assert "the prior name 'good' of acme-two belongs to acme-one, which keeps it" in lines[0]
    assert found.get("priors", "good").owner == "acme-one"


def test_strict_raises_where_a_plugin_is_at_fault(install, monkeypatch):
    load = install(bad=BROKEN_HOOK)
    monkeypatch.setenv("GEMPY_GAN_STRICT", "1")
    with pytest.raises(gg.PluginError, match=r"acme-bad.*KeyError"):
        load()


@pytest.mark.parametrize("name", ["bad", "acme-bad", " ACME_Bad", "other,acme.bad"])
def test_a_plugin_is_left_out_by_distribution_or_entry_point(install, monkeypatch, name):
    load = install(bad=BROKEN_IMPORT, good=GOOD)
    monkeypatch.setenv("GEMPY_GAN_DISABLE", name)
    found, lines = lines_of(load)
    assert lines == []
    assert found.plugins.keys() == {"gempy_gan", "acme-good"}


def test_the_built_ins_cannot_be_left_out(install, monkeypatch):
    monkeypatch.setenv("GEMPY_GAN_DISABLE", "gempy_gan,gempy-gan")
    assert install()().get("priors", "gaussian").owner == "gempy_gan"


def test_one_distribution_may_bring_several_plugins(install, monkeypatch):
    load = install(a=GOOD, b=GOOD.replace("good", "better"))
    both = [point._for(Installed("acme")) for point in plugins.entry_points("gempy_gan")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints(both))
    found, lines = lines_of(load)
    assert lines == []
    assert {e.name: e.owner for e in found.of("priors") if e.owner != "gempy_gan"} == {"good": "acme", "better": "acme:b"}


# Names, targets and options


def test_an_unknown_name_names_what_is_installed_and_what_is_broken(install):
    lines_of(install(bad=BROKEN_IMPORT))
    with pytest.raises(
        gg.PluginError, match=r"No prior is named 'gausian'. Installed: .*gaussian.* Did you mean 'gaussian'\?.*acme-bad"
    ):
        gg.get_prior("gausian")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("'no_such_module:Prior'", "cannot be loaded from 'no_such_module:Prior': ModuleNotFoundError.*Install what it needs"),
        ("'json:NoSuchName'", "cannot be loaded from 'json:NoSuchName': AttributeError"),
        ("'acme_heavy'", "cannot be loaded from 'acme_heavy': ZeroDivisionError"),
        ("42", "The prior 'good' of acme-good is of type int. Expected something to call"),
    ],
)
def test_a_target_that_is_none_is_reported_when_it_is_used(install, target, message):
    lines_of(install(good=GOOD.replace("object", target), heavy="1 / 0"))
    with pytest.raises(gg.PluginError, match=message):
        gg.get_prior("good")


def test_a_format_without_read_is_refused(install):
    lines_of(install(x=ENDING.replace("adapters", "formats").replace(".NC", ".x")))
    with pytest.raises(gg.PluginError, match=r"has no read and no write function. Expected read\(\) and write\(\)"):
        gg.read("a.x")


def test_options_that_are_unknown_or_missing_are_named(tmp_path):
    with pytest.raises(
        gg.GempyGanError, match=r"'gaussian' cannot be used like this: .*'rangs'.* Its options: .*Did you mean 'ranges'\?"
    ):
        gg.get_prior("gaussian", rangs=(1, 2, 3))
    (tmp_path / "w.las").write_text("")
    with pytest.raises(gg.GempyGanError, match=r"adapter 'las' cannot be used like this: .*'domain'"):
        gg.read(tmp_path / "w.las", domain="time")


def test_the_longest_ending_wins(install):
    source = ENDING.replace(".NC", ".Special.Las")
    found, _ = lines_of(install(special=source))
    assert found.for_path("adapters", Path("A.special.LAS")).owner == "acme-special"
    assert found.for_path("adapters", Path("a.las")).owner == "gempy_gan"
    assert found.for_path("adapters", Path("las")) is None


# Plugin files


def test_a_plugin_file_loaded_again_replaces_itself(tmp_path):
    plugins.registry.cache_clear()
    file = tmp_path / "acme_again.py"
    file.write_text(GOOD)
    plugins.add_plugin_file(file)
    file.write_text(GOOD.replace('"good"', '"best"'))
    os.utime(file, (1, 1))  # a file edited within the clock's resolution must not be taken from the bytecode cache
    plugins.add_plugin_file(file)
    assert [e.name for e in plugins.registry().of("priors") if e.owner == str(file)] == ["best"]
    plugins.registry.cache_clear()
    sys.modules.pop("acme_again")


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("numpy.py", GOOD, "module name 'numpy' is already used by .*rename the file"),
        ("acme_file.py", BROKEN_IMPORT, "ModuleNotFoundError.*Correct the file"),
        ("acme_file.py", MISSPELT, "Did you mean"),
        ("acme_file.txt", GOOD, "ending in .py"),
        ("acme_file.py", None, "expected the path of an existing Python file"),
    ],
)
def test_a_plugin_file_at_fault_is_an_error_and_leaves_nothing(tmp_path, name, source, message):
    plugins.registry.cache_clear()
    before = dict(plugins.registry().entries)
    if source is not None:
        (tmp_path / name).write_text(source)
    with pytest.raises(gg.PluginError, match=message):
        plugins.add_plugin_file(tmp_path / name)
    assert plugins.registry().entries == before
    assert plugins.registry().errors.keys() == set()
    plugins.registry.cache_clear()


def test_really_installed_plugins_in_a_fresh_process(tmp_path):
    for name, source in {"broken": BROKEN_IMPORT, "twin": DUPLICATE, "misspelt": MISSPELT}.items():
        (tmp_path / f"acme_{name}.py").write_text(source)
        info = tmp_path / f"acme_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[gempy_gan]\n{name} = acme_{name}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    environment.pop("GEMPY_GAN_STRICT", None)
    command = [sys.executable, "-m", "gempy_gan", "plugins", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    names = {(row["kind"], row["name"]): row["owner"] for row in listed["entries"]}
    assert names["prior", "gaussian"] == "gempy_gan"
    assert names["prior", "own"] == "acme-twin"
    assert names["prior", "good"] == "acme-misspelt"
    ours = [line for line in done.stderr.splitlines() if "acme-" in line]
    assert len(ours) == len(done.stderr.splitlines()) == 3
    assert [line.split(":")[1].strip() for line in ours] == ["Plugin acme-broken", "Plugin acme-misspelt", "Plugin acme-twin"]
    assert listed["errors"] == {line.split(":")[1].split()[1]: line.removeprefix("Warning: ") for line in ours}
