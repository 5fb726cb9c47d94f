"""Camera poses as files give them: checked, and tiny drift from a rotation removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from radfield_core.data.placement import FURTHEST
from radfield_core.errors import Problems

TOLERANCE = 1e-3
"""Largest |RᵀR − I| that is taken for rounding and repaired; beyond it the pose is refused."""

SAID = 1e-5
"""Drift above this is worth a remark: single precision alone stays below."""


def read_matrix(value: Any) -> np.ndarray:
    """A pose [4, 4] float64 from nested lists of 4×4 or 3×4 numbers; ValueError says what is wrong with it."""
    if not isinstance(value, list) or len(value) not in (3, 4):
        raise ValueError("the pose is not a list of 4 rows")
    for row in value:
        if not isinstance(row, list) or len(row) != 4:
            raise ValueError("the pose's rows are not lists of 4 numbers")
        if not all(type(item) in (int, float) for item in row):
            raise ValueError("the pose holds something that is no number")
    matrix = np.eye(4)
    matrix[: len(value)] = value
    return matrix


def fault(c2w: np.ndarray) -> tuple[str, str] | None:
    """What is wrong with a pose [3, 4] or [4, 4], and what to try; None if it is a rotation and a place."""
    if not np.isfinite(c2w).all():
        return "the pose holds NaN or infinity", "removing this frame"
    if c2w.shape[0] == 4 and np.abs(c2w[3] - (0, 0, 0, 1)).max() > 1e-6:
        last = ", ".join(f"{item:g}" for item in c2w[3])
        return f"the pose's last row is ({last}), not (0, 0, 0, 1)", "dividing the matrix by its last element"
    if np.abs(c2w[:3, 3]).max() > FURTHEST:
        return f"the camera is {np.abs(c2w[:3, 3]).max():.3g} units away", "smaller units"
    rotation = c2w[:3, :3]
    if np.abs(rotation).max() > 1e100:
        return f"the pose holds {np.abs(rotation).max():.3g}", "unit axes"
    drift = np.abs(rotation.T @ rotation - np.eye(3)).max()
    if drift > TOLERANCE:
        scales = np.linalg.norm(rotation, axis=0)
        if scales.max() > 0 and np.ptp(scales) < TOLERANCE * scales.max():
            unit = rotation / scales.mean()
            if np.abs(unit.T @ unit - np.eye(3)).max() <= TOLERANCE:
                return f"the pose is scaled by {scales.mean():.6g}", "dividing its first three columns by that"
        return f"the pose is not rigid: |RᵀR − I| = {drift:.2g}", "camera-to-world matrices with orthonormal axes"
    if np.linalg.det(rotation) < 0:
        return "the pose mirrors (determinant −1)", "turning one axis round; is it camera-to-world with y up, z back?"
    return None


def check_poses(
    poses: np.ndarray | Sequence[np.ndarray], names: Sequence[str], problems: Problems
) -> tuple[np.ndarray, list[str]]:
    """Rigid poses [V, 3, 4] float64 and remarks; what is no pose is added to `problems` under its name.

    poses [V, 4, 4] or [V, 3, 4]. Drift up to |RᵀR − I| = 1e-3 is removed by taking the nearest rotation (SVD).
    """
    result = np.zeros((len(names), 3, 4))
    mended, worst = 0, 0.0
    for i, (pose, name) in enumerate(zip(poses, names, strict=True)):
        pose = np.asarray(pose, dtype=np.float64)
        found = fault(pose)
        if found is not None:
            problems.add(name, *found)
            continue
        result[i] = pose[:3]
        drift = float(np.abs(pose[:3, :3].T @ pose[:3, :3] - np.eye(3)).max())
        if drift > 1e-12:
            u, _, vt = np.linalg.svd(pose[:3, :3])
            result[i, :, :3] = u @ vt
        if drift > SAID:
            mended, worst = mended + 1, max(worst, drift)
    notes = [f"{mended} poses were not quite rigid (|RᵀR − I| up to {worst:.1g}) and were mended"] if mended else []
    return result, notes
