"""Near and far limits and the modeled region, which the formats of NeRF's synthetic scenes do not state."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from radfield_core import SceneBox

NEAR, FAR = 2.0, 6.0
"""Near and far limits of NeRF's synthetic scenes, as depths along the optical axis.

NeRF's code does not normalize ray directions, so its limits are depths and not distances along rays.
"""

RADIUS = 1.5
"""Half the side of a cube around the origin. The cube contains each of NeRF's synthetic scenes."""

UP = "z"
"""Upward axis of Blender's scenes."""

DISTANCE = math.sqrt(16.25)
"""Distance of the cameras of NeRF's synthetic scenes from the origin."""

MIN_COSINE = 0.7
"""Cameras look at the origin if the median cosine between their axes and the directions to the origin is at least
this."""


class Limits(NamedTuple):
    """Limits along the optical axis, the modeled region, and notes for the user."""

    near: float
    far: float
    box: SceneBox
    notes: tuple[str, ...] = ()


def limits_of(c2w: np.ndarray) -> Limits:
    """Return the limits and the region for cameras c2w [V, 3, 4].

    By default, these are the values of NeRF's scenes. If the cameras look at the origin, and their median distance from
    the origin is not between `NEAR` and `FAR`, all values are multiplied by a factor. The factor is a power of ten if
    one fits, and the median distance divided by `DISTANCE` otherwise.
    """
    scale = 1.0
    notes: tuple[str, ...] = ()
    if len(c2w):
        distances = np.linalg.norm(c2w[:, :, 3], axis=1)
        distance = float(np.median(distances))
        cosines = (c2w[:, :, 2] * c2w[:, :, 3]).sum(1) / np.maximum(distances, 1e-300)
        if not NEAR < distance < FAR and distance > 0 and float(np.median(cosines)) >= MIN_COSINE:
            scale = 10.0 ** round(math.log10(distance / DISTANCE))
            if not NEAR < distance / scale < FAR:
                scale = distance / DISTANCE
            notes = (
                f"the cameras are {distance:.3g} from the origin, not {DISTANCE:.3g} as in NeRF's scenes: near, far "
                f"and the region are {scale:.3g} times as large",
            )
    return Limits(scale * NEAR, scale * FAR, SceneBox(torch.zeros(3), scale * RADIUS, usual_radius=RADIUS), notes)
