"""Cameras on a sphere around the scene. All of them look at its center.

Axes are those of OpenGL, and z points up in the world. V is the number of cameras.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from radfield_core import Cameras

DISTANCE = 4.0
"""Distance of every camera from the origin, unless the cameras take panoramas."""

PANORAMA_DISTANCE = 1.6
"""Distance of every camera that takes panoramas from the origin. From there, the scene spans about 80°."""

FIELD_OF_VIEW = 0.50
"""Horizontal field of view in radians, chosen so that the scene fills the image."""

WIDE_FIELD_OF_VIEW = 1.3
"""Horizontal field of view, in radians, of cameras inside a scene."""

LENSES = {"opencv": (-0.35, 0.2, 0.004, -0.003), "opencv_fisheye": (-0.25, 0.1, -0.02, 0.005)}
"""Distortion parameters of each lens. They move the corners of an image by several percent of the width."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_HIGHEST = 78.0


def look_at_origin(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Return float64 c2w [V, 3, 4] of cameras at the given angles [V] in radians. The z axis is up in their images."""
    back = torch.stack([azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], -1)
    right = torch.stack([-azimuth.sin(), azimuth.cos(), torch.zeros_like(azimuth)], -1)
    up = torch.linalg.cross(back, right)
    return torch.stack([right, up, back, DISTANCE * back], -1)


def spread(n: int, seed: int, lowest: float) -> Tensor:
    """Return n cameras, c2w [n, 3, 4], on a jittered Fibonacci spiral.

    Their elevation goes from `lowest`, in degrees, up to 78°.
    """
    generator = torch.Generator().manual_seed(seed)
    turn = torch.rand(1, generator=generator, dtype=torch.float64)
    jitter = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    index = torch.arange(n, dtype=torch.float64)
    low, high = math.sin(math.radians(lowest)), math.sin(math.radians(_HIGHEST))
    sine = low + (high - low) * (index + jitter[:, 0]) / n
    azimuth = 2 * math.pi * (turn + index * _GOLDEN + 0.5 * (jitter[:, 1] - 0.5) / math.sqrt(n))
    return look_at_origin(azimuth, sine.asin())


def round_trip(n: int) -> Tensor:
    """Return n cameras, c2w [n, 3, 4], along one orbit that rises and falls. In this order, the views form a video."""
    turn = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    return look_at_origin(turn - math.pi / 3, math.radians(28) + math.radians(14) * turn.sin())


def side_by_side(n: int, seed: int) -> Tensor:
    """Return n cameras, c2w [n, 3, 4], in front of the scene and above it.

    The cameras are spread evenly over 40° of azimuth and 25° of elevation.
    """
    generator = torch.Generator().manual_seed(seed)
    shift = torch.rand(2, generator=generator, dtype=torch.float64)
    index = torch.arange(n, dtype=torch.float64)
    across = (index * _GOLDEN + shift[0]) % 1.0 - 0.5
    upwards = ((index + shift[1]) / n) % 1.0 - 0.5
    return look_at_origin(math.radians(-90) + math.radians(40) * across, math.radians(25) * (1 + upwards))


def within(n: int, seed: int) -> Tensor:
    """Return n cameras, c2w [n, 3, 4], in the middle of a room. They face outwards, a little up or down."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(n + 1, 5, generator=generator, dtype=torch.float64)
    index = torch.arange(n, dtype=torch.float64)
    azimuth = 2 * math.pi * (draws[n, 0] + index * _GOLDEN)
    c2w = look_at_origin(azimuth, math.radians(30) * (draws[:n, 1] - 0.35))
    half = torch.tensor([0.2, 0.14, 0.1], dtype=torch.float64)
    # A camera stands on the side opposite to what it faces, so that it sees most of the room.
    c2w[:, :, 3] = 0.5 * half * c2w[:, :, 2] + half * (2 * draws[:n, 2:] - 1) + half.new_tensor([0.0, 0.0, 0.05])
    return c2w


def round_trip_within(n: int) -> Tensor:
    """Return n cameras, c2w [n, 3, 4], that turn once in the middle of a room. They form a video in this order."""
    turn = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    c2w = look_at_origin(turn, math.radians(8) * turn.sin())
    c2w[:, :, 3] = torch.tensor([0.25, 0.15, 0.0], dtype=torch.float64) * c2w[:, :, 2]
    return c2w


def distance(lens: str) -> float:
    """Return the distance of every camera with a lens from the origin."""
    return PANORAMA_DISTANCE if lens == "equirectangular" else DISTANCE


def cameras(c2w: Tensor, resolution: int, lens: str = "pinhole", inside: bool = False) -> Cameras:
    """Return cameras with square images and `FIELD_OF_VIEW`, or with panoramas of the given height.

    `lens` is "pinhole", "equirectangular" or a key of `LENSES`. Cameras with panoramas are moved to `distance(lens)`.
    Cameras inside a scene stay where they are, and have the field of view `WIDE_FIELD_OF_VIEW`.
    """
    if lens == "equirectangular":
        centers = c2w[:, :, 3:] * (1.0 if inside else distance(lens) / DISTANCE)
        return Cameras.equirectangular(torch.cat([c2w[:, :, :3], centers], -1), resolution)
    focal = 0.5 * resolution / math.tan(0.5 * (WIDE_FIELD_OF_VIEW if inside else FIELD_OF_VIEW))
    pinholes = Cameras.pinhole(c2w, focal, resolution, resolution)
    if lens == "pinhole":
        return pinholes
    distortion = torch.tensor(LENSES[lens], dtype=torch.float64).expand(len(pinholes), -1).clone()
    return replace(pinholes, model=lens, distortion=distortion)
