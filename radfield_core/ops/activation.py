"""Exponential activation with a limited gradient.

The gradient is limited only for large inputs, at which the density is opaque anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

GRADIENT_LIMIT = 15.0
"""Input above which the gradient stays constant.

A density of exp(15) ≈ 3.3e6 is opaque at any usual scene scale. A larger gradient could overflow.
"""

VALUE_LIMIT = 80.0
"""Input above which the value stays constant.

A density of exp(80) ≈ 5.5e34 is still finite when it is multiplied by the length of an interval. An infinite density,
multiplied by a length of zero, would be NaN.
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

    The gradient is limited as in instant-ngp (Müller et al. 2022), which does not limit the value.

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
