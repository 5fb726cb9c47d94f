"""Contraction of unbounded space into a ball of radius 2 (mip-NeRF 360, equations 9 and 10).

Symbols in shapes: M points.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contract(x: Tensor, center: Tensor, radius: float) -> Tensor:
    """Contract points (mip-NeRF 360, equation 10).

    Let y = (x − center) / radius. The result is y if ‖y‖ <= 1, and (2 − 1/‖y‖) y / ‖y‖ otherwise.

    Args:
        x: points [M, 3].
        center: center [3] of the ball inside which points are scaled but not contracted.
        radius: radius of this ball, in the unit of x.

    Returns:
        Contracted points [M, 3], with norms below 2.

    Example:
        >>> contract(torch.tensor([[1.0, 0.0, 0.0], [4.0, 0.0, 0.0]]), torch.zeros(3), 2.0)
        tensor([[0.5000, 0.0000, 0.0000],
                [1.5000, 0.0000, 0.0000]])
    """
    y = _limited((x - center) / radius)
    norm = _norm_outside(y)
    return torch.where(norm <= 1.0, y, (2.0 - 1.0 / norm) * (y / norm))


def contract_variance(x: Tensor, cov: Tensor, center: Tensor, radius: float) -> Tensor:
    """Return the diagonals of the covariances of contracted Gaussians.

    To first order, a Gaussian with the covariance Σ gets the covariance J Σ Jᵀ, where J is the Jacobian of `contract`
    at its mean (mip-NeRF 360, equation 9).

    Let y = (x − center) / radius, r = ‖y‖ and n = y / r. If r > 1, the contraction scales y by along = 1/r² in the
    direction n, and by across = (2 − 1/r)/r perpendicular to n. So J · radius is across · I + (along − across) n nᵀ.

    Args:
        x: means [M, 3].
        cov: diagonals [M, 3] of the covariances Σ.
        center: center [3] of the ball inside which points are scaled but not contracted.
        radius: radius of this ball, in the unit of x.

    Returns:
        Diagonals [M, 3].

    Example:
        >>> x, cov = torch.tensor([[4.0, 0.0, 0.0]]), torch.full((1, 3), 0.16)
        >>> contract_variance(x, cov, torch.zeros(3), 2.0)  # y = 2: along 1/4, across 3/4
        tensor([[0.0025, 0.0225, 0.0225]])
    """
    y = _limited((x - center) / radius)
    norm = _norm_outside(y)
    n = y / norm
    across = (2.0 - 1.0 / norm) / norm
    difference = torch.where(norm <= 1.0, 0.0, norm**-2 - across)  # along − across
    rank_one = difference * n * (n * n * cov).sum(-1, keepdim=True) * difference * n
    return (across**2 * cov + 2.0 * across * difference * n**2 * cov + rank_one) / radius**2


def _limited(y: Tensor) -> Tensor:
    """Scale down each point y whose squared norm could overflow.

    The contracted point stays the same up to rounding errors, because so far away it depends only on the direction of
    y.
    """
    return y / (y.detach().abs().amax(-1, keepdim=True) / 1e15).clamp_min(1.0)


def _norm_outside(y: Tensor) -> Tensor:
    """Return ‖y‖ [M, 1] outside the unit ball and 1 inside it. A division by the result has finite derivatives at 0."""
    return y.square().sum(-1, keepdim=True).clamp_min(1.0).sqrt()
