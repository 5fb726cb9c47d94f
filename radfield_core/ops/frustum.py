"""First and second moments of the piece of a pixel's cone (or cylinder) between two distances on a ray.

Symbols: t0, t1 ends of the interval; μ its middle; h half its length; r radius of the cone at t = 1 (of the cylinder
anywhere); o, d origin and direction of the ray. A frustum is summed up by a Gaussian with mean `t_mean` and variance
`t_var` along the ray and variance `r_var` across it (mip-NeRF, equations 7 and 8, and 16 for the diagonal). Everything
is float32 or wider and keeps its dtype.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cone(t_starts: Tensor, t_ends: Tensor, radii: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Moments (t_mean, t_var, r_var) [N] of conical frustums between t_starts and t_ends [N], radii [N] at t = 1.

    Equation 7 of mip-NeRF, in which the differences of fourth and fifth powers are expanded about the middle: what
    cancels in the plain form is never formed. An interval without length has t_var = 0.
    """
    middle, half = 0.5 * (t_starts + t_ends), 0.5 * (t_ends - t_starts)
    middle2, half2 = middle.square(), half.square()
    share = half2 / (3.0 * middle2 + half2).clamp_min(torch.finfo(middle.dtype).tiny)
    t_mean = middle + 2.0 * middle * share
    t_var = half2 / 3.0 - (4.0 / 15.0) * share.square() * (12.0 * middle2 - half2)
    r_var = radii.square() * (middle2 / 4.0 + (5.0 / 12.0) * half2 - (4.0 / 15.0) * half2 * share)
    return t_mean, t_var, r_var


def cylinder(t_starts: Tensor, t_ends: Tensor, radii: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Moments (t_mean, t_var, r_var) [N] of cylinders of radius `radii` [N]: the footprint of pixels in NDC."""
    return 0.5 * (t_starts + t_ends), (t_ends - t_starts).square() / 12.0, radii.square() / 4.0


def diagonal_covariance(directions: Tensor, t_var: Tensor, r_var: Tensor) -> Tensor:
    """Diagonal [N, 3] of the covariance t_var d dᵀ + r_var (I − d dᵀ / |d|²), for directions [N, 3] of any length."""
    squared = directions.square()
    along = squared / squared.sum(-1, keepdim=True).clamp_min(1e-10)
    return t_var[:, None] * squared + r_var[:, None] * (1.0 - along)
