"""Derivatives by position of a scalar function of points x [M, D], in training and in evaluation; and first ones alone.

Evaluation runs under `torch.no_grad`, never under `torch.inference_mode`: a normal is a gradient there too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


def gradient(function: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """What `function` returns at x [M, D], and the gradient [M, D] of the first of it, a scalar [M] per point.

    Works under no_grad. The gradient can itself be differentiated exactly if gradients were enabled on entry; if they
    were not, nothing that is returned carries a graph. Raises RuntimeError under inference_mode.
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("gradients by position need torch.no_grad, not torch.inference_mode")
    training = torch.is_grad_enabled()
    with torch.enable_grad():
        if not (training and x.requires_grad):
            x = x.detach().requires_grad_()
        outputs = function(x)
        (slope,) = torch.autograd.grad(
            outputs[0], x, torch.ones_like(outputs[0]), create_graph=training, materialize_grads=True
        )
    return (outputs if training else tuple(output.detach() for output in outputs)), slope


def central_differences(
    function: Callable[[Tensor], Tensor], x: Tensor, values: Tensor, step: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient [M, D] and Laplacian [M] of a scalar function by 2 D taps at distance `step` from x [M, D].

    values [M]: the function at x. (f₊ − f₋) / 2ε along each axis, and Σ (f₊ + f₋ − 2 f) / ε² (Neuralangelo, section
    3.2). Needs no graph, so it works under no_grad, and gives second-order gradients at the cost of a first-order one.
    """
    dim = x.shape[1]
    offsets = torch.eye(dim, dtype=x.dtype, device=x.device) * step
    taps = torch.stack([x[:, None] + offsets, x[:, None] - offsets]).view(-1, dim)
    plus, minus = function(taps).view(2, x.shape[0], dim)
    return (plus - minus) / (2.0 * step), (plus + minus - 2.0 * values[:, None]).sum(-1) / step**2


def differentiable_once(what: str, instead: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For `backward` of a Function: a second derivative raises RuntimeError, naming what it is of and what to try.

    Gradients are enabled in `backward` only under create_graph. torch's once_differentiable would return gradients
    without a graph there if the incoming one has none, and a loss on them would silently train nothing.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def checked(ctx: Any, *grads: Any) -> Any:
            if torch.is_grad_enabled():
                raise RuntimeError(f"{what} is differentiable once; for a second derivative try {instead}")
            return backward(ctx, *grads)

        return checked

    return decorate
