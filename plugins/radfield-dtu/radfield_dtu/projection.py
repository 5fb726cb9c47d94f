"""Projection matrices P = K [R | t] <-> intrinsics and poses. OpenCV axes inside P, OpenGL axes in c2w."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLIP = np.diag([1.0, -1.0, -1.0])
"""Between a camera's OpenCV axes (y down, z forward) and OpenGL axes (y up, z back)."""


def decompose(projection: Array) -> tuple[Array, Array]:
    """K [3, 3] (K₃₃ = 1, positive diagonal) and c2w [3, 4] (OpenGL axes) of P [3, 4]; any multiple of P gives the same.

    The rows of P's left block M = K R are taken from the last: its direction is R's third row, what is left of the
    second row beside it R's second, and so on (Hartley & Zisserman 2004, section 6.2.4). ValueError if M is singular.
    """
    m = projection[:, :3]
    scale = np.linalg.norm(m[2])
    if not np.isfinite(projection).all() or scale == 0 or abs(np.linalg.det(m / scale)) < 1e-9:
        raise ValueError("the projection matrix cannot be inverted")
    if np.linalg.det(m) < 0:
        scale = -scale
    m = m / scale
    third = m[2]
    cy = m[1] @ third
    rest = m[1] - cy * third
    fy = np.linalg.norm(rest)
    second = rest / fy
    skew, cx = m[0] @ second, m[0] @ third
    rest = m[0] - skew * second - cx * third
    fx = np.linalg.norm(rest)
    rotation = np.stack([rest / fx, second, third])
    center = -np.linalg.solve(m, projection[:, 3] / scale)
    k = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1.0]])
    return k, np.concatenate([rotation.T @ FLIP, center[:, None]], axis=1)


def compose(k: Array, c2w: Array) -> Array:
    """P [3, 4] of K [3, 3] and c2w [3, 4] in OpenGL axes."""
    rotation = (c2w[:, :3] @ FLIP).T
    projection: Array = k @ np.concatenate([rotation, -rotation @ c2w[:, 3:]], axis=1)
    return projection
