"""The exponential that trains: its gradient is cut off where the density is already opaque."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

LIMIT = 15.0
"""exp(15) ≈ 3.3e6: at any sensible scale of a scene such a density is opaque, and a larger slope only overflows."""


class _TruncatedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * x.clamp(max=LIMIT).exp()


def truncated_exp(x: Tensor) -> Tensor:
    """exp(x) of any shape, with gradient exp(min(x, 15)) (instant-ngp); differentiable any number of times."""
    return _TruncatedExp.apply(x)
