"""Albedo of the solids in the scene.

There is one function per solid. It returns linear RGB [M, 3] at surface points x [M, 3].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_synthetic import surface

_TAU = 2 * math.pi


def rgb(like: Tensor, code: str) -> Tensor:
    """Return the linear RGB [3] of an sRGB color in hexadecimal, with the dtype and device of `like`."""
    values = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return like.new_tensor([((v + 0.055) / 1.055) ** 2.4 if v > 0.04045 else v / 12.92 for v in values])


def mix(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    return a + (b - a) * share.to(a.dtype)[..., None]


def _angle(p: Tensor) -> Tensor:
    """Return the azimuth of points around the z axis, in turns in [0, 1)."""
    return torch.atan2(p[..., 1], p[..., 0]) / _TAU % 1.0


def scatter(*cells: Tensor) -> Tensor:
    """Return pseudorandom numbers in [0, 1). Number i is a hash of the whole numbers at index i of all `cells`."""
    mixed = torch.zeros_like(cells[0])
    for cell, factor in zip(cells, (12.9898, 78.233, 37.719), strict=False):
        mixed = mixed + cell * factor
    return (torch.sin(mixed) * 43758.5453).remainder(1.0)


def _plinth(x: Tensor) -> Tensor:
    """Return the color of the plinth: rings of pale and dark veined slabs, and a fluted rim."""
    radius = (x[..., 0].square() + x[..., 1].square()).sqrt()
    turn = _angle(x)
    course = (radius / 0.136).floor()
    slab = (turn * 24 + 0.5 * course).floor()
    vein = torch.sin(14 * x[..., 0] + 5 * torch.sin(9 * x[..., 1]) + 3 * torch.sin(23 * x[..., 0] + 17 * x[..., 1]))
    pale = mix(rgb(x, "efe6d5"), rgb(x, "c9b99c"), (vein.abs() < 0.12) * 0.55)
    dark = mix(rgb(x, "3b5568"), rgb(x, "6f8da0"), (vein.abs() < 0.12) * 0.6)
    top = torch.where(((slab + course) % 2 < 1)[..., None], pale, dark)
    flutes = torch.where((turn * 72 % 1.0 < 0.5)[..., None], rgb(x, "efe6d5"), rgb(x, "b98a5a"))
    return torch.where((radius > surface.PLINTH_RADIUS - 0.012)[..., None], flutes, top)


def _ring(x: Tensor) -> Tensor:
    return rgb(x, "f3c15f").expand(x.shape)


def _ball(x: Tensor) -> Tensor:
    """Return the color of the ball: ribbons from pole to pole, with thin lines between them."""
    p = (x - x.new_tensor(surface.BALL_CENTER)) / surface.BALL_RADIUS
    wound = (_angle(p) * 8 + 1.6 * p[..., 2]) % 1.0
    color = torch.where((wound < 0.5)[..., None], rgb(x, "e4573d"), rgb(x, "fbf1dc"))
    line = ((wound - 0.5).abs() < 0.035) | (wound < 0.035) | (wound > 0.965)
    return torch.where(line[..., None], rgb(x, "27324f"), color)


def _box(x: Tensor) -> Tensor:
    """Return the color of the box: a mosaic of tiles in five colors."""
    p = torch.stack(surface.box_local(*x.unbind(-1)), -1) / surface.BOX_HALF
    cells = (p * 2.5 + 2.5).floor()
    inside = (p * 2.5 + 2.5) - cells
    normal_axis = p.abs().argmax(-1)
    cells = cells.scatter(-1, normal_axis[..., None], 7.0 + p.gather(-1, normal_axis[..., None]).sign() * 3)
    edge = (inside - 0.5).abs().scatter(-1, normal_axis[..., None], 0.0).amax(-1)
    pick = (scatter(*cells.unbind(-1)) * 5).long().clamp(0, 4)
    palette = torch.stack([rgb(x, code) for code in ("2a9d8f", "e9c46a", "f4a261", "e76f51", "34568b")])
    return torch.where((edge > 0.44)[..., None], rgb(x, "f5efe2"), palette[pick])


def _pill(x: Tensor) -> Tensor:
    """Return the color of the pill: one blue and one white half, each with thin stripes."""
    along = (x - x.new_tensor(surface.PILL_START)) @ _axis(x)
    color = torch.where((along < 0.21)[..., None], rgb(x, "3d8bd4"), rgb(x, "f7f4ea"))
    thread = (along * 30 % 1.0 < 0.22) & (along < 0.19)
    band = (along * 18 % 1.0 < 0.3) & (along > 0.24)
    return torch.where(band[..., None], rgb(x, "e2725b"), torch.where(thread[..., None], rgb(x, "123d66"), color))


def _axis(x: Tensor) -> Tensor:
    axis = x.new_tensor(surface.PILL_END) - x.new_tensor(surface.PILL_START)
    unit: Tensor = axis / axis.norm()
    return unit


def _doughnut(x: Tensor) -> Tensor:
    """Return the color of the doughnut: dough below a wavy edge, and icing with sprinkles above it."""
    p = x - x.new_tensor(surface.DOUGHNUT_CENTER)
    turn = _angle(p)
    radial = (p[..., 0].square() + p[..., 1].square()).sqrt() - surface.DOUGHNUT_RADIUS
    edge = 0.012 * torch.sin(_TAU * turn * 9) + 0.006 * torch.sin(_TAU * turn * 22)
    around = torch.atan2(p[..., 2], radial) / _TAU % 1.0
    u, v = turn * 26, around * 12
    cell_u, cell_v = u.floor(), v.floor()
    lean = scatter(cell_u % 26, cell_v) * _TAU
    du, dv = u - cell_u - 0.5, v - cell_v - 0.5
    a, b = du * torch.cos(lean) + dv * torch.sin(lean), dv * torch.cos(lean) - du * torch.sin(lean)
    sprinkle = (a.abs() < 0.36) & (b.abs() < 0.13) & (scatter(cell_v, cell_u % 26) < 0.8)
    palette = torch.stack([rgb(x, code) for code in ("fff4c2", "5ec2e8", "7ad17a", "f5d547", "ffffff")])
    pick = (scatter(cell_u % 26, cell_v, cell_v) * 5).long().clamp(0, 4)
    icing = torch.where(sprinkle[..., None], palette[pick], rgb(x, "ef6f9d"))
    return torch.where((p[..., 2] > edge)[..., None], icing, rgb(x, "d39a55"))


def _cone(x: Tensor) -> Tensor:
    """Return the color of the cone: green zigzag bands with a red tip."""
    p = x - x.new_tensor(surface.CONE_CENTER)
    tooth = ((_angle(p) * 10) % 1.0 - 0.5).abs()
    band = (p[..., 2] * 12 + tooth * 1.6) % 1.0
    color = torch.where((band < 0.5)[..., None], rgb(x, "4c9f55"), rgb(x, "d9e27a"))
    return torch.where((p[..., 2] > surface.CONE_HEIGHT - 0.01)[..., None], rgb(x, "e4573d"), color)


PAINTS = (_plinth, _ring, _ball, _box, _pill, _doughnut, _cone)
"""The paint of each solid in `surface.SOLIDS`: functions from surface points [M, 3] to linear RGB [M, 3]."""
