"""Exponential activation with a limited gradient.

The limit takes effect only for large inputs, where the density is already opaque.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

GRADIENT_LIMIT = 15.0
"""Input above which the gradient stays constant.

A density of exp(15) ≈ 3.3e6 is opaque at any usual scene scale, and a larger gradient could overflow.
"""

VALUE_LIMIT = 80.0
"""Input above which the value stays constant.

A density of exp(80) ≈ 5.5e34 remains finite when multiplied by the length of an interval. An infinite density,
multiplied by a length of zero, would give NaN.
"""


class _TruncatedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(max=VALUE_LIMIT).exp()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x: Tensor = ctx.saved_tensors[0]
        return grad * x.clamp(max=GRADIENT_LIMIT).exp()


def truncated_exp(x: Tensor) -> Tensor:
    """Return exp(min(x, 80)), with the gradient exp(min(x, 15)). The result is differentiable to any order.

    The truncated gradient is from instant-ngp (Müller et al. 2022). The limit on the value is an addition.

    Args:
        x: raw densities, of any shape.

    Example:
        >>> x = torch.tensor([0.0, 20.0], requires_grad=True)
        >>> truncated_exp(x).sum().backward()
        >>> x.grad.log()
        tensor([ 0., 15.])
    """
    values: Tensor = _TruncatedExp.apply(x)  # type: ignore[no-untyped-call]  # torch gives `apply` no types
    return values
