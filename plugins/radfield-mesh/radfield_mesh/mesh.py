"""`exporter:mesh`: the surface of a field, in the data's own coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional as F
from trimesh.visual import ColorVisuals

from radfield_core.errors import UsageError
from radfield_core.interfaces import Exporter, Field, HasColor, HasDensity, HasSDF
from radfield_core.model import Model
from radfield_core.progress import Progress
from radfield_core.scene import Scene
from radfield_mesh.config import MeshConfig
from radfield_mesh.extraction import Query, extract

Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""From z-up to the y-up that glTF prescribes: (x, y, z) -> (x, z, -y)."""


class MeshExporter(Exporter):
    """Marching cubes, then components, simplification, colours, and the way back to the data."""

    config: MeshConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write `path`, its suffix by the format. Raises NoSurface, with the range of values, if there is none."""
        path = path.with_suffix(f".{self.config.format}")
        mesh = to_data(self.surface(model, scene), scene)
        if self.config.format == "glb" and scene.up != "y":
            mesh.apply_transform(Y_UP)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial{path.suffix}")
        mesh.export(partial)
        partial.replace(path)
        return [path]

    def surface(self, model: Model, scene: Scene) -> trimesh.Trimesh:
        """The surface in scene coordinates."""
        field = model.main_field
        mesh = surface_of(
            field, scene, self.config.resolution, self.config.density, self.config.exhaustive, self.config.chunk
        )
        mesh = without_specks(mesh, self.config.min_component)
        if self.config.max_faces is not None and len(mesh.faces) > self.config.max_faces:
            mesh = mesh.simplify_quadric_decimation(face_count=self.config.max_faces)
        normals = -inward(field, mesh.vertices, self.config.chunk)
        colors = None
        if self.config.colors and isinstance(field, HasColor):
            colors = vertex_colors(field, device_of(field), mesh.vertices, -normals, self.config.chunk)
        return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=normals, vertex_colors=colors, process=False)


def surface_query(field: Field, density: float) -> tuple[Query, float]:
    """A function that grows outwards, and its level at the surface."""
    if isinstance(field, HasSDF):
        return field.sdf, 0.0
    if isinstance(field, HasDensity):
        return lambda x: -field.density(x), -density
    raise _without_surface(field)


def _without_surface(field: Field) -> UsageError:
    return UsageError(
        f"{type(field).__name__} answers neither sdf nor density, so it has no surface",
        path="field", hint="radfield plugins list shows which fields provide either",
    )  # fmt: skip


def surface_of(
    field: Field, scene: Scene, resolution: int, density: float, exhaustive: bool = False, chunk: int = 65536
) -> trimesh.Trimesh:
    """The field's surface in the scene's box, in scene coordinates."""
    query, level = surface_query(field, density)
    device = device_of(field)
    center, radius = scene.box.center.double().cpu().numpy(), scene.box.radius
    with Progress("surface", 1.0) as bar:

        def report(done: int, total: int) -> None:
            if bar.due():
                bar.update(done / total, f"{done}/{total} blocks")

        vertices, faces = extract(
            lambda x: query(x.to(device)), center - radius, center + radius, resolution,
            level=level, exhaustive=exhaustive, chunk=chunk, report=report,
        )  # fmt: skip
    return trimesh.Trimesh(vertices, faces, process=False)


def without_specks(mesh: trimesh.Trimesh, share: float) -> trimesh.Trimesh:
    """The connected parts with at least `share` of the faces of the largest."""
    faces = np.asarray(mesh.faces)
    n = len(mesh.vertices)
    rows, columns = np.concatenate([faces[:, 0], faces[:, 1]]), np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label[faces[:, 0]])
    kept = (sizes >= share * sizes.max())[label[faces[:, 0]]]
    used, index = np.unique(faces[kept], return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used], index.reshape(-1, 3), process=False)


def inward(field: Field, vertices: NDArray[np.float64], chunk: int) -> NDArray[np.float64]:
    """Unit directions [V, 3] into the solid: against the slope of the signed distance, along that of the density."""

    def slope(x: Tensor) -> Tensor:
        if isinstance(field, HasSDF):
            with torch.no_grad():
                return -field.gradient(x)
        if not isinstance(field, HasDensity):
            raise _without_surface(field)
        with torch.enable_grad():
            x = x.requires_grad_()
            return torch.autograd.grad(field.density(x).sum(), x)[0]

    return _asked(lambda x: F.normalize(slope(x), dim=-1), device_of(field), vertices, chunk).astype(np.float64)


def vertex_colors(
    field: HasColor, device: torch.device, vertices: NDArray[np.float64], viewdirs: NDArray[np.float64], chunk: int
) -> NDArray[np.uint8]:
    """Colours [V, 3] as bytes."""
    both = np.concatenate([vertices, viewdirs], axis=1)
    with torch.no_grad():
        colors = _asked(lambda x: field.point_color(x[:, :3], x[:, 3:]), device, both, chunk)
    return np.round(colors.clip(0, 1) * 255).astype(np.uint8)


def device_of(field: Field) -> torch.device:
    """Where the field's parameters are."""
    return next(field.parameters()).device


def _asked(function: Query, device: torch.device, rows: NDArray[np.float64], chunk: int) -> NDArray[np.float32]:
    parts = torch.from_numpy(np.ascontiguousarray(rows, np.float32)).split(chunk)
    return torch.cat([function(part.to(device)).detach().cpu().float() for part in parts]).numpy()


def to_data(mesh: trimesh.Trimesh, scene: Scene) -> trimesh.Trimesh:
    """The mesh in the data's own coordinates, normals turned with it; its colours are kept."""
    transform = scene.to_data.double().cpu().numpy()
    rotation = transform[:3, :3] / np.cbrt(np.linalg.det(transform[:3, :3]))
    vertices = scene.data_points(torch.from_numpy(np.asarray(mesh.vertices, np.float64))).numpy()
    visual = mesh.visual
    colors = visual.vertex_colors if isinstance(visual, ColorVisuals) and visual.kind == "vertex" else None
    normals = mesh.vertex_normals @ rotation.T
    return trimesh.Trimesh(vertices, mesh.faces, vertex_normals=normals, vertex_colors=colors, process=False)
