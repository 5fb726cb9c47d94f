"""Charts: the surface is cut into pieces that are laid flat, side by side, in a square image.

Symbols in shapes: N vertices of the mesh, M vertices of the charts, F faces, S texels along a side, T texels covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from radfield_mesh.texture import _raster

Array = NDArray[Any]

PADDING = 4
"""Texels between charts. As many levels of a mipmap as its binary logarithm do not mix charts."""


@dataclass(frozen=True, eq=False)
class Charts:
    """A mesh whose vertices on the edges of charts are doubled, with places in the image.

    Attributes:
        source: number of the mesh's vertex [M] that each vertex is a copy of.
        faces: vertices of each face [F, 3]. The order of faces and corners is that of the mesh.
        uv: place of each vertex [M, 2] in [0, 1], from the left and from the top of the image.
    """

    source: Array
    faces: Array
    uv: Array


def charts_of(vertices: Array, faces: Array, size: int) -> Charts:
    """Cut a mesh into charts and pack them into a square of `size` texels (xatlas).

    Args:
        vertices: [N, 3].
        faces: [F, 3].
        size: texels along a side of the image.
    """
    import xatlas

    scale = max(float(np.ptp(vertices, axis=0).max()), 1e-300)  # xatlas has thresholds that expect lengths near 1
    unit = ((vertices - vertices.mean(0)) / scale).astype(np.float32)
    atlas, packing = xatlas.Atlas(), xatlas.PackOptions()
    packing.resolution, packing.padding = size, PADDING
    packing.bilinear = True
    atlas.add_mesh(unit, np.ascontiguousarray(faces, np.uint32))
    atlas.generate(pack_options=packing)
    source, indices, uv = atlas[0]
    return Charts(source.astype(np.int64), indices.astype(np.int64).reshape(-1, 3), uv.astype(np.float64))


@dataclass(frozen=True, eq=False)
class Texels:
    """The texels that charts cover.

    Attributes:
        size: texels along a side S.
        at: flat number row · S + column of each texel covered [T].
        faces: face at the middle of each [T].
        weights: weights of the face's corners [T, 3].
    """

    size: int
    at: Array
    faces: Array
    weights: Array

    @staticmethod
    def of(charts: Charts, size: int) -> Texels:
        """Return the texels that charts cover in an image of `size` × `size` texels."""
        shown, weights = np.full((size, size), -1, np.int32), np.zeros((size, size, 3), np.float32)
        _raster.cover(charts.uv * size - 0.5, charts.faces, shown, weights)
        at = np.flatnonzero(shown.reshape(-1) >= 0)
        return Texels(size, at, shown.reshape(-1)[at], weights.reshape(-1, 3)[at])

    def interpolate(self, values: Array, faces: Array) -> Array:
        """Return the values [T, C] float32 at the texels of values [N, C] at vertices of faces [F, 3]."""
        corners = faces[self.faces]
        values = np.ascontiguousarray(values, np.float32)
        total = np.zeros((len(self.at), values.shape[1]), np.float32)
        for corner in range(3):
            total += self.weights[:, corner, None] * values[corners[:, corner]]
        return total

    def image(self, colors: Array) -> Array:
        """Return the image [S, S, 3] uint8 with the texels' colors [T, 3] in [0, 255].

        A texel that no chart covers has the color of the nearest one that is covered. So neither interpolation nor
        smaller copies of the image mix in a color from outside.
        """
        image, empty = np.zeros((self.size**2, 3), np.uint8), np.ones(self.size**2, bool)
        image[self.at], empty[self.at] = np.round(colors.clip(0, 255)).astype(np.uint8), False
        if not len(self.at) or not empty.any():
            return image.reshape(self.size, self.size, 3)
        nearest = distance_transform_edt(
            empty.reshape(self.size, self.size), return_distances=False, return_indices=True
        )
        padded: Array = image.reshape(self.size, self.size, 3)[tuple(nearest)]
        return padded
