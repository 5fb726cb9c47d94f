"""Exact distances between points and surfaces, and statistics of these distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Triangles:
    """Search for the nearest of F triangles.

    Attributes:
        corners: [F, 3, 3], the three corners of each triangle.
        tree: search tree of the centroids.
        reach: largest distance between a corner and the centroid of its triangle, over all triangles.
    """

    corners: Array
    tree: cKDTree
    reach: float

    @staticmethod
    def of(vertices: Array, faces: NDArray[np.int64]) -> Triangles:
        """Return a search over the triangles of a mesh with vertices [V, 3] and faces [F, 3]."""
        corners = np.asarray(vertices, np.float64)[faces]
        centroids = corners.mean(1)
        reach = float(np.linalg.norm(corners - centroids[:, None], axis=2).max())
        return Triangles(corners, cKDTree(centroids), reach)

    def distance(self, points: Array) -> Array:
        """Return the distance [M] from each point [M, 3] to the triangle nearest to the point.

        For each point, only the triangles with the k nearest centroids are measured. All other triangles are at least
        as far away as the k-th centroid minus `reach`, so a measured distance below this bound is exact. For all points
        without an exact distance, the search is repeated with 4k.
        """
        best = np.full(len(points), np.inf)
        todo, k = np.arange(len(points)), 8
        while len(todo):
            k = min(k, len(self.corners))
            bound, index = self.tree.query(points[todo], k=k)
            bound, index = bound.reshape(-1, k), index.reshape(-1, k)
            for column in range(k):
                found = point_triangle_distance(points[todo], self.corners[index[:, column]])
                best[todo] = np.minimum(best[todo], found)
            unsure = best[todo] > bound[:, -1] - self.reach
            if k == len(self.corners):
                break
            todo, k = todo[unsure], 4 * k
        return best


def point_triangle_distance(points: Array, triangles: Array) -> Array:
    """Return the distance [M] from each point [M, 3] to the triangle [M, 3, 3] with the same index."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = np.cross(b - a, c - a)
    squared = (normal**2).sum(1)
    inside = squared > 0
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, points - p) * normal).sum(1) >= 0
    height = np.abs(((points - a) * normal).sum(1)) / np.sqrt(np.where(squared > 0, squared, 1))
    edges = np.min([_segment_distance(points, p, q) for p, q in ((a, b), (b, c), (c, a))], axis=0)
    distances: Array = np.where(inside, height, edges)
    return distances


def _segment_distance(points: Array, p: Array, q: Array) -> Array:
    along = q - p
    length = np.maximum((along**2).sum(1), 1e-300)
    t = np.clip(((points - p) * along).sum(1) / length, 0, 1)
    distances: Array = np.linalg.norm(points - p - t[:, None] * along, axis=1)
    return distances


def sample_surface(vertices: Array, faces: NDArray[np.int64], n: int, seed: int) -> Array:
    """Return n random points [n, 3] on a mesh, distributed uniformly over its area."""
    generator = np.random.default_rng(seed)
    corners = np.asarray(vertices, np.float64)[faces]
    share = _doubled_areas(corners)
    chosen = corners[generator.choice(len(faces), n, p=share / share.sum())]
    u, v = np.sqrt(generator.random((n, 1))), generator.random((n, 1))
    return (1 - u) * chosen[:, 0] + u * (1 - v) * chosen[:, 1] + u * v * chosen[:, 2]


def area(vertices: Array, faces: NDArray[np.int64]) -> float:
    """Return the area of a mesh."""
    return float(_doubled_areas(np.asarray(vertices, np.float64)[faces]).sum() / 2)


def _doubled_areas(corners: Array) -> Array:
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas: Array = np.linalg.norm(normals, axis=1)
    return areas


def thin(points: Array, spacing: float, seed: int) -> Array:
    """Return a subset of points in which no two are closer than `spacing`.

    This is the down-sampling of the DTU protocol. Points are visited in random order. Each point that has not been
    removed yet removes all other points within `spacing`.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    shuffled = points[order]
    tree = cKDTree(shuffled)
    kept = np.ones(len(points), bool)
    for start in range(0, len(points), 100_000):  # the neighbor lists of all points do not fit into memory
        part = shuffled[start : start + 100_000]
        for offset, neighbors in enumerate(tree.query_ball_point(part, spacing, return_sorted=False)):
            if kept[start + offset]:
                kept[neighbors] = False
                kept[start + offset] = True
    return shuffled[kept]


def summary(distances: Array, cap: float | None) -> dict[str, float]:
    """Return the mean of all distances below `cap`, and the median, percentiles and maximum of all distances.

    If `cap` is None, the mean includes all distances. If there are no distances, the result is {}.
    """
    if not len(distances):
        return {}
    counted = distances if cap is None else distances[distances < cap]
    percentiles = np.percentile(distances, [50, 75, 90, 95, 99])
    names = ("median", "p75", "p90", "p95", "p99")
    return {
        "mean": float(counted.mean()) if len(counted) else float("inf"),
        **dict(zip(names, map(float, percentiles), strict=True)),
        "max": float(distances.max()),
    }


def f_score(accuracy: Array, completeness: Array, threshold: float) -> dict[str, float]:
    """Return the precision, the recall and their harmonic mean "f" at a distance threshold (Knapitsch et al. 2017)."""
    precision, recall = float((accuracy < threshold).mean()), float((completeness < threshold).mean())
    total = precision + recall
    return {"precision": precision, "recall": recall, "f": 2 * precision * recall / total if total else 0.0}
