"""Small multi-layer perceptrons, evaluated in chunks that fit the cache of a CPU core.

The activations of a whole batch do not fit in this cache. Moving them to and from memory takes as long as the matrix
products. So the rows of a batch are split into chunks of a few thousand. In both the forward and the backward pass,
each chunk passes through all layers before the next chunk starts. The activations of one chunk stay in the cache.

The function is y = W_L relu(… relu(W_1 x)), without biases. The small networks that follow a hash grid have this form.

Symbols in shapes: M inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from radfield_core.ops.derivatives import differentiable_once

CHUNK_ROWS = 4096
"""The number of rows in a chunk. 4096 × 64 float32 activations take 1 MiB, which is half of a common L2 cache."""


def reference(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Return the outputs [M, out], computed in plain torch. The results of `mlp` must equal them, up to rounding
    errors.

    The outputs can be differentiated any number of times.

    Example:
        >>> reference(torch.tensor([[1.0, -2.0]]), [torch.eye(2), torch.ones(1, 2)])
        tensor([[1.]])
    """
    for weight in weights[:-1]:
        x = torch.relu(x @ weight.t())
    return x @ weights[-1].t()


def chunked(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Return the outputs [M, out], computed in chunks of `CHUNK_ROWS` rows. A second derivative raises RuntimeError.

    Example:
        >>> chunked(torch.tensor([[1.0, -2.0]]), [torch.eye(2), torch.ones(1, 2)])
        tensor([[1.]])
    """
    apply: Callable[..., Tensor] = _Chunked.apply
    return apply(x, *weights)


def mlp(x: Tensor, weights: list[Tensor], *, second_derivative: bool = False) -> Tensor:
    """Return the outputs y = W_L relu(… relu(W_1 x)) of a perceptron without biases. On a CPU, work in chunks.

    Args:
        x: inputs [M, in].
        weights: matrices [out_l, in_l] of the layers. The first layer comes first.
        second_derivative: True if the gradient of the outputs will itself be differentiated, as for an eikonal loss.

    Returns:
        Outputs [M, out].

    Example:
        >>> mlp(torch.tensor([[1.0, -2.0]]), [torch.eye(2), torch.ones(1, 2)])
        tensor([[1.]])
    """
    if x.device.type != "cpu" or second_derivative or torch.is_autocast_enabled("cpu"):
        return reference(x, weights)
    return chunked(x, weights)


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        rows = x.shape[0]
        hidden = [x.new_empty(rows, weight.shape[0]) for weight in weights[:-1]]
        out = x.new_empty(rows, weights[-1].shape[0])
        for start in range(0, rows, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            h = x[chunk]
            for weight, activations in zip(weights[:-1], hidden, strict=True):
                h = torch.mm(h, weight.t(), out=activations[chunk]).relu_()
            torch.mm(h, weights[-1].t(), out=out[chunk])
        ctx.save_for_backward(x, *weights, *hidden)
        return out

    @staticmethod
    @differentiable_once("the chunked perceptron", "mlp(…, second_derivative=True)")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        layers = len(saved) // 2
        x, weights, hidden = saved[0], saved[1 : layers + 1], saved[layers + 1 :]
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_weights = [torch.zeros_like(weight) for weight in weights]
        for start in range(0, x.shape[0], CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            g = grad[chunk]
            for layer in range(layers - 1, 0, -1):
                h = hidden[layer - 1][chunk]
                grad_weights[layer].addmm_(g.t(), h)
                g = torch.ops.aten.threshold_backward(g @ weights[layer], h, 0)
            grad_weights[0].addmm_(g.t(), x[chunk])
            if grad_x is not None:
                torch.mm(g, weights[0], out=grad_x[chunk])
        return grad_x, *grad_weights
