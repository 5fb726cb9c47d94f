"""The scene suite: worlds with one difficulty each, made by seed.

wires      thin parts: rings and rods of 1 to 2 % of the radius
crystals   sharp edges: convex polyhedra on a slab
chrome     mirrors on a checkered floor
bowls      concave: deep bowls with balls in them
globe      fine texture on smooth solids
relief     fine relief: bumps of 1.5 % of the radius
facade     a wall with windows and columns, for cameras that face forward
room       furniture in a room with a skylight, seen from inside
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from radfield_synthetic import shapes
from radfield_synthetic.materials import mix, rgb, scatter
from radfield_synthetic.shapes import Point
from radfield_synthetic.worlds import STILL_LIFE, Solid, World

Paint = Callable[[Tensor], Tensor]


class _Draw:
    """Random numbers of a world."""

    def __init__(self, seed: int):
        self._generator = torch.Generator().manual_seed(seed)

    def between(self, low: float, high: float) -> float:
        """Return a number between two limits."""
        return low + (high - low) * float(torch.rand(1, generator=self._generator, dtype=torch.float64))

    def direction(self) -> Point:
        """Return a vector of length 1."""
        x, y, z = torch.nn.functional.normalize(torch.randn(3, generator=self._generator, dtype=torch.float64), dim=0)
        return float(x), float(y), float(z)


def plain(code: str) -> Paint:
    """Return a paint of one sRGB color in hexadecimal."""
    return lambda x: rgb(x, code).expand(x.shape)


def striped(codes: tuple[str, str], axis: Point, width: float) -> Paint:
    """Return a paint of stripes at right angles to an axis."""

    def paint(x: Tensor) -> Tensor:
        along = x @ x.new_tensor(axis)
        return mix(rgb(x, codes[0]), rgb(x, codes[1]), (along / (2 * width)).remainder(1.0) < 0.5)

    return paint


def checkered(codes: tuple[str, ...], side: float) -> Paint:
    """Return a paint of cubes in colors that follow no pattern."""

    def paint(x: Tensor) -> Tensor:
        cells = (x / side + 0.5).floor()
        palette = torch.stack([rgb(x, code) for code in codes])
        return palette[(scatter(*cells.unbind(-1)) * len(codes)).long().clamp(0, len(codes) - 1)]

    return paint


def engraved(under: Paint, code: str, side: float, share: float) -> Paint:
    """Return a paint with a grid of fine lines over another one. `share` is the share of a line in a cell."""

    def paint(x: Tensor) -> Tensor:
        beside = ((x / side).remainder(1.0) - 0.5).abs().amax(-1)
        return torch.where((beside > 0.5 * (1 - share))[..., None], rgb(x, code), under(x))

    return paint


def wires(seed: int) -> World:
    """Return rings around a ball, with rods between them."""
    draw = _Draw(seed)
    codes = (
        ("d1495b", "f7e3af"),
        ("00798c", "d9f0ef"),
        ("edae49", "5b3a1e"),
        ("30638e", "f4f4f9"),
        ("4c956c", "f2f7d5"),
    )
    solids = [Solid(shapes.ball((0, 0, 0), 0.16), checkered(("d1495b", "fbf1dc", "27324f"), 0.07))]
    for index, pair in enumerate(codes):
        axis, tube = draw.direction(), draw.between(0.012, 0.022)
        solids.append(
            Solid(shapes.ring((0, 0, 0), axis, 0.84 - 0.055 * index, tube), striped(pair, draw.direction(), 0.05))
        )
    for _ in range(7):
        x, y, z = draw.direction()
        rod = shapes.capsule((0.1 * x, 0.1 * y, 0.1 * z), (0.62 * x, 0.62 * y, 0.62 * z), draw.between(0.010, 0.018))
        solids.append(Solid(rod, striped(("3b3b58", "e8d6cb"), (x, y, z), 0.04)))
    return World(tuple(solids), cells=256)


def crystals(seed: int) -> World:
    """Return convex polyhedra on a slab."""
    draw = _Draw(seed)
    slab = shapes.box((0, 0, -0.42), (0.62, 0.62, 0.06), turn=draw.between(0, math.pi))
    solids = [Solid(slab, checkered(("e9e4d4", "b9b4a0", "d8cfb4"), 0.11))]
    codes = (
        ("2a9d8f", "e9f5db"),
        ("e76f51", "fff1e6"),
        ("34568b", "dfe7fd"),
        ("9b5de5", "f1e4ff"),
        ("f4a261", "5b3a1e"),
    )
    for index, pair in enumerate(codes):
        turn = 2 * math.pi * (index / 4 + draw.between(-0.04, 0.04))
        out = 0.0 if index == 4 else 0.40
        size = 0.34 if index == 4 else draw.between(0.17, 0.22)
        normals = [draw.direction() for _ in range(11)] + [(0.0, 0.0, -1.0)]
        offsets = [size * draw.between(0.75, 1.0) for _ in normals]
        center = (out * math.cos(turn), out * math.sin(turn), -0.36 + offsets[-1])
        hull = shapes.polyhedron(center, normals, offsets)
        bounded = shapes.intersection(hull, shapes.ball(center, 1.45 * size))
        solids.append(Solid(bounded, striped(pair, draw.direction(), 0.03)))
    return World(tuple(solids), cells=224)


def chrome(seed: int) -> World:
    """Return mirrors on a checkered floor."""
    draw = _Draw(seed)
    turn = draw.between(0, 2 * math.pi)

    def place(angle: float, out: float, height: float) -> Point:
        return out * math.cos(turn + angle), out * math.sin(turn + angle), height

    floor = Solid(shapes.cylinder((0, 0, -0.45), 0.85, 0.05, 0.02), checkered(("f2e9dc", "33415c", "c9ada7"), 0.17))
    ball = Solid(shapes.ball(place(0, 0.32, -0.12), 0.28), plain("f0efeb"), mirror=True)
    ring = Solid(shapes.ring(place(2.2, 0.40, -0.15), (0.0, 0.6, 0.8), 0.20, 0.09), plain("f3c15f"), mirror=True)
    start, end = place(4.0, 0.55, -0.28), place(4.4, 0.30, 0.28)
    pill = Solid(shapes.capsule(start, end, 0.12), plain("d98e73"), mirror=True)
    cube = Solid(
        shapes.box(place(5.3, 0.55, -0.28), (0.11, 0.11, 0.12), 0.02, turn),
        striped(("2a9d8f", "f7f4ea"), (0, 0, 1), 0.04),
    )
    return World((floor, ball, ring, pill, cube))


def bowls(seed: int) -> World:
    """Return a deep bowl and a small one, with balls in them."""
    draw = _Draw(seed)
    turn = draw.between(0, 2 * math.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    deep = Solid(
        shapes.hollow_ball((-0.2 * cos, -0.2 * sin, 0.1), 0.52, 0.035, 0.24),
        striped(("e76f51", "fff1e6"), (0, 0, 1), 0.06),
    )
    small = Solid(
        shapes.hollow_ball((0.55 * cos, 0.55 * sin, -0.2), 0.25, 0.03, -0.12),
        checkered(("2a9d8f", "e9f5db", "264653"), 0.08),
    )
    inner = [
        Solid(shapes.ball((-0.2 * cos + dx, -0.2 * sin + dy, -0.21), 0.16), checkered(codes, 0.06))
        for (dx, dy), codes in (((0.15, 0.05), ("f4d35e", "ee964b")), ((-0.14, -0.11), ("0d3b66", "faf0ca")))
    ]
    foot = Solid(shapes.cylinder((0, 0, -0.48), 0.86, 0.03, 0.015), checkered(("e9e4d4", "b9b4a0"), 0.15))
    return World((foot, deep, small, *inner), cells=200)


def globe(seed: int) -> World:
    """Return smooth solids with fine texture."""
    draw = _Draw(seed)
    codes = ("e63946", "f1faee", "a8dadc", "457b9d", "1d3557", "f4a261", "2a9d8f")
    ball = Solid(
        shapes.ball((0, 0, 0.08), 0.55), engraved(checkered(codes, draw.between(0.045, 0.06)), "f8f4e3", 0.11, 0.12)
    )
    foot = Solid(shapes.cylinder((0, 0, -0.56), 0.6, 0.08, 0.03), checkered(codes[::-1], 0.04))
    band = Solid(
        shapes.ring((0, 0, 0.08), draw.direction(), 0.66, 0.035), striped(("ffb703", "023047"), draw.direction(), 0.02)
    )
    return World((ball, foot, band))


def relief(seed: int) -> World:
    """Return a ball and a disk with fine bumps."""
    draw = _Draw(seed)
    ball = shapes.bumpy_ball((0, 0, 0.1), 0.6, 0.015, draw.between(28, 34))
    foot = shapes.bumpy_ball((0, 0, -1.25), 0.85, 0.012, draw.between(38, 44))
    disk = shapes.intersection(foot, shapes.cylinder((0, 0, -0.6), 0.55, 0.2))
    return World(
        (Solid(ball, striped(("cdb38b", "e9dcc3"), draw.direction(), 0.11)), Solid(disk, plain("8d99ae"))), cells=256
    )


def facade(seed: int) -> World:
    """Return a wall with windows, a door and columns. It faces −y."""
    draw = _Draw(seed)
    holes = [
        shapes.box((x, -0.1, z), (0.1, 0.14, 0.13))
        for x in (-0.48, 0.0, 0.48) for z in (-0.14, 0.3) if (x, z) != (0.0, -0.14)
    ]  # fmt: skip
    holes.append(shapes.box((0.0, -0.1, -0.32), (0.13, 0.17, 0.24)))
    wall = shapes.without(shapes.box((0, 0, 0.02), (0.72, 0.16, 0.5)), *holes)
    bricks = engraved(checkered(("b5651d", "c1743a", "a55a2a", "cc8a5a"), 0.09), "e6dcc8", 0.09, 0.14)
    solids = [Solid(wall, bricks)]
    for x in (-0.25, 0.25):
        column = shapes.cylinder((x, -0.3, -0.12), draw.between(0.04, 0.055), 0.36, 0.01)
        solids.append(Solid(column, striped(("f7f4ea", "d9cfb4"), (0, 0, 1), 0.05)))
    porch = shapes.box((0, -0.28, 0.27), (0.36, 0.14, 0.035))
    step = shapes.box((0, -0.26, -0.515), (0.42, 0.24, 0.035))
    cornice = shapes.box((0, -0.04, 0.55), (0.76, 0.2, 0.035), 0.01)
    stone = checkered(("e9e4d4", "cfc7b0"), 0.13)
    solids += [Solid(part, stone) for part in (porch, step, cornice)]
    plant = shapes.ball((0.56, -0.3, -0.36), draw.between(0.12, 0.16))
    solids.append(Solid(plant, checkered(("2d6a4f", "52b788", "95d5b2"), 0.05)))
    return World(tuple(solids), layout="forward", cells=200)


def room(seed: int) -> World:
    """Return a room with furniture and a skylight. Everything outside it is solid."""
    draw = _Draw(seed)
    walls = shapes.outside_of(
        shapes.box((0, 0, 0), (0.85, 0.65, 0.45)), shapes.box((0.1, -0.05, 0.8), (0.28, 0.22, 0.6))
    )
    paper = engraved(checkered(("f1ede4", "e3dccb", "d8cdb4", "c9bfa5"), 0.16), "8a7f6a", 0.16, 0.08)
    x = draw.between(0.42, 0.52)
    top = shapes.box((x, 0.28, -0.14), (0.22, 0.18, 0.02), 0.005)
    legs = [
        shapes.capsule((x + dx, 0.28 + dy, -0.45), (x + dx, 0.28 + dy, -0.15), 0.018)
        for dx in (-0.18, 0.18) for dy in (-0.14, 0.14)
    ]  # fmt: skip
    sofa = shapes.union(
        shapes.box((-0.58, 0.0, -0.36), (0.17, 0.32, 0.09), 0.03),
        shapes.box((-0.75, 0.0, -0.22), (0.07, 0.34, 0.18), 0.03),
    )
    return World(
        (
            Solid(walls, paper),
            Solid(shapes.union(top, *legs), striped(("9c6644", "7f5539"), (1, 0.2, 0), 0.02)),
            Solid(sofa, striped(("34568b", "a8c0e8"), (0, 1, 0), 0.05)),
            Solid(shapes.ball((x, 0.30, -0.04), 0.08), checkered(("e63946", "f1faee"), 0.04)),
            Solid(shapes.cylinder((0.45, -0.45, -0.3), 0.12, 0.15, 0.02), checkered(("2a9d8f", "e9c46a"), 0.07)),
            Solid(shapes.box((0.0, 0.64, 0.1), (0.24, 0.02, 0.16)), checkered(("f4a261", "e76f51", "2a9d8f"), 0.06)),
        ),
        layout="inside", bound=1.2, cells=200,
    )  # fmt: skip


_MAKERS: dict[str, Callable[[int], World]] = {
    "wires": wires, "crystals": crystals, "chrome": chrome, "bowls": bowls, "globe": globe, "relief": relief,
    "facade": facade, "room": room,
}  # fmt: skip
NAMES = ("still-life", *_MAKERS)
"""The names of all scenes."""


def world_of(name: str, seed: int = 0) -> World:
    """Return the scene of a name. The seed changes the shapes of all scenes but the still life."""
    return STILL_LIFE if name == "still-life" else _MAKERS[name](seed)
