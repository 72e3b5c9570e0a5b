"""A study of three toy wells and a toy cube, small enough to be run within a second."""

from pathlib import Path

from gempy_gan.testing import toy_las, toy_segy

STUDY = """
n = 4

[grid]
extent = [0, 125, 0, 100, -50, 0]
resolution = [5, 4, 10]

[wells]
files = ["wells/*.las"]
curve = "VSAND"
property = "sand"
std = 0.05
held_out = ["A-3"]

[seismic]
file = "cube.sgy"
domain = "time"
std = 0.3

[seismic.forward]
name = "convolution"
wavelet = { kind = "ricker", frequency = 40.0 }
rock = { kind = "two end members", coarse = [2650.0, 2150.0], fine = [2950.0, 2350.0] }
velocity = 2000.0

[prior]
name = "gaussian"
property = "sand"
ranges = [100.0, 100.0, 10.0]
mean = "wells"
std = "wells"

[output]
pictures = false
"""
PRIOR = ["--prior", "gaussian", "--set", "ranges=[100.0, 100.0, 10.0]", "--set", "mean=wells", "--set", "std=wells"]


def write_study(folder: Path) -> None:
    """Write `study.toml` and the files that it names."""
    (folder / "wells").mkdir()
    for k, xy in enumerate([(30.0, 30.0), (80.0, 60.0), (110.0, 90.0)], start=1):
        toy_las(folder / "wells" / f"A-{k}.las", name=f"A-{k}", xy=xy, seed=k)
    toy_segy(folder / "cube.sgy")
    change(folder)


def change(folder: Path, old: str = "", new: str = "") -> None:
    """Write `study.toml` with one thing in it replaced."""
    assert old in STUDY
    (folder / "study.toml").write_text(STUDY.replace(old, new, 1) if old else STUDY)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, and every folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}
