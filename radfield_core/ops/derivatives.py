"""Derivatives of a scalar function of points with respect to position, in training and in evaluation.

Evaluation runs under `torch.no_grad`, never under `torch.inference_mode`, because it needs gradients for normals.

Symbols in shapes: M points in D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

_Backward = TypeVar("_Backward", bound=Callable[..., Any])


def gradient(function: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Values of a function at points, and the gradient of its first value with respect to position.

    Works under no_grad. If gradients were enabled on entry, the gradient can itself be differentiated. If they were
    not, the results have no autograd graph.

    Args:
        function: returns a tuple whose first tensor is a scalar [M] per point.
        x: points [M, D].

    Returns:
        The tuple that the function returned, and the gradient [M, D].

    Raises:
        RuntimeError: under inference_mode.

    Example:
        >>> (values,), slopes = gradient(lambda x: (x.square().sum(-1),), torch.tensor([[1.0, 2.0]]))
        >>> values.detach(), slopes
        (tensor([5.]), tensor([[2., 4.]], grad_fn=<MulBackward0>))
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("gradients with respect to position need torch.no_grad, not torch.inference_mode")
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
    """Gradient and Laplacian of a scalar function from its values at 2 D points around each point.

    With f± the values at a distance ε on either side along an axis, the gradient is (f₊ − f₋) / 2ε and the Laplacian is
    Σ (f₊ + f₋ − 2 f) / ε² (Neuralangelo, section 3.2). No autograd graph is needed, so this works
    under no_grad. In training, a loss on the results needs only first-order gradients of the function.

    Args:
        function: returns one scalar [M] per point.
        x: points [M, D].
        values: the function's values [M] at x.
        step: ε, in the unit of x.

    Returns:
        Gradient [M, D] and Laplacian [M].

    Example:
        >>> x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
        >>> slopes, laplacian = central_differences(lambda x: x.square().sum(-1), x, x.square().sum(-1), 0.5)
        >>> slopes.tolist(), laplacian.tolist()
        ([[2.0, 4.0]], [4.0])
    """
    dim = x.shape[1]
    offsets = torch.eye(dim, dtype=x.dtype, device=x.device) * step
    taps = torch.stack([x[:, None] + offsets, x[:, None] - offsets]).view(-1, dim)
    plus, minus = function(taps).view(2, x.shape[0], dim)
    return (plus - minus) / (2.0 * step), (plus + minus - 2.0 * values[:, None]).sum(-1) / step**2


def differentiable_once(name: str, alternative: str) -> Callable[[_Backward], _Backward]:
    """Decorator for the `backward` of an autograd Function, with which a second derivative raises RuntimeError.

    Gradients are enabled inside `backward` only under create_graph, which a second derivative needs. torch's own
    `once_differentiable` returns gradients without a graph if the incoming gradient has none. A loss on such gradients
    would silently train nothing.

    Args:
        name: the op, as the subject of the message.
        alternative: what to use for a second derivative.

    Example:
        >>> class Double(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        ...
        ...     @staticmethod
        ...     @differentiable_once("doubling", "2 * x")
        ...     def backward(ctx, grad):
        ...         return 2 * grad
        >>> x = torch.ones(1, requires_grad=True)
        >>> torch.autograd.grad(Double.apply(x), x)
        (tensor([2.]),)
        >>> torch.autograd.grad(Double.apply(x), x, create_graph=True)
        Traceback (most recent call last):
        RuntimeError: doubling can be differentiated once; for a second derivative use 2 * x
    """

    def decorate(backward: _Backward) -> _Backward:
        @wraps(backward)
        def checked(ctx: Any, *grads: Any) -> Any:
            if torch.is_grad_enabled():
                raise RuntimeError(f"{name} can be differentiated once; for a second derivative use {alternative}")
            return backward(ctx, *grads)

        return checked  # type: ignore[return-value]  # wraps() keeps the signature

    return decorate
