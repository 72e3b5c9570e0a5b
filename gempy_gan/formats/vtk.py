"""VTK XML: an image (.vti) or a structured grid (.vts) with one cell array for each property and realization.

The arrays are named `<property>_<realization>`; inactive cells are hidden cells in VTK's own sense, so that viewers blank them;
the metadata are the field data `gempy_gan`. Cells run along i fastest and k upwards.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats.faulted import laid_out
from gempy_gan.formats.metadata import Metadata, check, describe, rebuild
from gempy_gan.formats.regular import Axes, regular_grid
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid
from gempy_gan.limits import check_claim
from gempy_gan.properties import Property

FIELD = "gempy_gan"
GHOSTS = "vtkGhostType"
HEAD = 2**24  # bytes at the start of a file in which its arrays are described
HIDDEN = 32  # vtkDataSetAttributes::HIDDENCELL
OURS = Axes(reverse_j=False, reverse_k=False)


def write(ensemble: Ensemble, path: Path) -> list[Path]:
    """Write all realizations into one file; VTK needs them all in memory at once.

    A unit that faults offset is written on a plain box around it, since cells of VTK's grids share their corners. Raises
    FormatError for a .vti of a grid that is rotated or follows a unit (an image is none: write .vts), OSError when the disk
    refuses.
    """
    pyvista = _load_pyvista()
    ensemble, _ = laid_out(ensemble, "box")
    mesh = _image(ensemble.grid, pyvista) if path.suffix.lower() == ".vti" else _structured(ensemble.grid, pyvista)
    for index, label in enumerate(ensemble.numbers):
        for prop in ensemble.properties:
            values = ensemble.dataset[prop.name].isel(realization=index).values
            mesh.cell_data[f"{prop.name}_{label}"] = values.ravel(order="F")
    if ensemble.grid.active is not None:
        mesh.cell_data[GHOSTS] = np.where(ensemble.grid.active, 0, HIDDEN).astype(np.uint8).ravel(order="F")
    mesh.field_data[FIELD] = [json.dumps(describe(ensemble))]
    _save(mesh, path)
    return [path]


def read(path: Path) -> Ensemble:
    """Read a file; one from elsewhere when it has cell data on a regular grid.

    Raises FormatError when it is missing, no such VTK file, or not regular.
    """
    pyvista = _load_pyvista()
    if not path.is_file():
        raise FormatError(f"{path} does not exist. Check the path.")
    mesh = _read_quietly(path, pyvista)
    if FIELD in mesh.field_data:
        metadata, axes = check(json.loads(str(mesh.field_data[FIELD][0])), path), OURS
        names = {(p["name"], label): f"{p['name']}_{label}" for p in metadata["properties"] for label in metadata["realizations"]}
    else:
        names = _foreign_names(mesh)
        metadata, axes = _found(names, mesh, path)
    missing = [name for name in names.values() if name not in mesh.cell_data]
    if missing or not names:
        raise FormatError(f"{path} has no cell data {', '.join(missing[:3])}. It has: {', '.join(mesh.cell_data) or 'none'}.")
    columns = [
        np.stack([axes.apply(_cells(mesh, names[p["name"], label])) for p in metadata["properties"]])
        for label in metadata["realizations"]
    ]
    active = axes.apply(_cells(mesh, GHOSTS) & HIDDEN == 0) if GHOSTS in mesh.cell_data else None
    return rebuild(metadata, np.stack(columns), active)


def _load_pyvista() -> ModuleType:
    try:
        import pyvista
    except ImportError as error:
        raise FormatError('VTK files need pyvista: pip install "gempy-gan[formats]".') from error
    module: ModuleType = pyvista
    return module


def _image(grid: Grid, pyvista: ModuleType) -> Any:
    if type(grid.frame) is not Frame:
        raise FormatError("A .vti image holds boxes, and this grid follows a unit. Write .vts.")
    if grid.frame != Frame(grid.extent):
        raise FormatError(
            f"A .vti image holds no rotated grid, and this one is rotated by {grid.rotation:g} degrees. Write .vts."
        )
    points = tuple(n + 1 for n in grid.resolution)
    return pyvista.ImageData(dimensions=points, spacing=grid.cell_size, origin=grid.extent[0::2])


def _structured(grid: Grid, pyvista: ModuleType) -> Any:
    points = tuple(n + 1 for n in grid.resolution)
    nodes = grid.frame.to_model(np.indices(points).reshape(3, -1).T / np.array(grid.resolution))
    x, y, z = nodes.T.reshape(3, *points)
    return pyvista.StructuredGrid(x, y, z)


def _save(mesh: Any, path: Path) -> None:
    """Write raw appended data, uncompressed: as fast as the disk, and read by every VTK program."""
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter, vtkXMLStructuredGridWriter

    writer = vtkXMLImageDataWriter() if path.suffix.lower() == ".vti" else vtkXMLStructuredGridWriter()
    errors = _heard(writer)
    writer.SetFileName(str(path))
    writer.SetInputData(mesh)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToNone()
    writer.SetHeaderTypeToUInt64()
    if not writer.Write() or errors or writer.GetErrorCode():
        raise OSError(f"VTK stopped with error code {writer.GetErrorCode()} (is the disk full?)")


def _heard(algorithm: Any) -> list[str]:
    """A list that grows with every error of the algorithm, which VTK would otherwise print and forget."""
    errors: list[str] = []
    for subject in (algorithm, algorithm.GetExecutive()):
        subject.AddObserver("ErrorEvent", lambda *_: errors.append("refused"))
    return errors


def _read_quietly(path: Path, pyvista: ModuleType) -> Any:
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLStructuredGridReader

    reader = vtkXMLImageDataReader() if path.suffix.lower() == ".vti" else vtkXMLStructuredGridReader()
    errors = _heard(reader)
    reader.SetFileName(str(path))
    if not reader.CanReadFile(str(path)):
        raise FormatError(f"{path} is no VTK XML file of the kind {path.suffix}.")
    _check_claims(path)
    if _is_whole(path):  # VTK crashes the interpreter over a file that is cut short
        reader.Update()
    if not _is_whole(path) or errors or reader.GetErrorCode():
        raise FormatError(f"{path} cannot be read: it is damaged or cut short. Write it again.")
    return pyvista.wrap(reader.GetOutput())


def _check_claims(path: Path) -> None:
    """Raise FormatError when extents or arrays are larger than the file can hold, for which VTK would ask for memory at once."""
    with path.open("rb") as file:
        head = file.read(HEAD).partition(b"<AppendedData")[0].decode("utf-8", errors="replace")
    extents = [list(map(int, found.split())) for found in re.findall(r'Extent="\s*((?:-?\d{1,18}\s+){5}-?\d{1,18})\s*"', head)]
    tuples = [int(found) for found in re.findall(r'NumberOf(?:Tuples|Components)="\s*(\d+)', head)]
    for a, b, c, d, e, f in extents:
        check_claim(path, (b - a + 1) * (d - c + 1) * (f - e + 1), what="cells")
    check_claim(path, max(tuples, default=0))


def _is_whole(path: Path) -> bool:
    """Whether the file ends as an XML file of VTK does."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read().rstrip().endswith(b"</VTKFile>")


