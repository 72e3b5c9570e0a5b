"""Small GemPy models for the tests: folds, dips and wedges, faulted, eroded, on a rotated grid, or of very many thin layers.

Every surface is an explicit function of x and y, so a test knows the unit of each point without asking GemPy.
"""

import contextlib
import io
import warnings
from types import ModuleType
from typing import Any

import numpy as np

EXTENT = (0.0, 2000.0, 0.0, 1600.0, -1000.0, 0.0)
AMPLITUDE, WAVELENGTH = 60.0, 2000.0
COVER_BASE, RESERVOIR_BASE = -300.0, -600.0
FAULT_X, THROW = 1000.0, 120.0


def gempy() -> ModuleType:
    """GemPy, imported without its greeting and without the deprecation warnings of its own dependencies."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", DeprecationWarning)
        import gempy as gp
    return gp


def quietly(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a GemPy function without its prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args, **kwargs)


def fold(xyz: np.ndarray, depth: float) -> np.ndarray:
    """Height of the folded surface whose mean height is `depth`, at points (N, 2 or 3)."""
    return depth + AMPLITUDE * np.cos(2 * np.pi * xyz[:, 0] / WAVELENGTH)


def surface(gp: ModuleType, name: str, color: str, x: np.ndarray, y: np.ndarray, depth: float) -> Any:
    """A structural element whose base is the fold at `depth`, known at the points (x, y) and with its true dips there."""
    z = fold(np.column_stack([x, y]), depth)
    slope = -AMPLITUDE * 2 * np.pi / WAVELENGTH * np.sin(2 * np.pi * x / WAVELENGTH)
    pole = np.stack([-slope, np.zeros_like(slope), np.ones_like(slope)], axis=1) / np.sqrt(1 + slope**2)[:, None]
    names = [name] * len(x)
    return gp.data.StructuralElement(
        name=name,
        color=color,
        surface_points=gp.data.SurfacePointsTable.from_arrays(x, y, z, names),
        orientations=gp.data.OrientationsTable.from_arrays(x, y, z, *pole.T, names),
    )


def assemble(gp: ModuleType, name: str, groups: list[Any], resolution: tuple[int, int, int]) -> Any:
    """A GeoModel of structural groups, young to old, that extracts no meshes (they take most of GemPy's time)."""
    frame = gp.data.StructuralFrame(structural_groups=groups, color_gen=gp.data.ColorsGenerator())
    model = quietly(
        gp.create_geomodel, project_name=name, extent=list(EXTENT), resolution=list(resolution), structural_frame=frame
    )
    model.interpolation_options.evaluation_options.mesh_extraction = False
    model.interpolation_options.evaluation_options.number_octree_levels = 1
    return model


def points(nx: int = 5, ny: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Map positions of the surface points, (nx * ny,) each."""
    x, y = np.meshgrid(np.linspace(0, 2000, nx), np.linspace(200, 1400, ny))
    return x.ravel(), y.ravel()


def folded_model(resolution: tuple[int, int, int] = (16, 12, 20), reverse: bool = False) -> Any:
    """Cover, Reservoir and basement, gently folded; `reverse` names the two surfaces in the wrong order."""
    gp = gempy()
    x, y = points()
    elements = [
        surface(gp, "Cover", "#E69F00", x, y, COVER_BASE),
        surface(gp, "Reservoir", "#56B4E9", x, y, RESERVOIR_BASE),
    ]
    relation = gp.data.StackRelationType.ERODE
    group = gp.data.StructuralGroup("Basin", elements[::-1] if reverse else elements, relation)
    return assemble(gp, "fold", [group], resolution)


def unit_of_fold(xyz: np.ndarray) -> np.ndarray:
    """1 (Cover), 2 (Reservoir) or 3 (basement) at points (N, 3) of the folded model."""
    return 1 + (xyz[:, 2] < fold(xyz, COVER_BASE)).astype(int) + (xyz[:, 2] < fold(xyz, RESERVOIR_BASE))


def rotated_model(degrees: float = 30.0, resolution: tuple[int, int, int] = (16, 10, 20)) -> Any:
    """The folded model on a grid of 1000 m x 600 m, rotated anticlockwise about (500, 100)."""
    gp = gempy()
    from gempy.core.data.grid_modules import RegularGrid

    angle = np.deg2rad(degrees)
    corner, along = (500.0, 100.0), (500 + 1000 * np.cos(angle), 100 + 1000 * np.sin(angle))
    dense = RegularGrid.from_corners_box(corner, along, 600.0, -1000.0, 0.0, np.array(resolution), plot=False)
    model = folded_model()
    model.grid = gp.data.Grid()
    model.grid.dense_grid = dense
    return model


def faulted_model(resolution: tuple[int, int, int] = (20, 8, 25)) -> Any:
    """Flat layers, lowered by 120 m east of a vertical fault at x = 1000 m."""
    gp = gempy()
    data = gp.data
    y = np.array([100.0, 800.0, 1500.0] * 2)
    z = np.array([-100.0] * 3 + [-900.0] * 3)
    names = ["Fault"] * 6
    fault = data.StructuralElement(
        name="Fault",
        color="#000000",
        surface_points=data.SurfacePointsTable.from_arrays(np.full(6, FAULT_X), y, z, names),
        orientations=data.OrientationsTable.from_arrays([FAULT_X], [800.0], [-500.0], [1.0], [0.0], [0.0], ["Fault"]),
    )
    x, y = points(nx=6)
    down = np.where(x > FAULT_X, THROW, 0.0)
    beds = []
    for name, color, depth in (("Cover", "#E69F00", COVER_BASE), ("Reservoir", "#56B4E9", RESERVOIR_BASE)):
        height = depth - down
        up = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
        beds.append(
            data.StructuralElement(
                name=name,
                color=color,
                surface_points=data.SurfacePointsTable.from_arrays(x, y, height, [name] * len(x)),
                orientations=data.OrientationsTable.from_arrays(x, y, height, *up, [name] * len(x)),
            )
        )
    faults = data.StructuralGroup(
        "Faults", [fault], data.StackRelationType.FAULT, fault_relations=data.FaultsRelationSpecialCase.OFFSET_ALL
    )
    return assemble(gp, "fault", [faults, data.StructuralGroup("Basin", beds, data.StackRelationType.ERODE)], resolution)


def unit_of_fault(xyz: np.ndarray) -> np.ndarray:
    """1 (Cover), 2 (Reservoir) or 3 (basement) at points (N, 3) of the faulted model."""
    height = xyz[:, 2] + np.where(xyz[:, 0] > FAULT_X, THROW, 0.0)
    return 1 + (height < COVER_BASE).astype(int) + (height < RESERVOIR_BASE)


def many_layers(count: int = 140) -> Any:
    """`count` flat layers of equal thickness, L0 on top, above the basement; two cells per layer."""
    gp = gempy()
    bases = -900.0 * np.arange(1, count + 1) / count
    x, y = np.array([100.0, 1900.0]), np.array([100.0, 1500.0])
    elements = []
    for k, base in enumerate(bases):
        name = f"L{k}"
        dips = gp.data.OrientationsTable.from_arrays([1000.0], [800.0], [base], [0.0], [0.0], [1.0], [name])
        elements.append(
            gp.data.StructuralElement(
                name=name,
                color="#56B4E9",
                surface_points=gp.data.SurfacePointsTable.from_arrays(x, y, np.full(2, base), [name] * 2),
                orientations=dips if k % 20 == 0 else gp.data.OrientationsTable.initialize_empty(),
            )
        )
    group = gp.data.StructuralGroup("Layers", elements, gp.data.StackRelationType.ERODE)
    return assemble(gp, "layers", [group], (2, 2, 2 * count))


def bed(name: str, height: Any, oriented: bool = True, nx: int = 6, ny: int = 2) -> Any:
    """A structural element whose base lies at `height(xyz)`, known at nx x ny points, with its true dips there if `oriented`."""
    data = gempy().data
    x, y = points(nx, ny)
    xyz = np.column_stack([x, y, np.zeros_like(x)])
    z = height(xyz)
    dip_x, dip_y = (height(xyz + step) - height(xyz - step) for step in np.eye(3)[:2])
    pole = np.stack([-dip_x / 2, -dip_y / 2, np.ones_like(z)], axis=1)
    pole /= np.linalg.norm(pole, axis=1, keepdims=True)
    names = [name] * len(x)
    return data.StructuralElement(
        name=name,
        color="#56B4E9",
        surface_points=data.SurfacePointsTable.from_arrays(x, y, z, names),
        orientations=data.OrientationsTable.from_arrays(x, y, z, *pole.T, names)
        if oriented
        else data.OrientationsTable.initialize_empty(),
    )


def group_of(name: str, *elements: Any, relation: str = "ERODE") -> Any:
    """A structural group of elements, young to old."""
    gp = gempy()
    faults = gp.data.FaultsRelationSpecialCase.OFFSET_ALL if relation == "FAULT" else None
    kind = gp.data.StackRelationType[relation]
    return gp.data.StructuralGroup(name, list(elements), kind, **({"fault_relations": faults} if faults else {}))


def fault_group(dip: float = 90.0) -> Any:
    """A fault at x = FAULT_X at a height of -500 m, dipping to the east by so many degrees."""
    data = gempy().data
    y = np.array([100.0, 800.0, 1500.0] * 2)
    z = np.array([-100.0] * 3 + [-900.0] * 3)
    names = ["Fault"] * 6
    x = FAULT_X + (-500.0 - z) / np.tan(np.deg2rad(dip))
    pole = np.sin(np.deg2rad(dip)), 0.0, np.cos(np.deg2rad(dip))
    fault = data.StructuralElement(
        name="Fault",
        color="#000000",
        surface_points=data.SurfacePointsTable.from_arrays(x, y, z, names),
        orientations=data.OrientationsTable.from_arrays([FAULT_X], [800.0], [-500.0], *([c] for c in pole), ["Fault"]),
    )
    return group_of("Faults", fault, relation="FAULT")


def model_of(name: str, *groups: Any, resolution: tuple[int, int, int] = (16, 12, 20)) -> Any:
    """A GeoModel of structural groups, young to old."""
    return assemble(gempy(), name, list(groups), resolution)
