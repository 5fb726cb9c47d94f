"""Signed distance function of the scene, which is a plinth with six solids on it. The z axis points up.

The scene lies inside the unit ball. Distances are positive outside the solids. The distance to a single solid is exact.
The function of the whole scene is a lower bound of the distance, with a slope of at most 1. On the surface and outside,
it is exact, except near the fillets (the rounded joints with the plinth). Points x are [..., 3] of any floating dtype.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SOLIDS = ("plinth", "ring", "ball", "box", "pill", "doughnut", "cone")

TOP = -0.28
"""The z coordinate of the top of the plinth."""

PLINTH_RADIUS = 0.82
RING_RADIUS, RING_TUBE = 0.44, 0.075
RING_CENTER = (0.0, 0.0, TOP + RING_RADIUS + 0.03)
BALL_CENTER, BALL_RADIUS = (0.0, 0.0, TOP + 0.24), 0.25
BOX_CENTER, BOX_HALF, BOX_ROUNDING, BOX_TURN = (0.42, -0.40, TOP + 0.15), 0.155, 0.03, 0.5
PILL_START, PILL_END, PILL_RADIUS = (-0.40, -0.56, TOP + 0.08), (-0.46, -0.24, TOP + 0.34), 0.09
DOUGHNUT_CENTER, DOUGHNUT_RADIUS, DOUGHNUT_TUBE = (-0.44, 0.40, TOP + 0.075), 0.17, 0.085
CONE_CENTER, CONE_RADII, CONE_HEIGHT = (0.42, 0.42, TOP + 0.14), (0.15, 0.05), 0.36
_FILLET = 0.04


def length(*parts: Tensor) -> Tensor:
    squared = parts[0] * parts[0]
    for part in parts[1:]:
        squared = torch.addcmul(squared, part, part)
    return squared.clamp_min(1e-24).sqrt()


def rounded(*parts: Tensor, rounding: float) -> Tensor:
    """Return the distance to a rounded corner, given the distances to the planes that meet at the corner."""
    inside = parts[0]
    for part in parts[1:]:
        inside = torch.maximum(inside, part)
    return length(*(part.clamp_min(0.0) for part in parts)) + inside.clamp_max(0.0) - rounding


def plinth(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to a low cylinder with a rounded rim."""
    half, rounding = 0.07, 0.03
    radial = length(x, y) - (PLINTH_RADIUS - rounding)
    return rounded(radial, (z - (TOP - half)).abs() - (half - rounding), rounding=rounding)


def ring(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to an upright torus in the xz plane. The torus is partly sunk into the plinth."""
    return length(length(x, z - RING_CENTER[2]) - RING_RADIUS, y) - RING_TUBE


def ball(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to a sphere inside the ring."""
    return length(x, y, z - BALL_CENTER[2]) - BALL_RADIUS


def box_local(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return coordinates along the axes of the box, relative to the center of the box."""
    cos, sin = math.cos(BOX_TURN), math.sin(BOX_TURN)
    x, y = x - BOX_CENTER[0], y - BOX_CENTER[1]
    return torch.add(cos * x, y, alpha=sin), torch.add(cos * y, x, alpha=-sin), z - BOX_CENTER[2]


def box(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to a cube with rounded edges."""
    edge = BOX_HALF - BOX_ROUNDING
    return rounded(*(part.abs() - edge for part in box_local(x, y, z)), rounding=BOX_ROUNDING)


def pill(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to a tilted capsule."""
    x, y, z = x - PILL_START[0], y - PILL_START[1], z - PILL_START[2]
    ax, ay, az = (end - start for start, end in zip(PILL_START, PILL_END, strict=True))
    squared = ax * ax + ay * ay + az * az
    along = torch.add(torch.add(x * (ax / squared), y, alpha=ay / squared), z, alpha=az / squared).clamp(0.0, 1.0)
    return (
        length(torch.sub(x, along, alpha=ax), torch.sub(y, along, alpha=ay), torch.sub(z, along, alpha=az))
        - PILL_RADIUS
    )


def doughnut(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to a horizontal torus."""
    radial = length(x - DOUGHNUT_CENTER[0], y - DOUGHNUT_CENTER[1]) - DOUGHNUT_RADIUS
    return length(radial, z - DOUGHNUT_CENTER[2]) - DOUGHNUT_TUBE


def cone(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance to the convex hull of a large ball and a smaller one above it."""
    (below, above), h = CONE_RADII, CONE_HEIGHT
    b = (below - above) / h
    a = math.sqrt(1 - b * b)
    radial, z = length(x - CONE_CENTER[0], y - CONE_CENTER[1]), z - CONE_CENTER[2]
    # The hull is a union of balls, one at each height from 0 to h. `height` is the height of the nearest ball.
    height = torch.add(z, radial, alpha=-b / a).clamp(0.0, h)
    return torch.add(length(radial, z - height), height, alpha=b) - below


_OTHERS = (ring, ball, box, pill, doughnut, cone)

DISTANCES = (plinth, *_OTHERS)
"""The distance of each solid in `SOLIDS`, as functions of separate coordinates."""


def distances(x: Tensor) -> Tensor:
    """Return the signed distance to each solid, [..., 7], in the order of `SOLIDS`."""
    parts = x.unbind(-1)
    return torch.stack([solid(*parts) for solid in DISTANCES], -1)


def _union(plinth_distance: Tensor, others: Tensor) -> Tensor:
    """Return a quadratic smooth minimum of two distances, which makes a fillet where the two solids meet.

    The slope of the minimum is a weighted mean of the slopes of the two distances.
    """
    blend = (_FILLET - (plinth_distance - others).abs()).clamp_min(0.0)
    return torch.minimum(plinth_distance, others) - blend * blend / (4 * _FILLET)


def sdf_of(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the same as `sdf`, but from separate coordinates, which is faster."""
    others = ring(x, y, z)
    for solid in _OTHERS[1:]:
        others = torch.minimum(others, solid(x, y, z))
    return _union(plinth(x, y, z), others)


def sdf(x: Tensor) -> Tensor:
    """Return the signed distance [...] to the scene, positive outside."""
    return sdf_of(*x.movedim(-1, 0).contiguous().unbind(0))


def solid(x: Tensor) -> Tensor:
    """Return the index of the nearest solid in `SOLIDS`, as int64 [...]."""
    return distances(x).argmin(-1)


def gradient(x: Tensor) -> Tensor:
    """Return the gradient [..., 3] of `sdf`. Its length is 1, or less near the fillets."""
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        (result,) = torch.autograd.grad(sdf(at).sum(), at)
    return result


def normal(x: Tensor) -> Tensor:
    """Return outward unit normals [..., 3] at points x."""
    return torch.nn.functional.normalize(gradient(x), dim=-1)
