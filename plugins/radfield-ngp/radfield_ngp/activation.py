"""The exponential that trains: its gradient is cut off where the density is already opaque."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

LIMIT = 15.0
"""exp(15) ≈ 3.3e6: at any sensible scale of a scene such a density is opaque, and a larger slope only overflows."""

LARGEST = 80.0
"""exp(80) ≈ 5.5e34 times any length is finite: infinity times an empty interval would be no number."""


class _TruncatedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(max=LARGEST).exp()

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * x.clamp(max=LIMIT).exp()


def truncated_exp(x: Tensor) -> Tensor:
    """exp(min(x, 80)) of any shape, its gradient exp(min(x, 15)) (instant-ngp); differentiable any number of times."""
    return _TruncatedExp.apply(x)
