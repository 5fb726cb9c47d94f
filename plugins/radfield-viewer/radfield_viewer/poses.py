"""Poses of viser's cameras, which look along +z with y down, and of radfield's, along −z with y up (OpenGL)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from viser.transforms import SO3

Array = npt.NDArray[np.float64]
_FLIP = np.diag([1.0, -1.0, -1.0])


def c2w_of(camera: Any) -> Array | None:
    """Return the camera-to-world matrix [3, 4] of viser's camera, or None if its numbers are not usable.

    A page sends them, so they may be anything.
    """
    try:
        wxyz, position = np.asarray(camera.wxyz, np.float64), np.asarray(camera.position, np.float64)
    except (TypeError, ValueError):
        return None
    usable = wxyz.shape == (4,) and position.shape == (3,) and np.isfinite(wxyz).all() and np.isfinite(position).all()
    if not usable or not 1e-6 < np.linalg.norm(wxyz) < 1e6 or np.abs(position).max() > 1e6:
        return None
    rotation = SO3(wxyz / np.linalg.norm(wxyz)).as_matrix() @ _FLIP
    return np.concatenate([rotation, position[:, None]], 1)


def wxyz_of(c2w: Array) -> Array:
    """Return the quaternion of viser's camera for a camera-to-world matrix [3, 4].

    Example:
        >>> wxyz_of(np.eye(3, 4)).round(6).tolist()  # half a turn about x
        [0.0, 1.0, 0.0, 0.0]
    """
    return np.asarray(SO3.from_matrix(c2w[:, :3] @ _FLIP).wxyz, np.float64)


def place(camera: Any, c2w: Array, fov: float | None = None) -> None:
    """Move the camera of a page to a pose [3, 4]. `fov` is the angle in degrees from the top edge to the bottom."""
    with camera.client.atomic():
        camera.wxyz = wxyz_of(c2w)
        camera.position = c2w[:, 3]
        if fov is not None:
            camera.fov = np.radians(fov)
