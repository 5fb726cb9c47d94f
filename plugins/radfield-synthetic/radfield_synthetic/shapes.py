"""Signed distances of solids from which scenes are built, as functions of separate coordinates x, y and z.

Every function has a slope of at most 1. Distances to balls, boxes, capsules, cylinders and rings are exact. The
distance to a convex polyhedron, and to what is cut by another solid, is exact on the surface and a lower bound
outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from radfield_synthetic.surface import length, rounded

Point = tuple[float, float, float]
Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function of coordinates x, y and z [...], which returns the signed distance [...]: positive outside."""


def ball(center: Point, radius: float) -> Distance:
    """Return the distance to a ball."""
    a, b, c = center
    return lambda x, y, z: length(x - a, y - b, z - c) - radius


def box(center: Point, half: Point, rounding: float = 0.0, turn: float = 0.0) -> Distance:
    """Return the distance to a box with half sides `half`, which is turned about the z axis by an angle in radians."""
    a, b, c = center
    cos, sin = math.cos(turn), math.sin(turn)

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x, y = x - a, y - b
        turned = (cos * x + sin * y, cos * y - sin * x, z - c)
        parts = (part.abs() - (side - rounding) for part, side in zip(turned, half, strict=True))
        return rounded(*parts, rounding=rounding)

    return distance


def cylinder(center: Point, radius: float, half_height: float, rounding: float = 0.0) -> Distance:
    """Return the distance to an upright cylinder."""
    a, b, c = center

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        radial = length(x - a, y - b) - (radius - rounding)
        return rounded(radial, (z - c).abs() - (half_height - rounding), rounding=rounding)

    return distance


def capsule(start: Point, end: Point, radius: float) -> Distance:
    """Return the distance to a rod with round ends."""
    axis = [b - a for a, b in zip(start, end, strict=True)]
    squared = sum(part * part for part in axis)

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        parts = [part - a for part, a in zip((x, y, z), start, strict=True)]
        along = sum(part * (a / squared) for part, a in zip(parts, axis, strict=True))
        assert isinstance(along, Tensor)
        along = along.clamp(0.0, 1.0)
        return length(*(part - a * along for part, a in zip(parts, axis, strict=True))) - radius

    return distance


def ring(center: Point, axis: Point, radius: float, tube: float) -> Distance:
    """Return the distance to a torus around an axis, which must have length 1."""
    a, b, c = center
    u, v, w = axis

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x, y, z = x - a, y - b, z - c
        above = x * u + y * v + z * w
        across = length(x - above * u, y - above * v, z - above * w)
        return length(across - radius, above) - tube

    return distance


def polyhedron(center: Point, normals: Sequence[Point], offsets: Sequence[float]) -> Distance:
    """Return the distance to the convex polyhedron with the planes n · (x − center) = offset, where n have length 1."""
    a, b, c = center

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x, y, z = x - a, y - b, z - c
        result = torch.full_like(x, -math.inf)
        for (u, v, w), offset in zip(normals, offsets, strict=True):
            result = torch.maximum(result, torch.add(torch.add(x * u, y, alpha=v), z, alpha=w) - offset)
        return result

    return distance


def hollow_ball(center: Point, radius: float, half_thickness: float, rim: float) -> Distance:
    """Return the distance to the part below the height `rim` of a hollow ball, which is a bowl."""
    a, b, c = center

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        wall = (length(x - a, y - b, z - c) - radius).abs() - half_thickness
        return torch.maximum(wall, z - rim)

    return distance


def bumpy_ball(center: Point, radius: float, height: float, frequency: float) -> Distance:
    """Return a lower bound of the distance to a ball with the radius r + height · sin(fx) sin(fy) sin(fz).

    The slope of the product of the sines is at most f, so the difference is divided by 1 + height · f.
    """
    a, b, c = center
    steepest = 1.0 + height * frequency

    def distance(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x, y, z = x - a, y - b, z - c
        bumps = torch.sin(frequency * x) * torch.sin(frequency * y) * torch.sin(frequency * z)
        return (length(x, y, z) - radius - height * bumps) / steepest

    return distance


def union(*solids: Distance) -> Distance:
    """Return the distance to several solids."""
    return lambda x, y, z: reduce(torch.minimum, (solid(x, y, z) for solid in solids))


def intersection(*solids: Distance) -> Distance:
    """Return a lower bound of the distance to what several solids have in common."""
    return lambda x, y, z: reduce(torch.maximum, (solid(x, y, z) for solid in solids))


def outside_of(*spaces: Distance) -> Distance:
    """Return a lower bound of the distance to the solid that fills everything but the given spaces, such as rooms."""
    return lambda x, y, z: reduce(torch.maximum, (-space(x, y, z) for space in spaces))


def without(solid: Distance, *removed: Distance) -> Distance:
    """Return a lower bound of the distance to what is left of a solid when others are cut out of it."""
    return intersection(solid, outside_of(*removed)) if removed else solid
