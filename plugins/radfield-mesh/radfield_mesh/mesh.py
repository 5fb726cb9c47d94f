"""exporter:mesh — writes the surface of a field as a mesh in data coordinates."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import trimesh

from radfield_core import Exporter, HasColor, HasDensity, HasSDF, Model, NoSurface, Progress, Scene
from radfield_core.data import similarity_scale
from radfield_core.ops import device_of
from radfield_mesh.cleaning import only_faces, simplified, without_specks
from radfield_mesh.config import POINTS_AT_ONCE, MeshConfig, SurfaceConfig
from radfield_mesh.evaluation import inward, without_surface
from radfield_mesh.extraction import NotCrossed, Query, extract
from radfield_mesh.frames import has_place, to_data, turn_for, world_normals
from radfield_mesh.seen_colors import SeenColors, in_scene
from radfield_mesh.texture.export import color_function, write_textured

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


def surface_query(field: object, scene: Scene, config: SurfaceConfig) -> tuple[Query, float]:
    """Return a function of points in field space, and the value of this function at the surface.

    The values of the function increase from the inside of the surface to the outside. `config.level` is a distance in
    the data, and the function returns distances in the scene.
    """
    if isinstance(field, HasSDF):
        return field.sdf, config.level / similarity_scale(scene.to_data.double().numpy())
    if isinstance(field, HasDensity):
        return lambda x: -field.density(x), -config.density
    raise without_surface(field)


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
