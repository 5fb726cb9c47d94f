"""Contraction of unbounded space into a ball (mip-NeRF 360, equation 10)."""

from __future__ import annotations

import torch
from torch import Tensor


def contract(x: Tensor, center: Tensor, radius: float) -> Tensor:
    """y = (x − center)/radius [M, 3] where that is in the unit ball, else (2 − 1/‖y‖) y/‖y‖: all in a ball of 2."""
    y = _within_reach((x - center) / radius)
    outside = _norm_outside(y)
    return torch.where(outside <= 1.0, y, (2.0 - 1.0 / outside) * (y / outside))


def contract_variance(x: Tensor, cov: Tensor, center: Tensor, radius: float) -> Tensor:
    """Diagonal covariance [M, 3] of contracted Gaussians of mean x [M, 3] and diagonal covariance `cov` [M, 3].

    To first order, JΣJᵀ (mip-NeRF 360, equation 9), of which the diagonal is kept. Outside the ball the contraction
    stretches by 1/r² along n = y/r and by (2 − 1/r)/r across it: J = across·I + (along − across) n nᵀ.
    """
    y = _within_reach((x - center) / radius)
    outside = _norm_outside(y)
    n = y / outside
    across = (2.0 - 1.0 / outside) / outside
    extra = torch.where(outside <= 1.0, 0.0, outside**-2 - across)
    rank_one = extra * n * (n * n * cov).sum(-1, keepdim=True) * extra * n
    return (across**2 * cov + 2.0 * across * extra * n**2 * cov + rank_one) / radius**2


def _within_reach(y: Tensor) -> Tensor:
    """y, or where its norm's square could overflow a point nearer along its direction, which contracts to the same."""
    return y / (y.detach().abs().amax(-1, keepdim=True) / 1e15).clamp_min(1.0)


def _norm_outside(y: Tensor) -> Tensor:
    """‖y‖ [M, 1], but 1 in the unit ball: what is divided by it stays finite with all its derivatives, at 0 too."""
    return y.square().sum(-1, keepdim=True).clamp_min(1.0).sqrt()


def uncontract(y: Tensor, center: Tensor, radius: float) -> Tensor:
    """The points [M, 3] that `contract` takes to y [M, 3], ‖y‖ < 2."""
    outside = _norm_outside(y)
    x = torch.where(outside <= 1.0, y, y / outside / (2.0 - outside).clamp_min(1e-6))
    return x * radius + center
