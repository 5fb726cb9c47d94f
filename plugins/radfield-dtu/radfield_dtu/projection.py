"""Projection matrices P = K [R | t] from and to intrinsics and poses; P has OpenCV axes, c2w OpenGL axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLIP = np.diag([1.0, -1.0, -1.0])
"""Change between OpenCV axes (y down, z forward) and OpenGL axes (y up, z back)."""


def decompose(projection: Array) -> tuple[Array, Array]:
    """Return K and c2w of a projection matrix, which may have any scale (Hartley and Zisserman 2004, section 6.2.4).

    This is the RQ decomposition of the left block M = K R by Gram–Schmidt: the third row of M has the direction of R's
    third row, the part of M's second row orthogonal to it gives R's second row, and so on.

    Args:
        projection: P, [3, 4].

    Returns:
        K, [3, 3], with a positive diagonal and K₃₃ = 1, and c2w, [3, 4], in OpenGL axes.

    Raises:
        ValueError: M is singular.
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
    """Return the projection matrix P [3, 4] of K [3, 3] and c2w [3, 4] in OpenGL axes."""
    rotation = (c2w[:, :3] @ FLIP).T
    projection: Array = k @ np.concatenate([rotation, -rotation @ c2w[:, 3:]], axis=1)
    return projection
