"""Check camera poses that were read from a file. Repair poses whose matrix deviates slightly from a rotation."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from radfield_core.config.pose_options import PoseOptions
from radfield_core.data.placement import MAX_DISTANCE
from radfield_core.data.similarity import Array
from radfield_core.errors import Problems
from radfield_core.names import plural

MAX_DRIFT = 1e-3
"""Largest |RᵀR − I| that counts as a rounding error and is repaired. If |RᵀR − I| is larger, the pose is rejected."""

REPORT_DRIFT_ABOVE = 1e-5
"""A repair is reported to the user only if |RᵀR − I| is larger than this. Rounding to single precision is not
reported."""

_MIRRORED_HINT = "Set data.axes to the axes of the file, for example data.axes=RUF (right, up, forward)"

REPAIR_DRIFT_ABOVE = 1e-12
MAX_AXIS_VALUE = 1e100
"""Largest allowed entry of a rotation matrix. Products of larger numbers could overflow."""


def read_pose(value: Any) -> Array:
    """Convert nested lists to a camera pose [4, 4] float64.

    Args:
        value: 3 or 4 rows of 4 numbers, as read from JSON. If the fourth row is missing, it is set to (0, 0, 0, 1).

    Raises:
        ValueError: the value does not consist of such rows. The message says why.

    Example:
        >>> read_pose([[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7]])[:, 3].tolist()
        [5.0, 6.0, 7.0, 1.0]
    """
    if not isinstance(value, list) or len(value) not in (3, 4):
        raise ValueError("the pose is not a list of 4 rows")
    for row in value:
        if not isinstance(row, list) or len(row) != 4:
            raise ValueError("the rows of the pose are not lists of 4 numbers")
        if not all(type(item) in (int, float) for item in row):
            raise ValueError("the pose has an entry that is not a number")
    matrix = np.eye(4)
    matrix[: len(value)] = value
    return matrix


def pose_fault(c2w: Array) -> tuple[str, str] | None:
    """Return the fault of a camera pose and a hint for the user, or None if the pose has no fault.

    A pose has no fault if it consists of a rotation and a finite translation.

    Args:
        c2w: [3, 4] or [4, 4], camera-to-world matrix.

    Example:
        >>> pose_fault(np.eye(4)) is None
        True
        >>> pose_fault(np.diag([2.0, 2.0, 2.0, 1.0]))[0]
        'the pose is scaled by 2'
    """
    if not np.isfinite(c2w).all():
        return "the pose contains NaN or infinity", "Remove this frame"
    if c2w.shape[0] == 4 and np.abs(c2w[3] - (0, 0, 0, 1)).max() > 1e-6:
        last = ", ".join(f"{item:g}" for item in c2w[3])
        return f"the last row of the pose is ({last}), not (0, 0, 0, 1)", "Divide the matrix by its last element"
    distance = np.abs(c2w[:3, 3]).max()
    if distance > MAX_DISTANCE:
        return f"the camera is {distance:.3g} units from the origin", "Store the positions in larger units"
    if np.abs(c2w[:3, :3]).max() > MAX_AXIS_VALUE:
        return f"the pose contains too large a number, {np.abs(c2w[:3, :3]).max():.3g}", "Scale the axes to unit length"
    return _rotation_fault(c2w[:3, :3])


def _rotation_fault(matrix: Array) -> tuple[str, str] | None:
    """If a matrix [3, 3] is not a rotation, return the fault and a hint for the user. Otherwise, return None."""
    drift = _drift(matrix)
    if drift > MAX_DRIFT:
        scales = np.linalg.norm(matrix, axis=0)
        uniform = scales.max() > 0 and np.ptp(scales) < MAX_DRIFT * scales.max()
        if uniform and _drift(matrix / scales.mean()) <= MAX_DRIFT:
            return f"the pose is scaled by {scales.mean():.6g}", "Divide its first three columns by this factor"
        return f"the pose is not rigid: |RᵀR − I| = {drift:.2g}", "Store camera-to-world matrices with orthonormal axes"
    if np.linalg.det(matrix) < 0:
        return (
            "the pose is mirrored (determinant −1)",
            "Flip one axis: store camera-to-world matrices with x right, y up, z backward",
        )
    return None


def _drift(matrix: Array) -> float:
    """Return the largest absolute entry of RᵀR − I for a matrix R [3, 3]. It is 0 if R is a rotation."""
    return float(np.abs(matrix.T @ matrix - np.eye(3)).max())


def to_opengl(poses: Array, axes: str, world_to_camera: bool) -> Array:
    """Convert stored poses to camera-to-world matrices with OpenGL axes. Return an array of the same shape.

    Args:
        poses: [V, 3, 4] or [V, 4, 4], the stored matrices.
        axes: where the stored axes x, y, z of the cameras point, as three letters (see `PoseOptions`).
        world_to_camera: True if the matrices map world coordinates to camera coordinates.

    Example:
        >>> to_opengl(np.eye(3, 4)[None], "RDF", False)[0, :, :3].diagonal().tolist()
        [1.0, -1.0, -1.0]
    """
    if world_to_camera:
        poses = _inverse(poses)
    result = poses.copy()
    result[:, :3, :3] = poses[:, :3, :3] @ _directions(axes).T
    return result


def as_stored(c2w: Array, axes: str, world_to_camera: bool) -> Array:
    """Undo `to_opengl`: return the matrices that a file with these axes stores for c2w [V, 3, 4]."""
    stored = c2w.copy()
    stored[:, :3, :3] = c2w[:, :3, :3] @ _directions(axes)
    return _inverse(stored) if world_to_camera else stored


def _directions(axes: str) -> Array:
    """Return a matrix [3, 3] whose columns are the stored axes of a camera, expressed in the camera's OpenGL axes."""
    columns = {"R": (1, 0, 0), "L": (-1, 0, 0), "U": (0, 1, 0), "D": (0, -1, 0), "B": (0, 0, 1), "F": (0, 0, -1)}
    return np.array([columns[letter] for letter in axes], np.float64).T


