"""Smooth motion through camera poses: a cubic spline for positions, and one on rotations for orientations.

Symbols: K keyframes, n evaluated times. `c2w` are camera-to-world matrices [K, 3, 4] float64. `gaps` [K] are the times
from each keyframe to the next one; the last of them leads back to the first keyframe, and counts only in a closed path.

Positions follow cubic Hermite curves. The tangent at a keyframe is that of the parabola through it and its two
neighbors. Rotations follow the Hermite curve of Kim, Kim and Shin (1995, "A general construction scheme for unit
quaternion curves", eq. 9) with tangents of the same kind, so that both velocities are continuous. Between two
keyframes, a path is a straight line with spherical linear interpolation (slerp).
"""

from __future__ import annotations

import numpy as np

from radfield_core.data.poses import rotation_quaternion
from radfield_core.data.similarity import Array


def interpolated_poses(c2w: Array, gaps: Array, at: Array, closed: bool = False) -> Array:
    """Return the poses [n, 3, 4] of a smooth path through keyframes.

    Args:
        c2w: [K, 3, 4], the keyframes, with at least one.
        gaps: [K], positive times between keyframes.
        at: [n], times to evaluate, from 0 to the end of the path. Times outside are clamped.
        closed: True if the path returns to the first keyframe.

    Example:
        >>> c2w = np.eye(3, 4)[None].repeat(2, 0)
        >>> c2w[1, :, 3] = [4.0, 0.0, 0.0]
        >>> interpolated_poses(c2w, np.array([2.0, 2.0]), np.array([0.5]))[0, :, 3].tolist()
        [1.0, 0.0, 0.0]
    """
    if len(c2w) == 1:
        return c2w.repeat(len(at), 0)
    index, following, share = _segments(gaps, at, len(c2w), closed)
    rotations = c2w[:, :, :3]
    turned = _interpolated_rotations(rotations, gaps, index, following, share, closed)
    return np.concatenate([turned, _hermite(c2w[:, :, 3], gaps, index, following, share, closed)[..., None]], -1)


def interpolated_values(values: Array, gaps: Array, at: Array, closed: bool = False) -> Array:
    """Return the values [n] of a smooth curve through values [K] at keyframes. The other arguments are those of
    `interpolated_poses`.

    Example:
        >>> interpolated_values(np.array([0.0, 1.0, 4.0]), np.ones(3), np.array([0.5, 1.5])).tolist()  # a parabola
        [0.25, 2.25]
    """
    if len(values) == 1:
        return values.repeat(len(at), 0)
    return _hermite(values[:, None], gaps, *_segments(gaps, at, len(values), closed), closed)[:, 0]


def rotation_vector(rotation: Array) -> Array:
    """Return the axis [3] of a rotation matrix [3, 3], with its angle in radians, from 0 to π, as length.

    Example:
        >>> rotation_vector(np.diag([-1.0, -1.0, 1.0])).round(6).tolist()
        [0.0, 0.0, 3.141593]
    """
    scalar, vector = (quaternion := rotation_quaternion(rotation))[0], quaternion[1:]
    sine = float(np.linalg.norm(vector))
    return vector * (2.0 if sine < 1e-12 else 2.0 * np.arctan2(sine, scalar) / sine)


def rotation_matrices(vectors: Array) -> Array:
    """Return the rotations [n, 3, 3] about axes [n, 3] by angles in radians that are the lengths of the axes.

    Example:
        >>> rotation_matrices(np.array([[0.0, 0.0, np.pi / 2]]))[0].round(6)[:, 0].tolist()
        [0.0, 1.0, 0.0]
    """
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None]
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    half = np.sinc(angle / (2.0 * np.pi))  # sin(angle/2) / (angle/2), also at 0
    result: Array = np.eye(3) + np.sinc(angle / np.pi) * skew + 0.5 * half**2 * skew @ skew
    return result


def _segments(gaps: Array, at: Array, n: int, closed: bool) -> tuple[np.ndarray, np.ndarray, Array]:
    """Return, for each time, the keyframes before and after it, and its share of the time between them."""
    used = gaps if closed else gaps[: n - 1]
    starts = np.concatenate([[0.0], np.cumsum(used)])
    index = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(used) - 1)
    share = np.clip((at - starts[index]) / used[index], 0.0, 1.0)
    return index, (index + 1) % n, share


def _tangents(slopes: Array, gaps: Array, closed: bool) -> Array:
    """Return the tangents [K, D] at keyframes from the mean velocities between them, [K, D] or, if open, [K-1, D].

    An inner tangent is that of the parabola through three keyframes. At the ends of an open path, it is that of the
    parabola whose other tangent is already known.
    """
    if closed:
        before, gap = np.roll(slopes, 1, axis=0), np.roll(gaps, 1)[:, None]
        closed_tangents: Array = (gaps[:, None] * before + gap * slopes) / (gaps[:, None] + gap)
        return closed_tangents
    if len(slopes) == 1:
        return slopes.repeat(2, 0)
    gap = gaps[: len(slopes), None]
    inner = (gap[1:] * slopes[:-1] + gap[:-1] * slopes[1:]) / (gap[1:] + gap[:-1])
    return np.concatenate([2 * slopes[:1] - inner[:1], inner, 2 * slopes[-1:] - inner[-1:]])


def _hermite(points: Array, gaps: Array, index: np.ndarray, following: np.ndarray, share: Array, closed: bool) -> Array:
    """Return points [n, D] on the cubic Hermite curves between points [K, D]."""
    n = len(points) if closed else len(points) - 1
    slopes = (np.roll(points, -1, axis=0) - points)[:n] / gaps[:n, None]
    tangents, u, gap = _tangents(slopes, gaps, closed), share[:, None], gaps[index][:, None]
    start, end = points[index], points[following]
    result: Array = (
        (1 + 2 * u) * (1 - u) ** 2 * start
        + u * (1 - u) ** 2 * gap * tangents[index]
        + u**2 * (3 - 2 * u) * end
        - u**2 * (1 - u) * gap * tangents[following]
    )
    return result


def _interpolated_rotations(
    rotations: Array, gaps: Array, index: np.ndarray, following: np.ndarray, share: Array, closed: bool
) -> Array:
    """Return rotations [n, 3, 3] on the Hermite curves between rotations [K, 3, 3]."""
    n = len(rotations) if closed else len(rotations) - 1
    relative = rotations.transpose(0, 2, 1) @ np.roll(rotations, -1, axis=0)
    slopes = np.stack([rotation_vector(turn) for turn in relative[:n]]) / gaps[:n, None]
    tangents = _tangents(slopes, gaps, closed)
    ends = np.arange(1, n + 1) % len(rotations)
    first, last = gaps[:n, None] * tangents[:n] / 3, gaps[:n, None] * tangents[ends] / 3
    rest = rotation_matrices(-first) @ relative[:n] @ rotation_matrices(-last)
    middle = np.stack([rotation_vector(turn) for turn in rest])
    u = share[:, None]
    turned: Array = (
        rotations[index]
        @ rotation_matrices((1 - (1 - u) ** 3) * first[index])
        @ rotation_matrices(u**2 * (3 - 2 * u) * middle[index])
        @ rotation_matrices(u**3 * last[index])
    )
    return turned
