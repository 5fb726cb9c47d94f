"""Rotate, center and scale a capture into scene coordinates. Estimate its near and far limits, and the region to model.

Symbols: c2w [V, 3, 4] float64 are the camera-to-world matrices of V cameras. Their axes are x to the right, y up and z
backward (OpenGL), so the optical axis of a camera points along −z. `to_scene` is the similarity [4, 4] that maps the
data's own coordinates to scene coordinates. A similarity is a rotation, a uniform scaling and a translation in one.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from radfield_core.data.similarity import Array, similarity_matrix, transform_cameras

Orientation = Literal["none", "up", "vertical", "pca", "ground"]
Center = Literal["none", "poses", "focus"]

MAX_DISTANCE = 1e7
"""Largest allowed coordinate of a camera center, in the data's own units. A larger coordinate counts as an error."""

MIN_POINTS = 10
"""The ground and the near and far limits are estimated only if there are at least this many points."""

MAX_CONDITION = 1e8
"""Optical axes count as parallel if the condition number of the matrix in `focus_point` is larger than this."""

GROUND_TRIALS = 500
GROUND_SAMPLE = 5000
GROUND_THICKNESS = 0.02
"""A point counts as lying on a plane if its distance is at most this share of the spread of the points.

The spread is the median distance of the points from their median point.
"""

MAX_SHARE_BELOW_GROUND = 0.1
MIN_GROUND_COSINE = 0.5
"""Cosine of the largest allowed angle, 60°, between the ground's normal and the mean up direction of the cameras."""

ON_THEIR_SIDE = 1.25
"""Photographs lie on their side if the mean of the x axes is longer than that of the y axes by this factor."""

UP = np.array([0.0, 0.0, 1.0])


