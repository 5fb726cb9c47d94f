"""Baking: the colors of a texture, from photographs or from a field.

Symbols in shapes: N vertices, F faces, M points, V views, T texels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from radfield_core import Progress, Scene
from radfield_core.data import transform_points
from radfield_mesh.cleaning import only_faces
from radfield_mesh.texture import _blend
from radfield_mesh.texture.charts import Texels, charts_of
from radfield_mesh.texture.files import TexturedMesh
from radfield_mesh.texture.gains import exposure_gains
from radfield_mesh.texture.photos import Photos, Views, photos_of, views_of
from radfield_mesh.texture.unseen import spread

logger = logging.getLogger(__name__)

Array = NDArray[Any]

KEEP = 16
"""Number of photographs that are mixed at a texel: those that count most."""

GAIN_POINTS = 20_000
"""Number of vertices whose colors are compared to find the exposures."""

_CHUNK = 65536


@dataclass(frozen=True, eq=False)
class Baked:
    """A textured mesh in data coordinates, and what is known about it.

    Attributes:
        mesh: the mesh.
        seen: share of the covered texels that a photograph sees; None if no photographs were used.
        gains: factors of the photographs' colors [V, 3]; None if no photographs were used.
    """

    mesh: TexturedMesh
    seen: float | None = None
    gains: Array | None = None


def to_world(points: Array, scene: Scene) -> Array:
    """Return points [P, 3] in scene coordinates, from data coordinates."""
    back = torch.linalg.inv(scene.to_data.double().cpu())
    world: Array = transform_points(back, torch.from_numpy(np.asarray(points, np.float64))).numpy()
    return world


def outward_normals(vertices: Array, faces: Array) -> Array:
    """Return unit normals [N, 3] of vertices, weighted by the angles of their faces."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    return np.asarray(mesh.vertex_normals, np.float64)


def from_photos(mesh: trimesh.Trimesh, scene: Scene, size: int, cull: bool) -> Baked:
    """Return a mesh with a texture from the scene's photographs.

    Args:
        mesh: mesh in data coordinates.
        scene: the photographs and their cameras.
        size: texels along a side of the image.
        cull: True to remove faces that no photograph sees.
    """
    world = to_world(mesh.vertices, scene)
    views = views_of(scene.cameras, world, mesh.faces)
    photos = photos_of(scene, views)
    normals = _facing(world, mesh, scene)
    if cull:
        mesh = only_faces(mesh, np.asarray(seen_vertices(world, normals, views)[mesh.faces].any(1)))
        world = to_world(mesh.vertices, scene)
        normals = _facing(world, mesh, scene)
    gains = _gains(world, normals, views, photos)
    corners, known = _blended(world, normals, views, photos, gains)
    corners = spread(corners, known > 0, np.asarray(mesh.faces))
    with Progress("texture", 1.0) as bar:
        bar.update(0.0, "charts")
        charts = charts_of(world, mesh.faces, size)
        texels = Texels.of(charts, size)
        places, directions = world[charts.source], normals[charts.source]
        points = texels.interpolate(places, charts.faces)

        def report(done: int, total: int) -> None:
            if bar.due():
                bar.update(done / total, "photographs")

        colors, weights = _blended(
            points, _unit(texels.interpolate(directions, charts.faces)), views, photos, gains, report
        )
    hidden = weights == 0
    colors[hidden] = texels.interpolate(corners[charts.source], charts.faces)[hidden]
    share = 1.0 - float(hidden.mean()) if len(hidden) else 0.0
    logger.info("photographs see %.0f%% of the texture; other texels continue the colors around them", 100 * share)
    return Baked(_textured(mesh, charts.source, charts.faces, charts.uv, texels.image(colors)), share, gains)


