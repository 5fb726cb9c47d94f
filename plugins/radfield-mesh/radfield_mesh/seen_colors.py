"""Colors of points on a surface, as the cameras see them.

A field knows the color of a point only along directions from which a camera saw it. So it is asked along the directions
of the cameras that see the point best, and the median of the answers is taken.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radfield_core import HasColor, Scene, UsageError
from radfield_core.ops import device_of
from radfield_mesh.evaluation import vertex_colors
from radfield_mesh.texture.bake import best_views
from radfield_mesh.texture.photos import Views, views_of

logger = logging.getLogger(__name__)

Array = NDArray[Any]

DIRECTIONS = 3
"""Number of cameras along whose directions a point's color is asked for."""


class SeenColors:
    """Colors of a field on a mesh.

    Args:
        field: a field that has colors.
        scene: the cameras.
        vertices: the mesh's vertices [N, 3] in scene coordinates, which hide each other.
        faces: the mesh's faces [F, 3].
        chunk: number of points at which the field is evaluated at once.
    """

    def __init__(self, field: HasColor, scene: Scene, vertices: Array, faces: Array, chunk: int):
        self.field, self.scene, self.chunk = field, scene, chunk
        self.views: Views | None = None
        try:
            self.views = views_of(scene.cameras, vertices, faces)
        except UsageError:
            logger.warning(
                "no pinhole camera sees what the lens %r sees, so colors are asked along the inward normals, where no "
                "camera may have looked", scene.cameras.model,
            )  # fmt: skip

    def directions(self, points: Array, normals: Array) -> list[Array]:
        """Return arrays [P, 3] of unit directions along which cameras see points [P, 3], in scene coordinates.

        A point that only one camera sees has NaN in the second and third array. A point that no camera sees has the
        direction against its outward normal [P, 3] in the first.
        """
        if self.views is None:
            return [-normals]
        eyes, best = (
            self.scene.cameras.c2w[..., 3].double().numpy(),
            best_views(points, normals, self.views, DIRECTIONS),
        )
        found = []
        for number, seen_by in enumerate(best.T):
            along = points - eyes[seen_by]
            along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
            along[seen_by < 0] = np.nan
            if number == 0:
                along[seen_by < 0] = -normals[seen_by < 0]
            found.append(along)
        return found

    def at(self, places: Array, points: Array, normals: Array) -> NDArray[np.uint8]:
        """Return the colors [P, 3] uint8 of points, as cameras see them.

        Args:
            places: [P, 3] in field space, where the field is evaluated.
            points: the same points in scene coordinates.
            normals: outward normals [P, 3] in scene coordinates.
        """
        colors = np.full((DIRECTIONS, len(points), 3), np.nan, np.float32)
        for number, along in enumerate(self.directions(points, normals)):
            known = np.isfinite(along[:, 0])
            colors[number, known] = vertex_colors(
                self.field, device_of(self.field), places[known], along[known], self.chunk
            )
        median: NDArray[np.uint8] = np.round(np.nanmedian(colors, axis=0)).astype(np.uint8)
        return median


def in_scene(places: Array, scene: Scene) -> Array:
    """Return points [P, 3] in scene coordinates, from field space."""
    if scene.warp is None:
        return np.asarray(places, np.float64)
    points: Array = scene.to_world(torch.from_numpy(np.asarray(places, np.float64))).numpy()
    return points
