"""Colors of the scene at M points.

The scene is lit by a sun with soft shadows and by the sky. Mirrors reflect the sky and the other solids.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_synthetic.tracing import light_arriving, openness, trace
from radfield_synthetic.worlds import STILL_LIFE, World

_SUN = (0.45, -0.38, 0.81)
_LAMP = (-0.75, 0.35, 0.56)


def _direction(like: Tensor, direction: tuple[float, float, float]) -> Tensor:
    return torch.nn.functional.normalize(like.new_tensor(direction), dim=0)


def _sky(directions: Tensor) -> Tensor:
    """Return the light [M, 3] that arrives from `directions` [M, 3]: blue above, warm below, and two bright spots."""
    up = (0.5 + 0.5 * directions[:, 2:]).clamp(0.0, 1.0)
    base = directions.new_tensor([0.30, 0.24, 0.20]) * (1 - up) + directions.new_tensor([0.75, 0.90, 1.15]) * up
    for window, wide, light in ((_SUN, 0.955, (7.0, 6.4, 5.4)), (_LAMP, 0.90, (2.2, 2.5, 3.0))):
        facing = directions @ _direction(directions, window)
        share = ((facing - wide) / (0.6 * (1 - wide))).clamp(0.0, 1.0)
        base = base + (share * share * (3 - 2 * share))[:, None] * directions.new_tensor(light)
    return base


def _matte(x: Tensor, normals: Tensor, paint: Tensor, world: World) -> Tensor:
    """Return the light [M, 3] that is reflected diffusely by points with the albedo `paint`."""
    sun, lamp = _direction(x, _SUN), _direction(x, _LAMP)
    lifted = x + 0.004 * normals
    facing = (normals @ sun).clamp_min(0.0)
    arriving = torch.zeros_like(facing)
    lit = (facing > 0).nonzero()[:, 0]
    arriving[lit] = light_arriving(lifted[lit], sun, world=world)
    up = 0.5 + 0.5 * normals[:, 2:]
    around = x.new_tensor([0.26, 0.21, 0.17]) * (1 - up) + x.new_tensor([0.40, 0.46, 0.56]) * up
    light = around * openness(x, normals, world)[:, None]
    light = light + (facing * arriving)[:, None] * x.new_tensor([1.12, 1.0, 0.84])
    light = light + (normals @ lamp).clamp_min(0.0)[:, None] * x.new_tensor([0.10, 0.12, 0.15])
    return paint * light


def matte(x: Tensor, world: World = STILL_LIFE) -> Tensor:
    """Return the light [M, 3] that surface points x [M, 3] reflect diffusely, as linear RGB."""
    return _matte(x, world.normal(x), world.albedo(x), world)


def radiance(x: Tensor, viewdirs: Tensor, world: World = STILL_LIFE) -> Tensor:
    """Return the radiance of surface points x [M, 3] as linear RGB [M, 3], viewed along unit `viewdirs` [M, 3]."""
    normals, paint = world.normal(x), world.albedo(x)
    result = _matte(x, normals, paint, world)
    shiny = world.mirrors(x).nonzero()[:, 0]
    if len(shiny):
        reflected = _mirrored(x[shiny], viewdirs[shiny], normals[shiny], paint[shiny], world)
        result[shiny] = 0.12 * result[shiny] + reflected
    return result


def _mirrored(x: Tensor, viewdirs: Tensor, normals: Tensor, paint: Tensor, world: World) -> Tensor:
    """Return the specular reflection [M, 3] with Schlick's Fresnel term (Schlick 1994).

    If a reflected ray hits the scene, it adds the diffuse light from there. If it misses the scene, it adds the light
    of the sky.
    """
    facing = -(viewdirs * normals).sum(-1, keepdim=True)
    away = torch.nn.functional.normalize(viewdirs + 2 * facing * normals, dim=-1)
    seen = _sky(away)
    start = x + 0.006 * normals
    t = trace(start, away, world=world)
    met = t.isfinite().nonzero()[:, 0]
    if len(met):
        point = start[met] + t[met, None] * away[met]
        seen[met] = matte(point, world)
    grazing = (1 - facing).clamp(0.0, 1.0) ** 5
    return (paint + (1 - paint) * grazing) * seen


def encode(light: Tensor) -> Tensor:
    """Return linear light as sRGB values in [0, 1]. Linear values above 0.7 are compressed first."""
    rolled = torch.where(light < 0.7, light, 0.7 + 0.3 * (1 - torch.exp(-(light - 0.7) / 0.3)))
    return torch.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


def color(x: Tensor, viewdirs: Tensor, world: World = STILL_LIFE) -> Tensor:
    """Return the colors of surface points x [M, 3] as sRGB [M, 3] in [0, 1], viewed along unit `viewdirs` [M, 3]."""
    return encode(radiance(x, viewdirs, world))
