"""The object that the cameras look at: the ground or table it stands on, and a sphere around it.

Symbols in shapes: V views, P points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import Cameras, visible
from radfield_core.data.placement import ground_plane, usual_up
from radfield_core.data.similarity import Array
from radfield_core.names import plural

SEEN_BY = 0.95
"""A point may belong to the object if at least this share of the cameras have it in their pictures."""

FEWEST_POINTS = 50
"""With fewer points, the object cannot be measured."""

TABLE_SHARE = 0.15
"""The ground is cut off if at least this share of the points lies on it."""

MARGIN = 1.15
"""Radius of the region, as a multiple of the distance of the outermost points from its center."""

OUTERMOST = 98.0
"""Percentile of the points, along each axis and in their distances from the center, that counts as the outermost."""

NEAREST_CAMERA = 0.9
"""The region reaches at most this share of the way from its center to the nearest camera."""


class ObjectSphere(NamedTuple):
    """A sphere around the object that the cameras look at.

    Attributes:
        center: [3], in the coordinates of the points.
        radius: its radius.
        how: what it was measured from, for a message.
    """

    center: Tensor
    radius: float
    how: str


def object_sphere(cameras: Cameras, points: Tensor | None) -> ObjectSphere | None:
    """Return the sphere around the points that nearly all cameras see and that do not lie on the ground.

    Return None if there are fewer than 50 such points.

    Args:
        cameras: V cameras.
        points: [P, 3], points of the surface, in the coordinates of the cameras, or None.
    """
    if points is None or len(points) < FEWEST_POINTS or not len(cameras):
        return None
    seen = torch.zeros(len(points), dtype=torch.int64)
    for view in range(len(cameras)):
        seen += visible(cameras.view(view), points)
    c2w, everything = cameras.c2w.detach().double().numpy(), points.double().numpy()
    of_all = everything[seen.numpy() >= SEEN_BY * len(cameras)]
    ground = ground_plane(everything, c2w, usual_up(c2w))
    off_ground, foot, how = of_all, of_all[:0], f"at least {SEEN_BY * 100:.0f} % of the cameras see"
    if ground is not None and ground.share >= TABLE_SHARE:
        height = (of_all - ground.origin) @ ground.normal
        above = height > 2 * ground.thickness
        off_ground, foot = of_all[above], of_all[above] - height[above, None] * ground.normal
        how += ", above the plane that they stand on"
    if len(off_ground) < FEWEST_POINTS:
        return None
    parts = [part for part in (off_ground, foot) if len(part)]  # the object reaches down to the ground below its points
    ends = np.concatenate([np.percentile(part, [100 - OUTERMOST, OUTERMOST], axis=0) for part in parts])
    center = (ends.min(0) + ends.max(0)) / 2
    reach = max(float(np.percentile(np.linalg.norm(part - center, axis=-1), OUTERMOST)) for part in parts)
    radius = MARGIN * reach
    nearest = float(np.linalg.norm(c2w[:, :, 3] - center, axis=-1).min())
    if not 0.0 < radius < NEAREST_CAMERA * nearest:
        return None
    return ObjectSphere(torch.from_numpy(center), radius, f"{plural(len(off_ground), 'point')} that {how}")


def holds_cameras(center: Array, radius: float, sphere: bool, centers: Array) -> bool:
    """Return True if at least half of the cameras lie in a region. It is then not the region of an object.

    Args:
        center: [3], center of the region.
        radius: half the side of a box, or the radius of a sphere.
        sphere: True for a sphere, False for a box.
        centers: [V, 3], camera centers.

    Example:
        >>> holds_cameras(np.zeros(3), 1.0, False, np.array([[0.9, 0.9, 0.9], [0.0, 0.0, 3.0]]))
        True
        >>> holds_cameras(np.zeros(3), 1.0, True, np.array([[0.9, 0.9, 0.9], [0.0, 0.0, 3.0]]))
        False
    """
    offsets = centers - center
    distances = np.linalg.norm(offsets, axis=-1) if sphere else np.abs(offsets).max(-1)
    return bool(len(centers)) and bool((distances < radius).mean() >= 0.5)
