"""Small multi-layer perceptrons evaluated in cache-sized chunks.

A layer's activations for a whole batch do not fit a core's cache, and on a CPU moving them costs as much as the
products. Taking a few thousand rows through all layers, forward and backward, keeps them there.

The function is y = W_L relu(… relu(W_1 x)), without biases, as the small networks beside a hash grid are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from radfield_core.ops.derivatives import differentiable_once

CHUNK_ROWS = 4096
"""Rows taken through all layers at once; 4096 × 64 float32 activations are 1 MiB, half of a common L2 cache."""


def reference(x: Tensor, weights: list[Tensor]) -> Tensor:
    """y [M, out] of x [M, in] by plain torch: the definition, differentiable any number of times."""
    for weight in weights[:-1]:
        x = torch.relu(x @ weight.t())
    return x @ weights[-1].t()


def chunked(x: Tensor, weights: list[Tensor]) -> Tensor:
    """The same as `reference` in chunks of `CHUNK_ROWS` rows; differentiable once (a second time raises)."""
    return _Chunked.apply(x, *weights)


def mlp(x: Tensor, weights: list[Tensor], *, second_derivative: bool = False) -> Tensor:
    """y [M, out] of x [M, in], weights [out_l, in_l] each, relu between layers; no biases.

    second_derivative: whether the result's gradient will itself be differentiated (an eikonal loss).
    """
    if x.device.type != "cpu" or second_derivative or torch.is_autocast_enabled("cpu"):
        return reference(x, weights)
    return chunked(x, weights)


def at_least_float32(y: Tensor) -> Tensor:
    """What a network gave, for what follows it: autocast's half floats widened, float64 kept."""
    return y.to(torch.promote_types(y.dtype, torch.float32))


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, *weights: Tensor) -> Tensor:
        rows = x.shape[0]
        hidden = [x.new_empty(rows, weight.shape[0]) for weight in weights[:-1]]
        out = x.new_empty(rows, weights[-1].shape[0])
        for start in range(0, rows, CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            h = x[part]
            for weight, kept in zip(weights[:-1], hidden, strict=True):
                h = torch.mm(h, weight.t(), out=kept[part]).relu_()
            torch.mm(h, weights[-1].t(), out=out[part])
        ctx.save_for_backward(x, *weights, *hidden)
        return out

    @staticmethod
    @differentiable_once("the chunked perceptron", "second_derivative=True of mlp()")
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # type: ignore[attr-defined]
        layers = len(saved) // 2
        x, weights, hidden = saved[0], saved[1 : layers + 1], saved[layers + 1 :]
        wants_x = ctx.needs_input_grad[0]  # type: ignore[attr-defined]
        grad_x = torch.empty_like(x) if wants_x else None
        grad_weights = [torch.zeros_like(weight) for weight in weights]
        for start in range(0, x.shape[0], CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            g = grad[part]
            for layer in range(layers - 1, 0, -1):
                h = hidden[layer - 1][part]
                grad_weights[layer].addmm_(g.t(), h)
                g = torch.ops.aten.threshold_backward(g @ weights[layer], h, 0)
            grad_weights[0].addmm_(g.t(), x[part])
            if grad_x is not None:
                torch.mm(g, weights[0], out=grad_x[part])
        return grad_x, *grad_weights
