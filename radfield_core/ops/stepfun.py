"""Where to look along a ray: spacing, stratification, and sampling of a step function by inverting its integral.

Symbols: t is always distances along rays, [R, S] ascending; `edges` [R, B+1] are the end points of B bins and `weights`
[R, B] the step function's heights times widths; s in [0, 1] is the way from near to far; u in [0, 1] is where the
integral is inverted; `cdf` [R, B+1] runs from 0 to 1. Results carry no gradient: samplers run under no_grad. Random
numbers always come from a generator that the caller gives.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Spacing = Literal["linear", "disparity", "log"]


def spaced(s: Tensor, near: Tensor, far: Tensor, spacing: Spacing = "linear") -> Tensor:
    """Distances t [R, S] at the shares s [S] or [R, S] of the way from near to far [R].

    linear: even in t. disparity: even in 1/t. log: even in log t. The last two need near > 0 and take it as at least
    1e-4 of far. Both ends are met exactly.
    """
    near, far = near[:, None], far[:, None]
    if spacing == "linear":
        return near * (1.0 - s) + far * s
    first = torch.maximum(near, 1e-4 * far)
    t = first * (far / first) ** s if spacing == "log" else 1.0 / ((1.0 - s) / first + s / far)
    return torch.where(far > 0, torch.minimum(torch.maximum(t, first), far), far)


def stratify(t: Tensor, generator: torch.Generator) -> Tensor:
    """t [R, S], each moved at random within its stratum: between the middles to its neighbors, or the outer ends."""
    middles = 0.5 * (t[:, 1:] + t[:, :-1])
    lower = torch.cat([t[:, :1], middles], 1)
    upper = torch.cat([middles, t[:, -1:]], 1)
    return lower + (upper - lower) * _random(t, t.shape[1], generator)


def nerf_cdf(weights: Tensor, padding: float = 1e-5) -> Tensor:
    """Integral [R, B+1] of weights + `padding`, normalized, as NeRF samples its fine level."""
    padded = weights + padding
    return _integral(padded / padded.sum(-1, keepdim=True))


def mip_cdf(weights: Tensor, smallest: float = 1e-5) -> Tensor:
    """Integral [R, B+1] of weights, normalized, as mip-NeRF: weights of less than `smallest` in all are topped up."""
    missing = (smallest - weights.sum(-1, keepdim=True)).clamp_min(0.0)
    padded = weights + missing / weights.shape[-1]
    return _integral(padded / padded.sum(-1, keepdim=True))


def blur_pool(weights: Tensor, padding: float = 0.01) -> Tensor:
    """Weights [R, B] widened before resampling (mip-NeRF, equation 18).

    The larger of each two neighbors (the ends count as their own), then the mean of each two, plus `padding`.
    """
    padded = torch.cat([weights[:, :1], weights, weights[:, -1:]], 1)
    larger = torch.maximum(padded[:, :-1], padded[:, 1:])
    return 0.5 * (larger[:, :-1] + larger[:, 1:]) + padding


def random_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n independent uniform u [R, n] per row of `like`, as NeRF."""
    return _random(like, n, generator)


def stratified_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n ascending u [R, n], one in each n-th of [0, 1), as mip-NeRF: i/n + U(0, 1/n − eps)."""
    width = 1.0 / n - torch.finfo(like.dtype).eps
    return _steps(like, n) / n + width * _random(like, n, generator)


def even_u(like: Tensor, n: int, end: float = 1.0) -> Tensor:
    """n evenly spaced u [R, n] from 0 to `end`: 1 in NeRF, 1 − eps in mip-NeRF."""
    u = torch.linspace(0.0, end, n, dtype=like.dtype, device=like.device)
    return u.expand(like.shape[0], n)


def invert_cdf(u: Tensor, edges: Tensor, cdf: Tensor, narrowest: float = 0.0) -> Tensor:
    """t [R, n] at which the piecewise linear `cdf` [R, B+1] over `edges` [R, B+1] takes the values u [R, n].

    Bins that rise by `narrowest` or less count as rising by one, which puts the sample at their beginning: NeRF takes
    1e-5 and so keeps off bins that hold nothing; 0 inverts exactly.
    """
    last = cdf.shape[1] - 1
    found = torch.searchsorted(cdf.contiguous(), u.contiguous(), right=True)
    below, above = (found - 1).clamp(0, last), found.clamp_max(last)
    cdf_below, cdf_above = cdf.gather(1, below), cdf.gather(1, above)
    rise = cdf_above - cdf_below
    rise = torch.where(rise > narrowest, rise, torch.ones_like(rise))
    edge_below, edge_above = edges.gather(1, below), edges.gather(1, above)
    return edge_below + ((u - cdf_below) / rise).clamp(0.0, 1.0) * (edge_above - edge_below)


def _integral(pdf: Tensor) -> Tensor:
    ends = torch.zeros_like(pdf[:, :1])
    return torch.cat([ends, pdf[:, :-1].cumsum(-1).clamp_max(1.0), ends + 1.0], 1)


def _random(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape[0], n, dtype=like.dtype, device=like.device, generator=generator)


def _steps(like: Tensor, n: int) -> Tensor:
    return torch.arange(n, dtype=like.dtype, device=like.device)
