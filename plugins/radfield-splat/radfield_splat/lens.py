"""The part of the world that a camera's lens can show, as a largest angle to the optical axis."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from radfield_core import Camera, directions
from radfield_core.ops import distortion

MARGIN = 1.3
"""A Gaussian is drawn if its mean lies within the angle to the image's farthest corner, enlarged by this factor.

Under a perspective lens, the tangent of the angle is enlarged. 3DGS limits its derivatives by the same factor.
"""

_STEPS, _AZIMUTHS = 256, 32


def widest_angle(camera: Camera) -> float:
    """Return the largest angle to the optical axis, in radians, at which means of Gaussians are drawn.

    Beyond some angle, a lens polynomial can turn back, so that directions far outside the image are mapped into it. The
    returned angle lies before that.

    Example:
        >>> camera = Camera(8, 6, 10.0, 10.0, 4.0, 3.0)  # the corners lie at (±0.4, ±0.3)
        >>> round(math.tan(widest_angle(camera)), 6)
        0.65
    """
    key = (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, camera.model, camera.distortion)
    return _widest_angle(*key)


@lru_cache(maxsize=4096)
def _widest_angle(
    width: int, height: int, fx: float, fy: float, cx: float, cy: float, model: str, parameters: tuple[float, ...]
) -> float:
    corners = torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)
    lens = torch.tensor(parameters, dtype=torch.float64)
    local = directions(corners, torch.tensor([fx, fy, cx, cy], dtype=torch.float64), 0.0, model, lens)
    corner = float(torch.atan2(local[:, :2].norm(dim=-1), -local[:, 2]).max())
    perspective = bool((local[:, 2] == -1).all())  # `directions` gives unit depth to perspective lenses only
    angle = math.atan(MARGIN * math.tan(corner)) if perspective else min(MARGIN * corner, math.pi)
    return angle if model == "pinhole" else min(angle, _turning_angle(angle, model, lens))


def _turning_angle(limit: float, model: str, lens: torch.Tensor) -> float:
    """Return the largest angle up to which the distance to the image's center grows, in all directions around it."""
    angle = torch.linspace(0, limit, _STEPS, dtype=torch.float64)[:, None]
    azimuth = torch.linspace(0, 2 * math.pi, _AZIMUTHS + 1, dtype=torch.float64)[:-1]
    rays = torch.stack(
        [angle.sin() * azimuth.cos(), angle.sin() * azimuth.sin(), angle.cos().expand(-1, _AZIMUTHS)], -1
    )
    distance = (distortion.distort(model, rays, lens)).norm(dim=-1)
    grows = (distance[1:] > distance[:-1]).all(-1)
    return float(angle[int(grows.logical_not().nonzero()[0]) if not bool(grows.all()) else -1])
