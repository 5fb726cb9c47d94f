"""Gaussians that approximate pieces of a pixel's cone, or of its cylinder.

Each piece lies between the two ends of an interval on the pixel's ray. The ray has the origin o and the direction d.
The Gaussian has the mean o + t_mean d, the variance t_var along the ray and the variance r_var across the ray
(mip-NeRF, equations 7 and 8). Equation 16 gives the diagonal of the covariance. All values are float32 or wider and
keep their dtype.

Symbols:

- N: number of intervals.
- t0, t1: ends of an interval; μ: its midpoint; h: half of its length.
- r: radius of the cone at t = 1, or radius of the cylinder.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cone(t_starts: Tensor, t_ends: Tensor, radii: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the means and the variances of conical frustums (mip-NeRF, equation 7).

    The paper's formula loses digits, because it subtracts fourth and fifth powers. An expansion about the midpoint
    loses none:

        t_mean = μ + 2 μ h² / (3 μ² + h²)
        t_var  = h²/3 − (4/15) h⁴ (12 μ² − h²) / (3 μ² + h²)²
        r_var  = r² (μ²/4 + (5/12) h² − (4/15) h⁴ / (3 μ² + h²))

    Args:
        t_starts: t0 [N].
        t_ends: t1 [N].
        radii: r [N], radius of the cone at t = 1.

    Returns:
        t_mean [N], t_var [N] and r_var [N]. An interval of length 0 has t_var = 0.

    Example:
        >>> t_mean, t_var, r_var = cone(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([0.5]))
        >>> t_mean, t_var, r_var
        (tensor([2.3077]), tensor([0.2592]), tensor([0.3490]))
    """
    midpoint, half = 0.5 * (t_starts + t_ends), 0.5 * (t_ends - t_starts)
    midpoint2, half2 = midpoint.square(), half.square()
    ratio = half2 / (3.0 * midpoint2 + half2).clamp_min(torch.finfo(midpoint.dtype).tiny)
    t_mean = midpoint + 2.0 * midpoint * ratio
    t_var = half2 / 3.0 - (4.0 / 15.0) * ratio.square() * (12.0 * midpoint2 - half2)
    r_var = radii.square() * (midpoint2 / 4.0 + (5.0 / 12.0) * half2 - (4.0 / 15.0) * half2 * ratio)
    return t_mean, t_var, r_var


def cylinder(t_starts: Tensor, t_ends: Tensor, radii: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the means and the variances of cylinders: t_mean = μ, t_var = h²/3, r_var = r²/4.

    In NDC, a pixel sees a cylinder instead of a cone.

    Args:
        t_starts: t0 [N].
        t_ends: t1 [N].
        radii: r [N].

    Returns:
        t_mean [N], t_var [N] and r_var [N].

    Example:
        >>> cylinder(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([0.5]))
        (tensor([2.]), tensor([0.3333]), tensor([0.0625]))
    """
    return 0.5 * (t_starts + t_ends), (t_ends - t_starts).square() / 12.0, radii.square() / 4.0


def diagonal_covariance(directions: Tensor, t_var: Tensor, r_var: Tensor) -> Tensor:
    """Return the diagonal of the covariance t_var d dᵀ + r_var (I − d dᵀ / ‖d‖²) (mip-NeRF, equation 16).

    Args:
        directions: d [N, 3], of any length.
        t_var: variance along the ray [N], in units of ‖d‖².
        r_var: variance across the ray [N].

    Returns:
        Diagonals [N, 3].

    Example:
        >>> diagonal_covariance(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([4.0]), torch.tensor([0.5]))
        tensor([[0.5000, 0.5000, 4.0000]])
    """
    squared = directions.square()
    along = squared / squared.sum(-1, keepdim=True).clamp_min(1e-10)
    return t_var[:, None] * squared + r_var[:, None] * (1.0 - along)
