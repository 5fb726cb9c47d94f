"""Sphere tracing (Hart 1996): intersection of R rays with the scene, soft shadows, and ambient occlusion."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_synthetic.worlds import STILL_LIFE, World

_STEPS = 160
_CLOSE = 5e-5


def trace(
    origins: Tensor, directions: Tensor, start: Tensor | None = None, spread: float = 0.0, world: World = STILL_LIFE
) -> Tensor:
    """Return the distance [R] along each ray to the surface. The distance is infinite for rays that miss the surface.

    Args:
        origins: [R, 3].
        directions: [R, 3], unit vectors.
        start: [R], distance of each ray up to which the ray is known to meet nothing.
        spread: if positive, each ray is a cone with the radius spread · t at distance t (Crassin et al. 2011). The
            result is then a distance up to which nothing touches the cone. It is infinite if nothing touches the cone
            at all.
        world: the scene.
    """
    o, d = origins.T.contiguous(), directions.T.contiguous()
    middle = -(o * d).sum(0)
    bound = world.bound + spread * (middle.abs().max() + world.bound) if spread and len(middle) else world.bound
    half = (bound**2 - (o + middle * d).square().sum(0)).clamp_min(0.0).sqrt()
    result = torch.full_like(middle, float("inf"))
    t = (middle - half).clamp_min(0.0)
    t = t if start is None else torch.maximum(t, start)
    which = ((half > 0) & (middle + half > t)).nonzero()[:, 0]
    o, d, t, end = o[:, which], d[:, which], t[which], (middle + half)[which]
    for step in range(_STEPS):
        distance = world.sdf_of(*torch.addcmul(o, t, d))
        if spread:
            close = distance < 2 * spread * t
            t = torch.where(close, t, torch.add(t + distance, t, alpha=-spread))
        else:
            close = distance < _CLOSE
            t = t + distance
        if step % 3 == 2:
            gone = t > end
            hit = (close & ~gone).nonzero()[:, 0]
            result[which[hit]] = t[hit]
            keep = (~(close | gone)).nonzero()[:, 0]
            which, o, d, t, end = which[keep], o[:, keep], d[:, keep], t[keep], end[keep]
            if not len(which):
                return result
    graze = world.sdf_of(*torch.addcmul(o, t, d)) < 20 * _CLOSE
    near = which if spread else which[graze]
    result[near] = t if spread else t[graze]
    return result


def light_arriving(x: Tensor, direction: Tensor, softness: float = 0.09, world: World = STILL_LIFE) -> Tensor:
    """Return the share [M], in [0, 1], of a soft light that is visible from each of the points x [M, 3].

    The light is in the direction of the unit vector `direction` [3]. A ray from each point towards the light is
    followed in steps. At each step, the distance to the nearest surface is divided by the distance along the ray. The
    smallest of these ratios estimates which share of the light's disc is visible.
    """
    share = x.new_ones(x.shape[0])
    which = torch.arange(x.shape[0], device=x.device)
    at, t, seen = x.T.contiguous(), torch.full_like(share, 0.02), share.clone()
    for step in range(48):
        distance = world.sdf_of(*torch.addcmul(at, t, direction[:, None]))
        seen = torch.minimum(seen, 0.5 + 0.5 / softness * distance / t)
        t = t + distance.clamp(0.006, 0.12)
        if step % 4 == 3:
            share[which] = seen
            keep = ((seen > 0) & (t < 1.5)).nonzero()[:, 0]
            which, at, t, seen = which[keep], at[:, keep], t[keep], seen[keep]
            if not len(which):
                break
    share = share.clamp(0.0, 1.0)
    return share * share * (3 - 2 * share)


def openness(x: Tensor, normals: Tensor, world: World = STILL_LIFE) -> Tensor:
    """Return the ambient openness [M] of points x [M, 3] with normals [M, 3]. It is 1 if nothing is near, and less in
    corners.

    It is estimated from the distance to the surface at several heights above each point, along the normal.
    """
    covered = x.new_zeros(x.shape[0])
    for height, weight in ((0.02, 1.0), (0.06, 0.8), (0.12, 0.6), (0.2, 0.4)):
        covered = covered + weight * (height - world.sdf(x + height * normals)).clamp_min(0.0) / height
    return (1 - covered / 2.8 * 0.95).clamp(0.0, 1.0)
