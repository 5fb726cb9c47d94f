"""exporter:mesh — writes the surface of a field as a mesh in data coordinates."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional as F

from radfield_core import Exporter, HasColor, HasDensity, HasSDF, Model, NoSurface, Progress, Scene, UsageError
from radfield_core.data import similarity_scale
from radfield_core.ops import device_of
from radfield_mesh.config import POINTS_AT_ONCE, MeshConfig, SurfaceConfig
from radfield_mesh.extraction import NotCrossed, Query, extract
from radfield_mesh.frames import has_place, to_data, upright, world_normals

logger = logging.getLogger(__name__)


class MeshExporter(Exporter):
    """Exporter of a mesh.

    The steps are marching cubes, removal of small components, simplification, and vertex colors.
    """

    config: MeshConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the mesh to `path`, in the format that its ending names. Return the file written.

        Raises:
            NoSurface: the field has no surface in the scene box.
        """
        if self.config.texture == "none":
            return write_mesh(to_data(self.surface(model, scene), scene), scene, path)
        return self._textured(model, scene, path)

    def _textured(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        from radfield_mesh.texture.export import color_function, write_textured

        field, config = model.queries(), self.config
        surface = self.bare_surface(field, scene)
        color_at = color_function(field, surface, scene, config.chunk) if config.texture == "field" else None
        return write_textured(to_data(surface, scene), scene, path, config, color_at)

    def bare_surface(self, field: object, scene: Scene) -> trimesh.Trimesh:
        """Return the surface as a mesh in field space, without normals and colors."""
        config = self.config
        mesh = surface_of(field, scene, config, config.exhaustive, config.chunk)
        return simplified(without_specks(mesh, config.min_component), config.max_faces)

    def surface(self, model: Model, scene: Scene) -> trimesh.Trimesh:
        """Return the surface as a mesh in field space (see `frames`), with normals and, if available, colors."""
        field = model.queries()
        mesh = self.bare_surface(field, scene)
        normals, colors = -inward(field, mesh.vertices, self.config.chunk), None
        if self.config.colors and isinstance(field, HasColor):
            from radfield_mesh.seen_colors import SeenColors, in_scene

            places = np.asarray(mesh.vertices)
            points = in_scene(places, scene)
            seen = SeenColors(field, scene, points, np.asarray(mesh.faces), self.config.chunk)
            colors = seen.at(places, points, world_normals(normals, places, scene))
        return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=normals, vertex_colors=colors, process=False)


def write_mesh(mesh: trimesh.Trimesh, scene: Scene, path: Path) -> list[Path]:
    """Write a mesh in data coordinates, in the format that the path's ending names. Return the file written."""
    turn = turn_for(path, scene)
    if not np.array_equal(turn, np.eye(4)):
        mesh.apply_transform(turn)
    mesh.export(path, file_type=path.suffix[1:].lower())
    return [path]


def turn_for(path: Path, scene: Scene) -> NDArray[np.float64]:
    """Return the rotation [4, 4] from data coordinates to those of a file, and say it if an upward axis is unknown."""
    if path.suffix.lower() != ".glb":
        return np.eye(4)
    if scene.up is None and scene.estimated_up is not None:
        logger.info("%s was turned upright by an estimate: %s", path.name, scene.estimated_up.how)
    elif scene.up is None:
        logger.warning(
            "%s may not stand upright: the data set does not state its upward axis, so the mesh keeps the axes of "
            "the data; turn it in the program that shows it", path.name,
        )  # fmt: skip
    return upright(scene)


def simplified(mesh: trimesh.Trimesh, max_faces: int | None) -> trimesh.Trimesh:
    """Return the mesh itself if it has at most `max_faces` faces. Otherwise, log a message and return a simplified
    mesh."""
    if max_faces is None or len(mesh.faces) <= max_faces:
        return mesh
    fewer = mesh.simplify_quadric_decimation(face_count=max_faces)
    logger.info(
        "simplified the mesh from %s to %s faces; max_faces=none keeps all",
        f"{len(mesh.faces):,}", f"{len(fewer.faces):,}",
    )  # fmt: skip
    return fewer


def surface_query(field: object, scene: Scene, config: SurfaceConfig) -> tuple[Query, float]:
    """Return a function of points in field space, and the value of this function at the surface.

    The values of the function increase from the inside of the surface to the outside. `config.level` is a distance in
    the data, and the function returns distances in the scene.
    """
    if isinstance(field, HasSDF):
        return field.sdf, config.level / similarity_scale(scene.to_data.double().numpy())
    if isinstance(field, HasDensity):
        return lambda x: -field.density(x), -config.density
    raise _without_surface(field)


