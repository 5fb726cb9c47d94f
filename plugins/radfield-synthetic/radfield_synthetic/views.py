"""Images, depth and normals of the scene for V views. All cameras have the same image size and lens.

P is a number of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from radfield_core import Cameras, directions
from radfield_synthetic.shading import color
from radfield_synthetic.tracing import trace
from radfield_synthetic.worlds import STILL_LIFE, World

_CHUNK = 1 << 18
_DISTORTED_SPREAD = 1.25  # no lens in `orbit.LENSES` widens the cone of a pixel by more than this factor


class Pixels:
    """List of all V·H·W pixels of the given views. It computes the rays through the pixels."""

    def __init__(self, cameras: Cameras, views: range):
        self.width, self.height = cameras.sizes[0].tolist()
        self.shape = (len(views), self.height, self.width)
        self._c2w = cameras.c2w[views.start : views.stop].to(torch.float32)
        self._fx, self._fy, self._cx, self._cy = cameras.intrinsics[0].tolist()
        self._first = cameras.camera(0)
        distorted = _DISTORTED_SPREAD if self._first.model != "pinhole" else 1.0
        self.spread = distorted * 0.5 * math.sqrt(2) / min(self._fx, self._fy)

    def __len__(self) -> int:
        return math.prod(self.shape)

    def rays(self, pixels: Tensor, offset: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """Return origins and unit directions, both [P, 3], of one ray through each pixel.

        Rays go through the position `offset` (x, y) in their pixel. The center of a pixel is at (0.5, 0.5).
        """
        area = self.width * self.height
        views, place = pixels // area, pixels % area
        x = ((place % self.width).to(torch.float32) + (offset[0] - self._cx)) / self._fx
        y = ((place // self.width).to(torch.float32) + (offset[1] - self._cy)) / self._fy
        c2w = self._c2w[views]
        if self._first.model != "pinhole":
            return c2w[:, :, 3], self._distorted(place, offset, c2w)
        along = x[:, None] * c2w[:, :, 0] - y[:, None] * c2w[:, :, 1] - c2w[:, :, 2]
        return c2w[:, :, 3], torch.nn.functional.normalize(along, dim=-1)

    def _distorted(self, place: Tensor, offset: tuple[float, float], c2w: Tensor) -> Tensor:
        pixels = torch.stack([place % self.width, place // self.width], -1) + torch.tensor(offset, dtype=torch.float64)
        lens = torch.tensor(self._first.distortion, dtype=torch.float64)
        local = directions(pixels, self._first.intrinsics, 0.0, self._first.model, lens).to(torch.float32)
        return torch.nn.functional.normalize((c2w[:, :, :3] * local[:, None, :]).sum(-1), dim=-1)


def render(cameras: Cameras, views: range, supersample: int, world: World = STILL_LIFE) -> Tensor:
    """Return images [V, H, W, 4] as uint8 sRGB with straight alpha.

    Each pixel has supersample² rays. The alpha of a pixel is the share of its rays that hit the scene. The color is the
    mean color of the rays that hit the scene. A first pass traces one cone per pixel. This pass finds the empty pixels
    and, for each other pixel, a distance before which its rays meet nothing.
    """
    pixels = Pixels(cameras, views)
    image = torch.zeros(len(pixels), 4, dtype=torch.uint8)
    for chunk in torch.split(torch.arange(len(pixels)), _CHUNK):
        free = trace(*pixels.rays(chunk, (0.5, 0.5)), spread=pixels.spread, world=world)
        touched = free.isfinite().nonzero()[:, 0]
        for part in torch.split(touched, max(1, _CHUNK // supersample**2)):
            image[chunk[part]] = _mean_color(pixels, chunk[part], free[part], supersample, world)
    return image.reshape(*pixels.shape, 4)


def _mean_color(pixels: Pixels, chosen: Tensor, free: Tensor, supersample: int, world: World) -> Tensor:
    """Return the uint8 RGBA [P, 4] of the chosen pixels, whose rays meet nothing before the distances `free` [P]."""
    steps = [(i + 0.5) / supersample for i in range(supersample)]
    rays = [pixels.rays(chosen, (x, y)) for y in steps for x in steps]
    origins, directions = (torch.cat(parts) for parts in zip(*rays, strict=True))
    t = trace(origins, directions, start=free.repeat(supersample**2), world=world)
    met = t.isfinite().nonzero()[:, 0]
    seen = color(origins[met] + t[met, None] * directions[met], directions[met], world)
    total = torch.zeros(len(chosen), 4)
    total.index_add_(0, met % len(chosen), torch.cat([seen, seen.new_ones(len(met), 1)], -1))
    rgb, alpha = total[:, :3] / total[:, 3:].clamp_min(1.0), total[:, 3:] / supersample**2
    return (torch.cat([rgb, alpha], -1).clamp(0.0, 1.0) * 255).round().to(torch.uint8)


def depth(cameras: Cameras, view: int, world: World = STILL_LIFE) -> Tensor:
    """Return the distance [H, W] along the ray through each pixel center. It is infinite if the ray misses the
    scene."""
    pixels = Pixels(cameras, range(view, view + 1))
    chunks = torch.split(torch.arange(len(pixels)), _CHUNK)
    distances = [trace(*pixels.rays(chunk, (0.5, 0.5)), world=world) for chunk in chunks]
    return torch.cat(distances).reshape(pixels.shape[1:])


def normals(cameras: Cameras, view: int, world: World = STILL_LIFE) -> Tensor:
    """Return the unit normal [H, W, 3] where the ray through each pixel center hits the scene, or zero if it misses."""
    return _at_surface(cameras, view, world.normal, world)


def albedo(cameras: Cameras, view: int, world: World = STILL_LIFE) -> Tensor:
    """Return the albedo [H, W, 3], linear RGB, where the ray through each pixel center hits the scene, or zero."""
    return _at_surface(cameras, view, world.albedo, world)


def _at_surface(cameras: Cameras, view: int, of: Callable[[Tensor], Tensor], world: World) -> Tensor:
    """Return a function of surface points, [H, W, 3], where the ray through each pixel center hits the scene, or 0."""
    pixels = Pixels(cameras, range(view, view + 1))
    result = torch.zeros(len(pixels), 3)
    for chunk in torch.split(torch.arange(len(pixels)), _CHUNK):
        origins, directions = pixels.rays(chunk, (0.5, 0.5))
        t = trace(origins, directions, world=world)
        met = t.isfinite().nonzero()[:, 0]
        result[chunk[met]] = of(origins[met] + t[met, None] * directions[met])
    return result.reshape(*pixels.shape[1:], 3)