def _grid(mesh: Any, path: Path) -> tuple[Grid, Axes]:
    if min(mesh.dimensions) < 2:
        raise FormatError(f"{path} has {mesh.dimensions} points and so no cells. Expected at least two along each axis.")
    points = np.asarray(mesh.points, dtype=np.float64).T.reshape(3, *mesh.dimensions, order="F")
    ni, nj, nk = (n - 1 for n in mesh.dimensions)
    ends = [(number & 1, number >> 1 & 1, number >> 2) for number in range(8)]
    return regular_grid(np.stack([points[:, i : ni + i, j : nj + j, k : nk + k] for i, j, k in ends]), path)


def _cells(mesh: Any, name: str) -> NDArray[Any]:
    cells: NDArray[Any] = np.asarray(mesh.cell_data[name]).reshape([n - 1 for n in mesh.dimensions], order="F")
    return cells


def _foreign_names(mesh: Any) -> dict[tuple[str, int], str]:
    """Scalar cell arrays by property and realization: `porosity_7` is realization 7, `porosity` realization 0."""
    scalars = [name for name in mesh.cell_data if name != GHOSTS and np.ndim(mesh.cell_data[name]) == 1]
    numbered = {name: re.fullmatch(r"(.+)_(\d+)", name) for name in scalars}
    pairs = {name: (match[1], int(match[2])) if match else (name, 0) for name, match in numbered.items()}
    return {(re.sub(r"[^\w-]", "_", stem), label): name for name, (stem, label) in pairs.items()}


def _found(names: dict[tuple[str, int], str], mesh: Any, path: Path) -> tuple[Metadata, Axes]:
    grid, axes = _grid(mesh, path)
    labels = sorted({label for _, label in names})
    stems = list(dict.fromkeys(stem for stem, _ in names))
    incomplete = [f"{stem}_{label}" for stem in stems for label in labels if (stem, label) not in names]
    if incomplete:
        raise FormatError(f"{path} has no cell data {', '.join(incomplete[:3])}. Expected every property in every realization.")
    properties = [Property(stem).to_dict() for stem in stems]
    source = {"source": path.name}
    return {"grid": grid.to_dict(), "properties": properties, "provenance": source, "realizations": labels}, axes
