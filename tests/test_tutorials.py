"""Tutorials: scripts and notebooks are in step, notebooks have their outputs, the table lists all, and the runner notices."""

import importlib.util
import json
import re
from pathlib import Path

import jupytext
import pytest

HOME = Path(__file__).parents[1] / "tutorials"
SCRIPTS = sorted(HOME.glob("[0-9][0-9]_*.py"))
LARGEST = 400_000  # bytes of a notebook
LONGEST = 75  # seconds that a tutorial may take

every = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def build():
    spec = importlib.util.spec_from_file_location("tutorials_build", HOME / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(script):
    return json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))


def test_tutorials_are_numbered_without_gaps_and_no_notebook_is_left_over():
    assert [int(path.name[:2]) for path in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))
    assert sorted(path.stem for path in HOME.glob("*.ipynb")) == [path.stem for path in SCRIPTS]


@every
def test_a_notebook_is_in_step_with_its_script(script):
    expected = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in notebook(script)["cells"]] == expected


@every
def test_a_notebook_holds_the_outputs_of_a_whole_run(script):
    code = [cell for cell in notebook(script)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert script.with_suffix(".ipynb").stat().st_size < LARGEST
    assert not re.search(r"/(tmp|home|work|Users)/", json.dumps(outputs)), "a path of the machine it ran on"


@every
def test_the_table_lists_a_tutorial_with_the_seconds_it_took(script):
    table = (HOME / "README.md").read_text(encoding="utf-8")
    (seconds,) = re.findall(
        rf"\({script.stem}\.ipynb\) \(\[script\]\({script.stem}\.py\)\) \|.*\| (\d+) \|$", table, re.MULTILINE
    )
    assert int(seconds) <= LONGEST


@every
def test_a_tutorial_tells_what_not_to_trust_and_draws_with_the_package(script):
    text = script.read_text(encoding="utf-8")
    assert "trust" in text.rsplit("# %% [markdown]", 1)[1]
    assert "matplotlib" not in text
    assert "shared" not in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('fine')", ""),
        ("import warnings; warnings.warn('mind the gap')", "UserWarning: mind the gap"),
        ("raise ValueError('wrong')", "ValueError: wrong"),
    ],
)
def test_the_runner_tells_of_failures_and_warnings(tmp_path, code, said):
    script = tmp_path / "01_try.py"
    script.write_text(code, encoding="utf-8")
    wrong = build().run_script(script, tmp_path)
    assert said in wrong
    assert bool(wrong) == bool(said)


def test_the_runner_puts_the_seconds_into_the_row_of_their_tutorial(tmp_path, monkeypatch):
    module = build()
    monkeypatch.setattr(module, "HOME", tmp_path)
    rows = "| [a](01_a.ipynb) ([script](01_a.py)) | x | |\n| [b](02_b.ipynb) ([script](02_b.py)) | y | 7 |\n"
    (tmp_path / "README.md").write_text(rows, encoding="utf-8")
    module.note_time(Path("02_b.py"), 12.6)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == rows.replace("| 7 |", "| 13 |")


def test_the_runner_knows_its_tutorials():
    module = build()
    assert module.scripts([]) == SCRIPTS
    assert [path.name[:2] for path in module.scripts(["01"])] == ["01"]
    with pytest.raises(SystemExit, match="There is no tutorial 99"):
        module.scripts(["99"])
