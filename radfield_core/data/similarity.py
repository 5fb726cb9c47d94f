"""Make similarities, and apply them to points and to cameras.

A similarity combines a rotation, a uniform scaling and a translation. It maps x to s·R·x + t, with a rotation R and a
factor s > 0. It is stored as the matrix [s·R, t; 0, 1] of shape [4, 4]. The similarity `to_scene` maps the data's own
coordinates to scene coordinates. The similarity `Scene.to_data` maps scene coordinates back.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
_T = TypeVar("_T", Array, Tensor)


def similarity_matrix(rotation: Array, center: Array, scale: float) -> Array:
    """Return the similarity [4, 4] that maps x to scale · rotation · (x − center).

    Args:
        rotation: [3, 3], the rotation.
        center: [3], the point that is mapped to the origin.
        scale: the factor by which lengths are multiplied.

    Example:
        >>> similarity_matrix(np.eye(3), np.array([1.0, 0.0, 0.0]), 2.0)[0].tolist()
        [2.0, 0.0, 0.0, -2.0]
    """
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = -scale * rotation @ center
    return matrix


def similarity_scale(matrix: Array) -> float:
    """Return the factor by which a similarity [4, 4] multiplies lengths.

    Example:
        >>> round(similarity_scale(np.diag([2.0, 2.0, 2.0, 1.0])), 9)
        2.0
    """
    return float(np.cbrt(np.linalg.det(matrix[:3, :3])))


def similarity_between(given: Array, moved: Array) -> Array:
    """Return the similarity [4, 4] that maps the cameras `given` to the cameras `moved` as closely as possible.

    The rotation minimizes the squared angles between the cameras and, relative to their extent, the squared distances
    of their centers, both to first order. Scale and translation then minimize the squared distances of the centers
    (Umeyama 1991). Cameras that all stand at one point determine no scale, which is then 1.

    Args:
        given: camera-to-world matrices [V, 3, 4].
        moved: camera-to-world matrices [V, 3, 4] of the same cameras.

    Example:
        >>> c2w = np.stack([np.eye(4)[:3], np.eye(4)[:3]])
        >>> c2w[1, :, 3] = [1.0, 2.0, 3.0]
        >>> similarity_between(c2w, transform_cameras(np.diag([2.0, 2.0, 2.0, 1.0]), c2w)).diagonal().round(9).tolist()
        [2.0, 2.0, 2.0, 1.0]
    """
    centers, targets = given[:, :, 3], moved[:, :, 3]
    here, there = centers - centers.mean(0), targets - targets.mean(0)
    extent, extent_there = (float(np.sqrt(np.square(offsets).sum(-1).mean())) for offsets in (here, there))
    together = 0.5 * np.einsum("vij,vkj->ik", moved[:, :, :3], given[:, :, :3])
    spread = min(extent, extent_there) > 1e-9 * max(1e-30, float(np.abs(centers).max()))
    if spread:
        together += there.T @ here / (extent * extent_there)
    u, _, vh = np.linalg.svd(together)
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vh)]) @ vh
    scale = float((there * (here @ rotation.T)).sum() / np.square(here).sum()) if spread else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = targets.mean(0) - scale * rotation @ centers.mean(0)
    return matrix


def transform_points(matrix: _T, points: _T) -> _T:
    """Apply a similarity [4, 4] to points [..., 3]. Matrix and points are either both arrays or both tensors.

    With tensors, the computation is done in float64 on the device of the points, and the result has the points' dtype.

    Example:
        >>> transform_points(np.diag([2.0, 2.0, 2.0, 1.0]), np.ones((1, 3))).tolist()
        [[2.0, 2.0, 2.0]]
    """
    if isinstance(points, Tensor):
        wide = points.to(torch.float64)
        return _affine(matrix.to(wide), wide).to(points.dtype)
    return _affine(matrix, points)


def _affine(matrix: _T, points: _T) -> _T:
    transformed: _T = points @ matrix[:3, :3].T + matrix[:3, 3]
    return transformed


def transform_cameras(matrix: Array, c2w: Array) -> Array:
    """Apply a similarity [4, 4] to camera-to-world matrices [V, 3, 4].

    The camera centers are rotated, scaled and translated. The camera axes are only rotated, so they stay unit vectors.

    Example:
        >>> c2w = np.concatenate([np.eye(3), np.ones((3, 1))], axis=1)[None]
        >>> transform_cameras(np.diag([2.0, 2.0, 2.0, 1.0]), c2w)[0, 0].round(9).tolist()
        [1.0, 0.0, 0.0, 2.0]
    """
    rotation = matrix[:3, :3] / similarity_scale(matrix)
    return np.concatenate([rotation @ c2w[:, :, :3], transform_points(matrix, c2w[:, :, 3])[..., None]], axis=-1)
