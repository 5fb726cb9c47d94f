"""Conversion between projection matrices P = K [R | t] and cameras (K, c2w).

P uses OpenCV axes, and c2w uses OpenGL axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLIP = np.diag([1.0, -1.0, -1.0])
"""Matrix that converts between OpenCV axes (y down, z forward) and OpenGL axes (y up, z back). It is its own
inverse."""

MAX_NUMBER = 1e100
"""Largest allowed number in a projection matrix. Products of larger numbers would overflow."""


def decompose(projection: Array) -> tuple[Array, Array]:
    """Return K and c2w of a projection matrix of any scale (Hartley and Zisserman 2004, section 6.2.4).

    The left block M = K R of P is split by an RQ decomposition with the Gram–Schmidt method. The third row of R has the
    direction of the third row of M. The second row of R has the direction of the second row of M, made orthogonal to
    the third row of R. The first row of R has the direction of the first row of M, made orthogonal to both.

    Args:
        projection: P, [3, 4].

    Returns:
        K, [3, 3], with a positive diagonal and K₃₃ = 1, and c2w, [3, 4], in OpenGL axes.

    Raises:
        ValueError: M is singular, or P has a number that is not finite or larger than `MAX_NUMBER`.
    """
    m = projection[:, :3]
    if not (np.abs(projection) < MAX_NUMBER).all():
        raise ValueError(f"the projection matrix has numbers that are not finite, or not below {MAX_NUMBER:g}")
    scale = np.linalg.norm(m[2])
    if scale == 0 or abs(np.linalg.det(m / scale)) < 1e-9:
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