def focus_point(c2w: Array, panoramic: bool = False) -> Array:
    """Return the point [3] nearest to all optical axes, by least squares.

    If the axes are parallel, return the mean of the camera centers.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.
        panoramic: True if the cameras take panoramas. They look in all directions, so the result is the mean of their
            centers.

    Example:
        >>> at_x, at_y = np.eye(3, 4)[None].repeat(2, 0), np.array([[2.0, 0, 0], [0, 2.0, 0]])
        >>> at_x[:, :, 2], at_x[:, :, 3] = at_y / 2, at_y
        >>> focus_point(at_x)[:2].tolist()
        [0.0, 0.0]
    """
    axes, centers = -c2w[:, :, 2], c2w[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # projections onto the planes perpendicular to the axes
    matrix: Array = across.mean(0)
    if panoramic or np.linalg.cond(matrix) > MAX_CONDITION:
        mean: Array = centers.mean(0)
        return mean
    return np.linalg.solve(matrix, (across @ centers[..., None]).mean(0)[:, 0])


def rotation_between(source: Array, target: Array) -> Array:
    """Return the smallest rotation [3, 3] that turns one direction [3] into another, by Rodrigues' formula."""
    source, target = source / np.linalg.norm(source), target / np.linalg.norm(target)
    cosine = float(source @ target)
    if cosine < -1 + 1e-9:  # the directions are opposite: make half a turn about any perpendicular axis
        other = np.eye(3)[np.argmin(np.abs(source))]
        axis = np.cross(source, other)
        axis /= np.linalg.norm(axis)
        return 2 * np.outer(axis, axis) - np.eye(3)
    x, y, z = np.cross(source, target)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: Array = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return rotation


def upright(c2w: Array, orientation: Orientation, points: Array | None = None) -> Array:
    """Return the rotation [3, 3] that maps the upward direction of the data to +z.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.
        orientation: how the upward direction is estimated. "none": it is not estimated, and the data is not rotated.
            "up": the mean of the cameras' y axes. "vertical": the direction most nearly perpendicular to all x axes of
            the cameras. This suits cameras that were held level. "pca": the direction in which the camera centers vary
            least. "ground": the normal of the ground plane, which is fitted to the points.
        points: [P, 3], points of the surface, needed only for "ground".
    """
    if orientation == "none":
        return np.eye(3)
    return rotation_between(upward(c2w, orientation, points)[0], UP)


def upward(c2w: Array, orientation: Orientation, points: Array | None = None) -> tuple[Array, str]:
    """Return the upward direction [3] in the coordinates of the data, and what it was estimated from. See `upright`.

    Example:
        >>> upward(np.eye(3, 4)[None], "up")
        (array([0., 1., 0.]), "the mean of the cameras' up axes")
    """
    mean_up: Array = c2w[:, :, 1].mean(0)
    if np.linalg.norm(mean_up) < 1e-6:
        mean_up = UP
    up, how = mean_up, "the mean of the cameras' up axes"
    if orientation == "vertical":
        up, how = np.linalg.svd(c2w[:, :, 0])[2][-1], "the cameras' x axes, which are level"
    elif orientation == "pca":
        centers = c2w[:, :, 3]
        up, how = np.linalg.svd(centers - centers.mean(0))[2][-1], "the plane in which the cameras lie"
    elif orientation == "ground":
        mean_up = up = usual_up(c2w)
        ground = ground_plane(points, c2w, mean_up)
        if ground is not None:
            up, how = ground.normal, f"the plane of the ground, on which {100 * ground.share:.0f} % of the points lie"
    return up if up @ mean_up >= 0 else -up, how


class Plane(NamedTuple):
    """The plane of a ground or table.

    Attributes:
        origin: [3], a point on it.
        normal: [3], its unit normal, on the side of the cameras.
        thickness: largest distance of a point that counts as lying on it.
        share: share of all points that lie on it.
    """

    origin: Array
    normal: Array
    thickness: float
    share: float


def usual_up(c2w: Array) -> Array:
    """Return the mean upward direction [3] of the cameras, which need not have length 1.

    It is the mean of the y axes. If photographs taken from around an object lie on their side, their y axes point in
    all directions, and their x axes point up or down. The result is then the mean of the x axes, with the sign for
    which the cameras lie above what they look at.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.

    Example:
        >>> usual_up(np.eye(3, 4)[None].repeat(2, 0)).tolist()
        [0.0, 1.0, 0.0]
    """
    up: Array = c2w[:, :, 1].mean(0)
    sideways: Array = c2w[:, :, 0].mean(0)
    if np.linalg.norm(sideways) > ON_THEIR_SIDE * np.linalg.norm(up):
        above = (c2w[:, :, 3] - focus_point(c2w)).mean(0) @ sideways
        return sideways if above >= 0 else -sideways
    return up if np.linalg.norm(up) >= 1e-6 else UP


def ground_plane(points: Array | None, c2w: Array, mean_up: Array) -> Plane | None:
    """Return the plane of the ground by RANSAC (Fischler and Bolles 1981), or None if no plane fits.

    The candidates are planes through three of the lowest third of the points, because higher points may lie on objects.
    A candidate with more than a tenth of the points below it is excluded, because it is a wall or the side of an
    object. The ground is the remaining candidate with the most points on it.

    Args:
        points: [P, 3], points of the surface, or None.
        c2w: [V, 3, 4], camera-to-world matrices.
        mean_up: [3], about the upward direction, with an error of at most 60°.

    Example:
        >>> floor = np.random.default_rng(0).uniform(-1, 1, (300, 3)) * [1, 1, 0]
        >>> camera = np.eye(3, 4)[None] + np.array([0, 0, 0, 4.0])
        >>> ground_plane(floor, camera, np.array([0, 0.5, 1])).normal.round(6).tolist()
        [0.0, 0.0, 1.0]
    """
    if points is None or len(points) < MIN_POINTS:
        return None
    spread = float(np.median(np.linalg.norm(points - np.median(points, 0), axis=-1)))
    draw = np.random.default_rng(0)
    sample = points[draw.choice(len(points), min(len(points), GROUND_SAMPLE), replace=False)]
    height = sample @ mean_up
    low = sample[height <= np.quantile(height, 1 / 3)]
    thickness = GROUND_THICKNESS * spread
    on_ground = np.zeros((0, 3))
    for origin, normal in zip(*_candidate_planes(low, mean_up, spread, draw), strict=True):
        if np.median((c2w[:, :, 3] - origin) @ normal) <= 0:
            continue  # most cameras would be below this plane, so it cannot be the ground
        above = (sample - origin) @ normal
        near = np.abs(above) < thickness
        if near.sum() > len(on_ground) and (above < -thickness).mean() <= MAX_SHARE_BELOW_GROUND:
            on_ground = sample[near]
    if len(on_ground) < 3:
        return None
    origin = on_ground.mean(0)
    fitted: Array = np.linalg.svd(on_ground - origin, full_matrices=False)[2][-1]
    fitted = fitted if fitted @ mean_up >= 0 else -fitted
    return Plane(origin, fitted, thickness, len(on_ground) / len(sample))


def _candidate_planes(points: Array, up: Array, spread: float, draw: np.random.Generator) -> tuple[Array, Array]:
    """Choose n random planes. Return one point on each plane [n, 3], and its upward unit normal [n, 3].

    Each plane goes through three random points. Three points on a line are skipped, and so are planes steeper than 60°.
    """
    triples = points[draw.integers(len(points), size=(GROUND_TRIALS, 3))]
    origins = triples[:, 0]
    normals = np.cross(triples[:, 1] - origins, triples[:, 2] - origins)
    lengths = np.linalg.norm(normals, axis=-1)
    spans_a_plane = lengths >= max(1e-9 * spread**2, 1e-300)
    origins, normals = origins[spans_a_plane], normals[spans_a_plane] / lengths[spans_a_plane, None]
    normals = np.where((normals @ up >= 0)[:, None], normals, -normals)
    level = normals @ up >= MIN_GROUND_COSINE * np.linalg.norm(up)
    return origins[level], normals[level]


def normalizing_similarity(
    c2w: Array,
    orientation: Orientation,
    center: Center,
    auto_scale: bool,
    points: Array | None = None,
    panoramic: bool = False,
) -> Array:
    """Return the similarity `to_scene` [4, 4] that rotates a capture upright, centers it and scales it.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.
        orientation: "none", "up", "vertical", "pca" or "ground", as in `upright`.
        center: the point that becomes the origin. "none": the data's own origin. "poses": the mean camera center.
            "focus": the point nearest to all optical axes.
        auto_scale: if True, scale so that the largest absolute coordinate of a camera center is 1.
        points: [P, 3], points of the surface, needed only for "ground".
        panoramic: True if the cameras take panoramas. "focus" then means the same as "poses".

    Example:
        >>> c2w = np.eye(3, 4)[None] + np.array([0, 0, 0, 4.0])
        >>> normalizing_similarity(c2w, "none", "none", True)[0].tolist()
        [0.25, 0.0, 0.0, 0.0]
    """
    rotation = upright(c2w, orientation, points)
    origin = {"none": np.zeros(3), "poses": c2w[:, :, 3].mean(0), "focus": focus_point(c2w, panoramic)}[center]
    matrix = similarity_matrix(rotation, origin, 1.0)
    largest = float(np.abs(transform_cameras(matrix, c2w)[:, :, 3]).max())
    if auto_scale and largest > 1e-12:
        matrix = similarity_matrix(rotation, origin, 1.0 / largest)
    return matrix


def near_far_limits(distances: Array) -> tuple[float, float] | None:
    """Estimate the near and far limits along the rays from the distances of known points.

    The smallest and the largest 0.1 % of the distances are ignored. Near is 0.9 times the smallest remaining distance,
    and far is 1.1 times the largest.

    Args:
        distances: [M], distances from the cameras to the points that each camera sees. Zero and negative distances are
            ignored.

    Returns:
        Near and far, or None if fewer than ten distances are positive.

    Example:
        >>> near_far_limits(np.full(100, 2.0))
        (1.8, 2.2)
    """
    distances = distances[distances > 0]
    if len(distances) < MIN_POINTS:
        return None
    low, high = np.percentile(distances, [0.1, 99.9])
    return float(0.9 * low), float(1.1 * high)


def content_box(points: Array, centers: Array) -> tuple[Array, float]:
    """Return the center [3] and half the side of a cube that contains all camera centers and nearly all points.

    Args:
        points: [P, 3], points of the surface. Along each axis, the lowest 1 % and the highest 1 % of the points are
            ignored.
        centers: [V, 3], camera centers.

    Example:
        >>> content_box(np.zeros((10, 3)), np.array([[2.0, 0, 0], [-2.0, 0, 0]]))[1]
        2.1
    """
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    low, high = np.minimum(low, centers.min(0)), np.maximum(high, centers.max(0))
    return (low + high) / 2, float(max((high - low).max() / 2 * 1.05, 1e-6))


def camera_box(c2w: Array, panoramic: bool = False) -> tuple[Array, float]:
    """Return the center [3] and half the side of a cube that contains all camera centers.

    The center is the point that `focus_point` returns. If no points are known, this cube is a guess of the region to
    model.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.
        panoramic: True if the cameras take panoramas.

    Example:
        >>> camera_box(np.eye(3, 4)[None])[1]
        1.0
    """
    center = focus_point(c2w, panoramic)
    reach = float(np.abs(c2w[:, :, 3] - center).max())
    return center, 1.1 * reach if reach > 1e-9 else 1.0