def from_colors(mesh: trimesh.Trimesh, scene: Scene, size: int, color_at: Callable[[Array, Array], Array]) -> Baked:
    """Return a mesh with a texture from a function of points and directions.

    Args:
        mesh: mesh in data coordinates.
        scene: the cameras, which say along which directions a point is seen.
        size: texels along a side of the image.
        color_at: returns the colors [M, 3] in [0, 1] of points [M, 3] and outward normals [M, 3] in scene coordinates.
    """
    world = to_world(mesh.vertices, scene)
    normals = _facing(world, mesh, scene)
    charts = charts_of(world, mesh.faces, size)
    texels = Texels.of(charts, size)
    points = texels.interpolate(world[charts.source], charts.faces)
    colors = 255 * color_at(points, _unit(texels.interpolate(normals[charts.source], charts.faces)))
    return Baked(_textured(mesh, charts.source, charts.faces, charts.uv, texels.image(colors)))


def seen_vertices(points: Array, normals: Array, views: Views) -> Array:
    """Return a mask [M] that is True for each point [M, 3] that a view sees."""
    seen: Array = best_views(points, normals, views, 1)[:, 0] >= 0
    return seen


def best_views(points: Array, normals: Array, views: Views, keep: int) -> Array:
    """Return the numbers [M, keep] of the views that see each point best, and -1 where there are fewer."""
    best = np.full((len(points), keep), -1, np.int64)

    def run(part: slice) -> None:
        _blend.best_views(
            _rows(points, part), _rows(normals, part), views.poses, views.intrinsics, views.sizes, views.offsets,
            views.depths, best[part],
        )  # fmt: skip

    _in_parts(run, len(points))
    return best


def _gains(points: Array, normals: Array, views: Views, photos: Photos) -> Array:
    """Return the factors [V, 3] of the photographs, from the colors of some vertices."""
    some = np.random.default_rng(0).permutation(len(points))[:GAIN_POINTS]
    weights, colors = np.zeros((len(some), len(views))), np.zeros((len(some), len(views), 3), np.float32)
    _blend.sample(
        _rows(points, some), _rows(normals, some), views.poses, views.intrinsics, views.sizes, views.offsets,
        views.depths, photos.rgb, photos.counted, photos.sharpness, weights, colors,
    )  # fmt: skip
    return exposure_gains(weights, colors)


def _blended(
    points: Array, normals: Array, views: Views, photos: Photos, gains: Array,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Array, Array]:  # fmt: skip
    """Return the colors [M, 3] in [0, 255] of points in the photographs, and their weights [M]; 0 if unseen."""
    colors, weights = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)

    def run(part: slice) -> None:
        _blend.blend(
            _rows(points, part), _rows(normals, part), views.poses, views.intrinsics, views.sizes, views.offsets,
            views.depths, photos.rgb, photos.counted, photos.sharpness, gains, KEEP, colors[part], weights[part],
        )  # fmt: skip
        report(part.stop, len(points))

    _in_parts(run, len(points))
    return colors, weights


def _in_parts(run: Callable[[slice], None], n: int) -> None:
    """Run a function on slices of n rows, on as many threads as torch uses."""
    parts = [slice(first, min(first + _CHUNK, n)) for first in range(0, n, _CHUNK)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(run, parts))


def _rows(values: Array, part: slice | Array) -> Array:
    return np.ascontiguousarray(values[part], np.float64)


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _facing(world: Array, mesh: trimesh.Trimesh, scene: Scene) -> Array:
    """Return the outward normals [N, 3] of a mesh in scene coordinates. A mirroring transform turns them inward."""
    mirrored = bool(torch.linalg.det(scene.to_data[:3, :3].double()) < 0)
    normals = outward_normals(world, mesh.faces)
    return -normals if mirrored else normals


def _textured(mesh: trimesh.Trimesh, source: Array, faces: Array, uv: Array, image: Array) -> TexturedMesh:
    normals = outward_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    return TexturedMesh(np.asarray(mesh.vertices)[source], faces, normals[source], uv, image)
