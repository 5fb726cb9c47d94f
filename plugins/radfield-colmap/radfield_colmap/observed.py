"""The observations of a reconstruction: which image sees which point, where, and how exact its distance is."""

from __future__ import annotations

import numpy as np
import torch

from radfield_colmap.model import SparseModel, camera_to_world
from radfield_core.data import Observations, depth_sigmas

_USUAL_ERROR = 1.0
"""Error in pixels of a point whose mean reprojection error is not stated."""

_LEAST_ERROR = 0.25
"""Smallest error in pixels. The mean reprojection error of a point in two views is often nearly 0 by chance."""

_FARTHEST = 1e6
"""A keypoint farther from the image than this, in pixels, is damaged."""


def observations(model: SparseModel) -> Observations | None:
    """Return the observations of the points of a reconstruction, or None if there are none.

    Each distance has the standard deviation that follows from the rays of the point and its mean reprojection error.
    """
    if not len(model.points):
        return None
    order = np.argsort(model.point_ids)
    ids = model.point_ids[order]
    views, points, pixels = [], [], []
    for number, image in enumerate(model.images):
        rows = np.searchsorted(ids, image.point_ids).clip(max=len(ids) - 1)
        with np.errstate(invalid="ignore"):
            seen = (ids[rows] == image.point_ids) & np.all(np.abs(image.xy) < _FARTHEST, axis=-1)
        views.append(np.full(int(seen.sum()), number))
        points.append(order[rows[seen]])
        pixels.append(image.xy[seen] - 0.5)  # COLMAP's first pixel has its center at (0.5, 0.5)
    view, point = (torch.from_numpy(np.concatenate(each).astype(np.int64)) for each in (views, points))
    if not len(view):
        return None
    errors = np.where(np.isfinite(model.errors) & (model.errors > 0), model.errors, _USUAL_ERROR).clip(_LEAST_ERROR)
    centers = torch.from_numpy(np.stack([camera_to_world(image)[:, 3] for image in model.images]))
    focals = torch.tensor([model.cameras[image.camera_id].intrinsics[0] for image in model.images])
    positions = torch.from_numpy(model.points)
    sigmas = depth_sigmas(view, point, positions, centers, focals, torch.from_numpy(errors))
    return Observations(view, point, torch.from_numpy(np.concatenate(pixels)), sigmas)
