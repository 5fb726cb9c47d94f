"""Drawing of triangles into depth images and into textures: numba kernels."""

# Loops over faces and pixels are written out, because numba compiles them.

from __future__ import annotations

from typing import Any

import numpy as np

from radfield_core.ops import inlined, kernel

Array = Any

NEAREST = 1e-9
"""Faces with a vertex at this depth or less are not drawn."""


@kernel
def draw(vertices: Array, faces: Array, pose: Array, intrinsics: Array, depths: Array, shown: Array) -> None:
    """Draw a mesh into the depths [H, W] float32 of a view and into the numbers of the faces shown [H, W] int32.

    Only what is nearer than the depth that is there is drawn. A pixel shows a face that covers its middle.
    """
    height, width = depths.shape
    corners = np.empty((3, 3))
    for face in range(len(faces)):
        behind = False
        for corner in range(3):
            u, v, z = project(vertices[faces[face, corner]], pose, intrinsics)
            corners[corner, 0], corners[corner, 1], corners[corner, 2] = u, v, z
            behind |= z <= NEAREST
        if behind:
            continue
        left = max(0, int(np.ceil(min(corners[0, 0], corners[1, 0], corners[2, 0]))))
        right = min(width - 1, int(np.floor(max(corners[0, 0], corners[1, 0], corners[2, 0]))))
        top = max(0, int(np.ceil(min(corners[0, 1], corners[1, 1], corners[2, 1]))))
        bottom = min(height - 1, int(np.floor(max(corners[0, 1], corners[1, 1], corners[2, 1]))))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                a, b, c = shares(corners, float(column), float(row))
                if min(a, b, c) < 0.0:
                    continue
                depth = 1.0 / (a / corners[0, 2] + b / corners[1, 2] + c / corners[2, 2])
                if depth < depths[row, column]:
                    depths[row, column] = depth
                    shown[row, column] = face


@kernel
def interpolate(
    vertices: Array, faces: Array, pose: Array, intrinsics: Array, shown: Array, corners: Array, values: Array
) -> None:
    """Write the values [H, W, C] of the faces shown [H, W], from values at the corners of each face [F, 3, C].

    They are interpolated linearly on the surface, not in the image.
    """
    seen = np.empty((3, 3))
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            face = shown[row, column]
            if face < 0:
                continue
            for corner in range(3):
                u, v, z = project(vertices[faces[face, corner]], pose, intrinsics)
                seen[corner, 0], seen[corner, 1], seen[corner, 2] = u, v, z
            a, b, c = shares(seen, float(column), float(row))
            a, b, c = a / seen[0, 2], b / seen[1, 2], c / seen[2, 2]
            total = a + b + c
            for channel in range(values.shape[2]):
                mixed = a * corners[face, 0, channel] + b * corners[face, 1, channel] + c * corners[face, 2, channel]
                values[row, column, channel] = mixed / total


@kernel
def cover(places: Array, faces: Array, shown: Array, weights: Array) -> None:
    """Write, for each texel, the face that covers its middle [S, S] int32 and the weights of the corners [S, S, 3].

    `places` [N, 2] are columns and rows in texels. Texels within half a texel of a face's edge count as covered if no
    face covers them, so that linear interpolation between texels stays inside.
    """
    size = len(shown)
    corners, best = np.empty((3, 3)), np.full((size, size), -np.inf, np.float32)
    for face in range(len(faces)):
        for corner in range(3):
            corners[corner, 0], corners[corner, 1] = places[faces[face, corner], 0], places[faces[face, corner], 1]
        left = max(0, int(np.floor(min(corners[0, 0], corners[1, 0], corners[2, 0]))))
        right = min(size - 1, int(np.ceil(max(corners[0, 0], corners[1, 0], corners[2, 0]))))
        top = max(0, int(np.floor(min(corners[0, 1], corners[1, 1], corners[2, 1]))))
        bottom = min(size - 1, int(np.ceil(max(corners[0, 1], corners[1, 1], corners[2, 1]))))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                a, b, c = shares(corners, float(column), float(row))
                inside = min(a, b, c)
                if not inside > best[row, column]:
                    continue
                if inside < 0.0:
                    a, b, c = max(a, 0.0), max(b, 0.0), max(c, 0.0)
                    total = a + b + c
                    a, b, c = a / total, b / total, c / total
                    x = a * corners[0, 0] + b * corners[1, 0] + c * corners[2, 0] - column
                    y = a * corners[0, 1] + b * corners[1, 1] + c * corners[2, 1] - row
                    if x * x + y * y > 0.5:
                        continue
                best[row, column] = inside
                shown[row, column] = face
                weights[row, column, 0], weights[row, column, 1], weights[row, column, 2] = a, b, c


@inlined
def project(point: Array, pose: Array, intrinsics: Array) -> tuple[float, float, float]:
    """Return the column, the row and the depth of a point in a pinhole view."""
    x = pose[0, 0] * point[0] + pose[0, 1] * point[1] + pose[0, 2] * point[2] + pose[0, 3]
    y = pose[1, 0] * point[0] + pose[1, 1] * point[1] + pose[1, 2] * point[2] + pose[1, 3]
    z = pose[2, 0] * point[0] + pose[2, 1] * point[1] + pose[2, 2] * point[2] + pose[2, 3]
    return x / z * intrinsics[0] + intrinsics[2], y / z * intrinsics[1] + intrinsics[3], z


@inlined
def shares(corners: Array, column: float, row: float) -> tuple[float, float, float]:
    """Return the barycentric weights of a place in a triangle; negative outside, NaN if the triangle has no area."""
    ax, ay = corners[0, 0] - column, corners[0, 1] - row
    bx, by = corners[1, 0] - column, corners[1, 1] - row
    cx, cy = corners[2, 0] - column, corners[2, 1] - row
    a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    total = a + b + c
    return a / total, b / total, c / total