def _inverse(poses: Array) -> Array:
    """Return the inverse of affine matrices [V, 3, 4] or [V, 4, 4]. A matrix without an inverse becomes NaN."""
    result = np.full_like(poses, np.nan)
    for i, pose in enumerate(poses):
        whole = np.eye(4)
        whole[: len(pose)] = pose
        with contextlib.suppress(np.linalg.LinAlgError):
            result[i] = np.linalg.inv(whole)[: len(pose)]
    return result


def check_poses(
    poses: Array | Sequence[Array], names: Sequence[str], problems: Problems, stored: PoseOptions | None = None
) -> tuple[Array, list[str]]:
    """Check and repair poses. Return rigid poses [V, 3, 4] float64, and a list of messages for the user.

    R is the left 3 × 3 block of a pose. If |RᵀR − I| is at most 1e-3, R is replaced by the nearest exact rotation,
    U·Vᵀ, where U·Σ·Vᵀ is the singular value decomposition of R.

    Args:
        poses: V camera-to-world matrices [4, 4] or [3, 4].
        names: V names of the frames, for the problems.
        problems: collects one problem for each pose that has a fault. Poses with a fault are zero in the result.
        stored: meaning of the matrices, if they are not camera-to-world matrices with OpenGL axes. They are then
            converted.

    Example:
        >>> problems = Problems()
        >>> check_poses([np.eye(4)], ["frame 0"], problems)[0].shape, bool(problems)
        ((1, 3, 4), False)
    """
    result = np.zeros((len(names), 3, 4))
    repaired, worst = 0, 0.0
    for i, (pose, name) in enumerate(zip(poses, names, strict=True)):
        pose = np.asarray(pose, dtype=np.float64)
        if stored is not None and np.isfinite(pose).all():
            with np.errstate(all="ignore"):
                pose = to_opengl(pose[None], stored.stored_axes(), stored.world_to_camera)[0]
        fault = pose_fault(pose)
        if fault is not None:
            message, hint = fault
            problems.add(name, message, _MIRRORED_HINT if stored is not None and "mirrored" in message else hint)
            continue
        result[i] = pose[:3]
        drift = _drift(pose[:3, :3])
        if drift > REPAIR_DRIFT_ABOVE:
            u, _, vt = np.linalg.svd(pose[:3, :3])
            result[i, :, :3] = u @ vt
        if drift > REPORT_DRIFT_ABOVE:
            repaired, worst = repaired + 1, max(worst, drift)
    if not repaired:
        return result, []
    verb = "was" if repaired == 1 else "were"
    return result, [
        f"{plural(repaired, 'pose')} {verb} not quite rigid (|RᵀR − I| up to {worst:.1g}) and {verb} repaired"
    ]


def rotation_quaternion(rotation: Array) -> Array:
    """Return the unit quaternion (w, x, y, z), with w >= 0, of a rotation matrix [3, 3].

    It is the eigenvector for the largest eigenvalue of a symmetric 4×4 matrix (Bar-Itzhack 2000).

    Example:
        >>> rotation_quaternion(np.diag([1.0, -1.0, -1.0])).tolist()  # half a turn about the x axis
        [0.0, 1.0, 0.0, 0.0]
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    matrix = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, yx + xy, xz + zx],
            [xz - zx, yx + xy, yy - xx - zz, zy + yz],
            [yx - xy, xz + zx, zy + yz, zz - xx - yy],
        ]
    )
    quaternion: Array = np.linalg.eigh(matrix)[1][:, -1]
    return quaternion if quaternion[0] >= 0 else -quaternion
