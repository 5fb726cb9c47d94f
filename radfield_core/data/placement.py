"""Where a capture lies: turning it upright, centring and scaling it, and how near, far and wide its content is.

c2w [V, 3, 4] float64, OpenGL axes. A similarity [4, 4] is s·R with R a rotation, and a translation; `to_scene` takes
the data's own coordinates to the scene's, its inverse (`Scene.to_data`) takes them back.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Orientation = Literal["none", "up", "vertical", "pca", "ground"]
Center = Literal["none", "poses", "focus"]

FURTHEST = 1e7
"""Beyond this, in the data's own units, a coordinate is a mistake."""

_GROUND_TRIALS = 500


def similarity(rotation: np.ndarray, center: np.ndarray, scale: float) -> np.ndarray:
    """x -> scale · rotation · (x − center) as [4, 4]."""
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = -scale * rotation @ center
    return matrix


def scale_of(matrix: np.ndarray) -> float:
    """The factor by which a similarity [4, 4] lengthens."""
    return float(np.cbrt(np.linalg.det(matrix[:3, :3])))


def move_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [M, 3] under a similarity [4, 4]."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def move_cameras(matrix: np.ndarray, c2w: np.ndarray) -> np.ndarray:
    """Poses [V, 3, 4] under a similarity [4, 4]: axes turn, places turn, scale and move."""
    rotation = matrix[:3, :3] / scale_of(matrix)
    return np.concatenate([rotation @ c2w[:, :, :3], move_points(matrix, c2w[:, :, 3])[..., None]], axis=-1)


def focus_point(c2w: np.ndarray) -> np.ndarray:
    """The point [3] with the least squared distances to the optical axes; the mean place if they are parallel."""
    axes, places = -c2w[:, :, 2], c2w[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    matrix = across.mean(0)
    if np.linalg.cond(matrix) > 1e8:
        return places.mean(0)
    return np.linalg.solve(matrix, (across @ places[..., None]).mean(0)[:, 0])


def rotation_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest rotation [3, 3] that takes one direction [3] to another."""
    source, target = source / np.linalg.norm(source), target / np.linalg.norm(target)
    cosine = float(source @ target)
    if cosine < -1 + 1e-9:  # opposite: half a turn about anything at right angles
        other = np.eye(3)[np.argmin(np.abs(source))]
        axis = np.cross(source, other)
        axis /= np.linalg.norm(axis)
        return 2 * np.outer(axis, axis) - np.eye(3)
    x, y, z = np.cross(source, target)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def upright(c2w: np.ndarray, orientation: Orientation, points: np.ndarray | None = None) -> np.ndarray:
    """The rotation [3, 3] that takes what is up in the data to +z.

    up: the mean of the cameras' y axes. vertical: the direction most at right angles to the cameras' x axes, right for
    pictures that were not rolled. pca: the direction in which the camera places vary least. ground: the normal of the
    plane that most sparse points [P, 3] lie on, below the cameras.
    """
    mean_up = c2w[:, :, 1].mean(0)
    if np.linalg.norm(mean_up) < 1e-6:
        mean_up = np.array([0.0, 0.0, 1.0])
    if orientation == "none":
        return np.eye(3)
    if orientation == "vertical":
        up = np.linalg.svd(c2w[:, :, 0])[2][-1]
    elif orientation == "pca":
        places = c2w[:, :, 3]
        up = np.linalg.svd(places - places.mean(0))[2][-1]
    elif orientation == "ground":
        up = _ground_normal(points, c2w, mean_up)
    else:
        up = mean_up
    return rotation_between(up if up @ mean_up >= 0 else -up, np.array([0.0, 0.0, 1.0]))


def _ground_normal(points: np.ndarray | None, c2w: np.ndarray, mean_up: np.ndarray) -> np.ndarray:
    """The normal of the best of 500 planes through three points, within 60° of up (RANSAC, Fischler, Bolles 1981).

    Ground lies below what stands on it: a plane with more than a tenth of the points beneath it is a wall or the side
    of something, however many points it has. The three are of the lower points, since most may be of what stands there.
    """
    if points is None or len(points) < 10:
        return mean_up
    spread = float(np.median(np.linalg.norm(points - np.median(points, 0), axis=-1)))
    draw = np.random.default_rng(0)
    sample = points[draw.choice(len(points), min(len(points), 5000), replace=False)]
    height = sample @ mean_up
    low = sample[height <= np.quantile(height, 1 / 3)]
    first, second, third = low[draw.integers(len(low), size=(_GROUND_TRIALS, 3))].swapaxes(0, 1)
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=-1)
    normals *= np.where(normals @ mean_up >= 0, 1.0, -1.0)[:, None] / np.maximum(lengths, 1e-300)[:, None]
    seen_from_above = np.median(np.einsum("tvk,tk->tv", c2w[:, :, 3] - first[:, None], normals), axis=1) > 0
    upward = normals @ mean_up >= 0.5 * np.linalg.norm(mean_up)
    supporters = np.zeros((0, 3))
    for trial in np.flatnonzero((lengths >= 1e-9 * spread**2) & upward & seen_from_above):
        above = (sample - first[trial]) @ normals[trial]
        inliers = np.abs(above) < 0.02 * spread
        if inliers.sum() > len(supporters) and (above < -0.02 * spread).mean() <= 0.1:
            supporters = sample[inliers]
    if len(supporters) < 3:
        return mean_up
    return np.linalg.svd(supporters - supporters.mean(0), full_matrices=False)[2][-1]


def place(
    c2w: np.ndarray,
    orientation: Orientation,
    center: Center,
    auto_scale: bool,
    points: np.ndarray | None = None,
) -> np.ndarray:
    """`to_scene` [4, 4]: upright, the chosen center at the origin, and the furthest camera coordinate at 1."""
    rotation = upright(c2w, orientation, points)
    middle = {"none": np.zeros(3), "poses": c2w[:, :, 3].mean(0), "focus": focus_point(c2w)}[center]
    matrix = similarity(rotation, middle, 1.0)
    furthest = float(np.abs(move_cameras(matrix, c2w)[:, :, 3]).max())
    if auto_scale and furthest > 1e-12:
        matrix = similarity(rotation, middle, 1.0 / furthest)
    return matrix


def limits(distances: np.ndarray) -> tuple[float, float] | None:
    """Near and far along the rays: they hold all but the outer thousandths of the distances [M] from the cameras to the
    points that they see, a tenth wider. None for fewer than ten."""
    distances = distances[distances > 0]
    if len(distances) < 10:
        return None
    low, high = np.percentile(distances, [0.1, 99.9])
    return float(0.9 * low), float(1.1 * high)


def content_box(points: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, float]:
    """Center [3] and half side of the cube that holds the cameras' places and all but the outermost points."""
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    low, high = np.minimum(low, places.min(0)), np.maximum(high, places.max(0))
    return (low + high) / 2, float(max((high - low).max() / 2 * 1.05, 1e-6))


def camera_box(c2w: np.ndarray) -> tuple[np.ndarray, float]:
    """A guess without points: a cube round what the cameras look at that holds the cameras themselves."""
    middle = focus_point(c2w)
    reach = float(np.abs(c2w[:, :, 3] - middle).max())
    return middle, 1.1 * reach if reach > 1e-9 else 1.0
