"""The scene's surface as one signed distance function: seven solids that stand on a plinth, inside the unit ball.

Outside is positive. Every solid's distance is exact; their union is a lower bound of the distance, exact on and outside
of the surface but for the fillets, and nowhere steeper than 1. z is up. x [..., 3] of any floating dtype.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SOLIDS = ("plinth", "ring", "ball", "box", "pill", "doughnut", "cone")

TOP = -0.28
"""Height of the plinth's top."""

PLINTH_RADIUS = 0.82
RING_RADIUS, RING_TUBE = 0.44, 0.075
RING_CENTER = (0.0, 0.0, TOP + RING_RADIUS + 0.03)
BALL_CENTER, BALL_RADIUS = (0.0, 0.0, TOP + 0.24), 0.25
BOX_CENTER, BOX_HALF, BOX_ROUNDING, BOX_TURN = (0.42, -0.40, TOP + 0.15), 0.155, 0.03, 0.5
PILL_START, PILL_END, PILL_RADIUS = (-0.40, -0.56, TOP + 0.08), (-0.46, -0.24, TOP + 0.34), 0.09
DOUGHNUT_CENTER, DOUGHNUT_RADIUS, DOUGHNUT_TUBE = (-0.44, 0.40, TOP + 0.075), 0.17, 0.085
CONE_CENTER, CONE_RADII, CONE_HEIGHT = (0.42, 0.42, TOP + 0.14), (0.15, 0.05), 0.36
_FILLET = 0.04


def _length(*parts: Tensor) -> Tensor:
    squared = parts[0] * parts[0]
    for part in parts[1:]:
        squared = torch.addcmul(squared, part, part)
    return squared.clamp_min(1e-24).sqrt()


def _rounded(*parts: Tensor, rounding: float) -> Tensor:
    """Distance to a rounded corner from the offsets to the planes that meet in it."""
    inside = parts[0]
    for part in parts[1:]:
        inside = torch.maximum(inside, part)
    return _length(*(part.clamp_min(0.0) for part in parts)) + inside.clamp_max(0.0) - rounding


def plinth(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A low cylinder with a rounded rim."""
    half, rounding = 0.07, 0.03
    radial = _length(x, y) - (PLINTH_RADIUS - rounding)
    return _rounded(radial, (z - (TOP - half)).abs() - (half - rounding), rounding=rounding)


def ring(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A torus that stands upright in the xz plane, a little sunk in."""
    return _length(_length(x, z - RING_CENTER[2]) - RING_RADIUS, y) - RING_TUBE


def ball(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A sphere inside the ring."""
    return _length(x, y, z - BALL_CENTER[2]) - BALL_RADIUS


def box_local(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates in the box's own axes."""
    cos, sin = math.cos(BOX_TURN), math.sin(BOX_TURN)
    x, y = x - BOX_CENTER[0], y - BOX_CENTER[1]
    return torch.add(cos * x, y, alpha=sin), torch.add(cos * y, x, alpha=-sin), z - BOX_CENTER[2]


def box(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A cube with rounded edges."""
    edge = BOX_HALF - BOX_ROUNDING
    return _rounded(*(part.abs() - edge for part in box_local(x, y, z)), rounding=BOX_ROUNDING)


def pill(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A capsule that leans."""
    x, y, z = x - PILL_START[0], y - PILL_START[1], z - PILL_START[2]
    ax, ay, az = (end - start for start, end in zip(PILL_START, PILL_END, strict=True))
    squared = ax * ax + ay * ay + az * az
    along = torch.add(torch.add(x * (ax / squared), y, alpha=ay / squared), z, alpha=az / squared).clamp(0.0, 1.0)
    return (
        _length(torch.sub(x, along, alpha=ax), torch.sub(y, along, alpha=ay), torch.sub(z, along, alpha=az))
        - PILL_RADIUS
    )


def doughnut(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A torus that lies flat."""
    radial = _length(x - DOUGHNUT_CENTER[0], y - DOUGHNUT_CENTER[1]) - DOUGHNUT_RADIUS
    return _length(radial, z - DOUGHNUT_CENTER[2]) - DOUGHNUT_TUBE


def cone(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The hull of a large ball below and a small one above."""
    (below, above), h = CONE_RADII, CONE_HEIGHT
    b = (below - above) / h
    a = math.sqrt(1 - b * b)
    radial, z = _length(x - CONE_CENTER[0], y - CONE_CENTER[1]), z - CONE_CENTER[2]
    # The nearest ball of those that the hull is made of, one at each height from 0 to h.
    height = torch.add(z, radial, alpha=-b / a).clamp(0.0, h)
    return torch.add(_length(radial, z - height), height, alpha=b) - below


_OTHERS = (ring, ball, box, pill, doughnut, cone)


def distances(x: Tensor) -> Tensor:
    """Signed distance to each solid, [..., 7] in the order of `SOLIDS`."""
    parts = x.unbind(-1)
    return torch.stack([solid(*parts) for solid in (plinth, *_OTHERS)], -1)


def _union(plinth_distance: Tensor, others: Tensor) -> Tensor:
    """The nearer of both, with a fillet: the quadratic smooth minimum, whose slope is a mean of theirs."""
    blend = (_FILLET - (plinth_distance - others).abs()).clamp_min(0.0)
    return torch.minimum(plinth_distance, others) - blend * blend / (4 * _FILLET)


def sdf_of(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """`sdf` of separate coordinates, which is what runs fast."""
    others = ring(x, y, z)
    for solid in _OTHERS[1:]:
        others = torch.minimum(others, solid(x, y, z))
    return _union(plinth(x, y, z), others)


def sdf(x: Tensor) -> Tensor:
    """Signed distance [...] to the scene, outside positive."""
    return sdf_of(*x.movedim(-1, 0).contiguous().unbind(0))


def solid(x: Tensor) -> Tensor:
    """Index in `SOLIDS` of the nearest solid, [...] int64."""
    return distances(x).argmin(-1)


def gradient(x: Tensor) -> Tensor:
    """Derivative [..., 3] of `sdf` by position; its length is 1 but in the fillets, where it is less."""
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        (result,) = torch.autograd.grad(sdf(at).sum(), at)
    return result


def normal(x: Tensor) -> Tensor:
    """Unit normals [..., 3], outwards."""
    return torch.nn.functional.normalize(gradient(x), dim=-1)
