"""Derivatives with respect to position, for scalar functions of points. They work in training and in evaluation.

Normals need gradients in evaluation too, so these functions enable gradients locally. That works inside
`torch.no_grad` but not inside `torch.inference_mode`, so evaluation runs under `torch.no_grad`.

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
    """Return the values of a function at points, and the gradient of the first value with respect to position.

    This works under no_grad too, and the results then have no autograd graph. If the caller has enabled gradients, the
    returned gradient can itself be differentiated.

    Args:
        function: takes the points and returns a tuple. Its first tensor [M] has one scalar per point.
        x: points [M, D].

    Returns:
        The tuple that the function returned, and the gradient [M, D].

    Raises:
        RuntimeError: inference_mode is enabled.

    Example:
        >>> (values,), slopes = gradient(lambda x: (x.square().sum(-1),), torch.tensor([[1.0, 2.0]]))
        >>> values.detach(), slopes
        (tensor([5.]), tensor([[2., 4.]], grad_fn=<MulBackward0>))
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError(
            "gradients with respect to position cannot be computed in torch.inference_mode; use torch.no_grad instead"
        )
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
    """Estimate the gradient and the Laplacian of a scalar function from its values at 2 D points around each point.

    Let f, f₊ and f₋ be the values at x, x + ε e and x − ε e, where e is the unit vector of an axis. The gradient along
    this axis is (f₊ − f₋) / 2ε. The Laplacian is the sum of (f₊ + f₋ − 2 f) / ε² over all axes (Neuralangelo, section
    3.2). No autograd graph is needed, so this works under no_grad. In training, a loss on the results needs only
    first-order gradients of the function.

    Args:
        function: takes points and returns one scalar [M] per point.
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
    """Decorate the `backward` of an autograd Function, so that a second derivative raises RuntimeError.

    A second derivative needs create_graph=True, and only then are gradients enabled inside `backward`. So the decorated
    function raises the error if gradients are enabled. torch's own `once_differentiable` is not enough: it raises no
    error if the incoming gradient has no graph. The gradients that `backward` returns then have no graph either, so a
    loss on them would train nothing, without any error.

    Args:
        name: name of the op in the error message.
        alternative: the code that the error message suggests for a second derivative.

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
