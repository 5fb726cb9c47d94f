"""Colors of points from photographs: numba kernels.

How much a photograph counts at a point is the product of three factors: the square of the cosine of the angle at which
it sees the surface, the number of its pixels on an area of the surface, and its sharpness.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from radfield_core.ops import inlined, kernel
from radfield_mesh.texture._raster import project

Array = Any

LEAST_COSINE = 0.1
"""Views that see the surface at a smaller cosine do not count."""

BIAS = 2.0
"""A point may lie this number of pixels behind the depth that a view sees, times 1 + the tangent of the angle."""


@kernel
def best_views(
    points: Array, normals: Array, poses: Array, intrinsics: Array, sizes: Array, offsets: Array, depths: Array,
    best: Array,
) -> None:  # fmt: skip
    """Write the views [M, K] that see each point [M, 3] best, the best one first, and -1 where there are fewer."""
    kept = best.shape[1]
    weights = np.zeros(kept)
    for m in range(len(points)):
        weights[:] = 0.0
        best[m] = -1
        for view in range(len(poses)):
            weight, _, _ = _weight(
                points[m], normals[m], poses[view], intrinsics[view], sizes[view], offsets[view], depths
            )
            if not weight > weights[kept - 1]:
                continue
            slot = kept - 1
            while slot > 0 and weight > weights[slot - 1]:
                weights[slot], best[m, slot] = weights[slot - 1], best[m, slot - 1]
                slot -= 1
            weights[slot], best[m, slot] = weight, view


@kernel
def sample(
    points: Array, normals: Array, poses: Array, intrinsics: Array, sizes: Array, offsets: Array, depths: Array,
    rgb: Array, counted: Array, sharpness: Array, weights: Array, colors: Array,
) -> None:  # fmt: skip
    """Write the weight [M, V] and the color [M, V, 3] of each point [M, 3] in each view."""
    for m in range(len(points)):
        for view in range(len(poses)):
            weight, u, v = _weight(
                points[m], normals[m], poses[view], intrinsics[view], sizes[view], offsets[view], depths
            )
            if weight > 0.0 and _counts(u, v, sizes[view], offsets[view], counted):
                weights[m, view] = weight * sharpness[view]
                for channel in range(3):
                    colors[m, view, channel] = _color(u, v, sizes[view], offsets[view], rgb, channel)


@kernel
def blend(
    points: Array, normals: Array, poses: Array, intrinsics: Array, sizes: Array, offsets: Array, depths: Array,
    rgb: Array, counted: Array, sharpness: Array, gains: Array, keep: int, out: Array, total: Array,
) -> None:  # fmt: skip
    """Write the mean color [M, 3] of each point [M, 3] over the `keep` views that count most, and their weight [M].

    A view's colors are multiplied by its gains [V, 3]. The weight is 0 where no view counts.
    """
    weights, views, places = np.zeros(keep), np.zeros(keep, np.int64), np.zeros((keep, 2))
    for m in range(len(points)):
        weights[:] = 0.0
        for view in range(len(poses)):
            weight, u, v = _weight(
                points[m], normals[m], poses[view], intrinsics[view], sizes[view], offsets[view], depths
            )
            weight *= sharpness[view]
            if not weight > weights[keep - 1] or not _counts(u, v, sizes[view], offsets[view], counted):
                continue
            slot = keep - 1
            while slot > 0 and weight > weights[slot - 1]:
                weights[slot], views[slot] = weights[slot - 1], views[slot - 1]
                places[slot, 0], places[slot, 1] = places[slot - 1, 0], places[slot - 1, 1]
                slot -= 1
            weights[slot], views[slot], places[slot, 0], places[slot, 1] = weight, view, u, v
        all_weights = 0.0
        for slot in range(keep):
            if weights[slot] == 0.0:
                break
            all_weights += weights[slot]
            view = views[slot]
            for channel in range(3):
                color = _color(places[slot, 0], places[slot, 1], sizes[view], offsets[view], rgb, channel)
                out[m, channel] += weights[slot] * gains[view, channel] * color
        if all_weights > 0.0:
            for channel in range(3):
                out[m, channel] /= all_weights
        total[m] = all_weights


@inlined
def _weight(
    point: Array, normal: Array, pose: Array, intrinsics: Array, size: Array, offset: int, depths: Array
) -> tuple[float, float, float]:
    """Return how much a view counts at a point before its sharpness, and the column and row; 0 if it is hidden."""
    u, v, z = project(point, pose, intrinsics)
    if not (z > 0.0 and u >= 1.0 and v >= 1.0 and u <= size[0] - 2.0 and v <= size[1] - 2.0):
        return 0.0, u, v
    # The camera looks at the point along (x, y, z) in its own axes.
    x, y = (u - intrinsics[2]) / intrinsics[0] * z, (v - intrinsics[3]) / intrinsics[1] * z
    away = 0.0
    along = (x, y, z)
    for axis in range(3):
        turned = pose[axis, 0] * normal[0] + pose[axis, 1] * normal[1] + pose[axis, 2] * normal[2]
        away += turned * along[axis]
    cosine = -away / np.sqrt(x * x + y * y + z * z)
    if not cosine > LEAST_COSINE:
        return 0.0, u, v
    density = intrinsics[0] / z
    slack = BIAS / density * (1.0 + np.sqrt(max(0.0, 1.0 - cosine * cosine)) / cosine)
    depth = depths[offset + int(v + 0.5) * size[0] + int(u + 0.5)]
    if not (depth < np.inf and z <= depth + slack):
        return 0.0, u, v
    return cosine * cosine * cosine * density * density, u, v


@inlined
def _counts(u: float, v: float, size: Array, offset: int, counted: Array) -> bool:
    """Return True if the four pixels around a place count."""
    at = offset + int(v) * size[0] + int(u)
    return bool(counted[at] and counted[at + 1] and counted[at + size[0]] and counted[at + size[0] + 1])


@inlined
def _color(u: float, v: float, size: Array, offset: int, rgb: Array, channel: int) -> float:
    """Return a color between four pixels, in [0, 255]."""
    column, row = int(u), int(v)
    x, y, at = u - column, v - row, offset + row * size[0] + column
    upper = (1.0 - x) * rgb[at, channel] + x * rgb[at + 1, channel]
    lower = (1.0 - x) * rgb[at + size[0], channel] + x * rgb[at + size[0] + 1, channel]
    return float((1.0 - y) * upper + y * lower)