def _without_surface(field: object) -> UsageError:
    return UsageError(
        f"{type(field).__name__} has neither a signed distance nor a density, so it has no surface",
        path="field", hint="radfield plugins list",
    )  # fmt: skip


def _no_surface(field: object, scene: Scene, config: SurfaceConfig, found: NotCrossed) -> NoSurface:
    hint, density = "Train longer, and check the result with radfield render", config.density
    if isinstance(field, HasSDF):
        unit = similarity_scale(scene.to_data.double().numpy())
        at = f" at level {config.level:g}" if config.level else ""
        message = f"no surface{at}: distances lie between {unit * found.low:.4g} and {unit * found.high:.4g}"
        return NoSurface(message, hint="Set a level between these" if config.level else hint)
    low, high = -found.high, -found.low
    message = f"no surface at density {density:g}: densities lie between {low:.4g} and {high:.4g}"
    return NoSurface(message, hint=f"Set density={math.sqrt(low * high):.2g}, or train longer" if low > 0.0 else hint)


def surface_of(
    field: object, scene: Scene, config: SurfaceConfig, exhaustive: bool = False, chunk: int = POINTS_AT_ONCE
) -> trimesh.Trimesh:
    """Return the surface of a field in the scene box, as a mesh in field space. Parts at infinity are left out.

    Raises:
        NoSurface: there is no surface in the box, or all of it is at infinity.
    """
    query, level = surface_query(field, scene, config)
    device = device_of(field)
    center, radius = scene.box.center.double().cpu().numpy(), scene.box.radius
    with Progress("surface", 1.0) as bar:

        def report(done: int, total: int) -> None:
            if bar.due():
                bar.update(done / total, f"{done}/{total} blocks")

        try:
            vertices, faces = extract(
                lambda x: query(x.to(device)), center - radius, center + radius, config.resolution,
                level=level, exhaustive=exhaustive, chunk=chunk, report=report,
            )  # fmt: skip
        except NotCrossed as found:
            raise _no_surface(field, scene, config, found) from None
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    kept = np.all(has_place(np.asarray(mesh.vertices), scene)[faces], axis=1)
    if not kept.any():
        raise NoSurface("the surface is infinitely far away", hint="Train longer")
    return mesh if kept.all() else only_faces(mesh, kept)


def only_faces(mesh: trimesh.Trimesh, kept: NDArray[np.bool_]) -> trimesh.Trimesh:
    """Return a mesh that has only the faces for which `kept` [F] is True, and only the vertices of these faces."""
    used, index = np.unique(np.asarray(mesh.faces)[kept], return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used], index.reshape(-1, 3), process=False)


def without_specks(mesh: trimesh.Trimesh, share: float) -> trimesh.Trimesh:
    """Return the mesh without small components.

    A component is small if it has fewer faces than `share` times the number of faces of the largest component.
    """
    faces = np.asarray(mesh.faces)
    n = len(mesh.vertices)
    rows, columns = np.concatenate([faces[:, 0], faces[:, 1]]), np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label[faces[:, 0]])
    return only_faces(mesh, (sizes >= share * sizes.max())[label[faces[:, 0]]])


def inward(field: object, vertices: NDArray[np.float64], chunk: int) -> NDArray[np.float64]:
    """Return unit directions [V, 3] that point into the solid at each vertex [V, 3].

    A direction is along the negative gradient of the signed distance, or along the gradient of the density.
    """

    def slope(x: Tensor) -> Tensor:
        if isinstance(field, HasSDF):
            with torch.no_grad():
                return -field.gradient(x)
        if not isinstance(field, HasDensity):
            raise _without_surface(field)
        with torch.enable_grad():
            x = x.requires_grad_()
            return torch.autograd.grad(field.density(x).sum(), x)[0]

    return _evaluate(lambda x: F.normalize(slope(x), dim=-1), device_of(field), vertices, chunk).astype(np.float64)


def vertex_colors(
    field: HasColor, device: torch.device, vertices: NDArray[np.float64], viewdirs: NDArray[np.float64], chunk: int
) -> NDArray[np.uint8]:
    """Return the uint8 colors [V, 3] of vertices [V, 3], as seen along `viewdirs` [V, 3]."""
    both = np.concatenate([vertices, viewdirs], axis=1)
    with torch.no_grad():
        colors = _evaluate(lambda x: field.point_color(x[:, :3], x[:, 3:]), device, both, chunk)
    return np.round(colors.clip(0, 1) * 255).astype(np.uint8)


def _evaluate(function: Query, device: torch.device, rows: NDArray[np.float64], chunk: int) -> NDArray[np.float32]:
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(rows, np.float32)), chunk)
    return torch.cat([function(part.to(device)).detach().cpu().float() for part in parts]).numpy()
