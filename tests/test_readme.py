import contextlib
import io
import re
from pathlib import Path

import pytest

from gempy_gan import demo
from gempy_gan.plugins import BUILT_IN, registry
from gempy_gan.registry import KINDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLES = {"prior": "priors", "strategy": "strategies", "adapter": "adapters", "format": "formats", "forward operator": "forwards"}


def test_the_example_runs_on_what_the_demo_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demo.make_example("demo")
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102  # the README's own code
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    labels = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert [label for label in labels if label not in printed.getvalue()] == []
    assert (tmp_path / "out" / "reservoir.grdecl").is_file()
    assert len([line for line in code.splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize("label", sorted(TABLES))
def test_the_readme_lists_what_gempy_gan_brings(label):
    assert KINDS[TABLES[label]] == label
    for entry in registry().of(TABLES[label]):
        if entry.owner == BUILT_IN:
            endings = " ".join(f"`{suffix}`" for suffix in entry.suffixes)
            assert f"| {label} | `{entry.name}` | {entry.summary}{' ' + endings if endings else ''} |" in README


def test_every_command_stands_in_the_readme():
    from gempy_gan.cli import main

    for name in main.commands:
        assert f"| `gempy-gan {name}" in README, name


def test_every_module_has_a_room_in_the_readme():
    picture = README[README.index("## How it is built") :]
    for path in (ROOT / "gempy_gan").iterdir():
        if not path.name.startswith("_") and path.suffix in ("", ".py"):
            name = path.stem if path.suffix else f"{path.name}/"
            assert f"`{name}`" in picture, name
