"""Packed scans, weights and compositing on a CPU, compiled by numba: twins of `segments` and `volume`.

Each ray is walked on its own, forwards for values and backwards for gradients. Sums and scans are differentiable any
number of times, weights and composites once: a second derivative through them raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from radfield_core.ops.jit import kernel, reduction
from radfield_core.ops.segments import Packing

ONE = np.uint64(1)


def sum(x: Tensor, packing: Packing) -> Tensor:
    """Sum over each ray [R, ...]."""
    return _Sum.apply(x, packing)


def per_sample(x: Tensor, packing: Packing) -> Tensor:
    """Per-ray values [R, ...] repeated for each sample [N, ...]."""
    return _Spread.apply(x, packing)


def exclusive_cumsum(x: Tensor, packing: Packing) -> Tensor:
    """Sum of the samples before each one on its ray [N, ...]."""
    return _Scan.apply(x, packing, False)


def weights_from_density(density: Tensor, lengths: Tensor, packing: Packing) -> Tensor:
    """Weights [N] from densities and lengths of intervals [N]."""
    return _DensityWeights.apply(density, lengths, packing)


def weights_from_alpha(alpha: Tensor, packing: Packing) -> Tensor:
    """Weights [N] from opacities [N]."""
    return _AlphaWeights.apply(alpha, packing)


def composite(weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Σ w x over each ray [R, ...]."""
    return _Composite.apply(weights, x, packing)


def probe() -> None:
    """Run every kernel once in float32."""
    packing = Packing.from_counts(torch.tensor([1]))
    density = torch.ones(1, requires_grad=True)
    weights = weights_from_density(exclusive_cumsum(density, packing), torch.ones(1), packing)
    with torch.enable_grad():
        (composite(weights, torch.ones(1, 3), packing).sum() + sum(weights, packing).sum()).backward()


def _array(x: Tensor) -> Any:
    return x.detach().contiguous().numpy()


def _table(x: Tensor) -> Any:
    """x [M, ...] as a contiguous array [M, F]."""
    return _array(x).reshape(x.shape[0], x.shape[1:].numel())


def _offsets(packing: Packing) -> Any:
    return packing.offsets.numpy().view(np.uint64)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing) -> Tensor:
        ctx.packing = packing
        out = x.new_empty(packing.offsets.shape[0] - 1, *x.shape[1:])
        _sum(_table(x), _offsets(packing), _table(out))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(grad, ctx.packing), None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing) -> Tensor:
        ctx.packing = packing
        if x.dim() > 1:
            return x.index_select(0, packing.ray_indices)
        out = x.new_empty(packing.ray_indices.shape[0])
        _spread(_array(x), _offsets(packing), out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(grad, ctx.packing), None


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, reverse: bool) -> Tensor:
        ctx.packing, ctx.reverse = packing, reverse
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        _scan(_table(x), _offsets(packing), reverse, _table(out))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Scan.apply(grad, ctx.packing, not ctx.reverse), None, None


class _DensityWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, lengths: Tensor, packing: Packing) -> Tensor:
        negative_depth = torch.mul(density, lengths).neg_()
        weights, transmittance = torch.exp(negative_depth), torch.empty_like(negative_depth)
        alpha = negative_depth
        _opacity(weights.numpy(), alpha.numpy())
        _alpha_weights(alpha.numpy(), _offsets(packing), weights.numpy(), transmittance.numpy())
        ctx.save_for_backward(density, lengths, alpha, transmittance)
        ctx.packing = packing
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        density, lengths, alpha, transmittance = ctx.saved_tensors
        by_depth = torch.empty_like(alpha)
        _density_backward(
            _array(grad), alpha.numpy(), transmittance.numpy(), _offsets(ctx.packing), by_depth.numpy()
        )
        by_lengths = by_depth * density if ctx.needs_input_grad[1] else None
        return by_depth.mul_(lengths) if ctx.needs_input_grad[0] else None, by_lengths, None


class _AlphaWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, packing: Packing) -> Tensor:
        alpha = alpha.contiguous()
        weights, transmittance = torch.empty_like(alpha), torch.empty_like(alpha)
        _alpha_weights(_array(alpha), _offsets(packing), weights.numpy(), transmittance.numpy())
        ctx.save_for_backward(alpha, transmittance)
        ctx.packing = packing
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        alpha, transmittance = ctx.saved_tensors
        out = torch.empty_like(alpha)
        _alpha_backward(_array(grad), _array(alpha), transmittance.numpy(), _offsets(ctx.packing), out.numpy())
        return out, None


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
        ctx.save_for_backward(weights, x)
        ctx.packing = packing
        out = x.new_empty(packing.offsets.shape[0] - 1, *x.shape[1:])
        _composite(_array(weights), _table(x), _offsets(packing), _table(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weights, x = ctx.saved_tensors
        offsets, rows = _offsets(ctx.packing), _table(grad)
        grad_weights, grad_x = None, None
        if ctx.needs_input_grad[0]:
            grad_weights = torch.empty_like(weights, memory_format=torch.contiguous_format)
            _composite_backward_weights(rows, _table(x), offsets, grad_weights.numpy())
        if ctx.needs_input_grad[1]:
            grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
            _composite_backward_x(rows, _array(weights), offsets, _table(grad_x))
        return grad_weights, grad_x, None


# Offsets are unsigned, so that the compiler need not handle negative indices and can use vector units; loops over one
# feature (opacity, depth) and over three (colour) are written out for the same reason.


@reduction
def _sum(x, offsets, out):
    zero = out.dtype.type(0)
    if x.shape[1] == 1:
        flat = x.ravel()
        for r in range(len(offsets) - 1):
            total = zero
            for i in range(offsets[r], offsets[r + 1]):
                total += flat[i]
            out[r, 0] = total
    else:
        for r in range(len(offsets) - 1):
            for f in range(x.shape[1]):
                total = zero
                for i in range(offsets[r], offsets[r + 1]):
                    total += x[i, f]
                out[r, f] = total


@kernel
def _spread(x, offsets, out):
    for r in range(len(offsets) - 1):
        value = x[r]
        for i in range(offsets[r], offsets[r + 1]):
            out[i] = value


@kernel
def _scan(x, offsets, reverse, out):
    for r in range(len(offsets) - 1):
        start, stop = offsets[r], offsets[r + 1]
        for f in range(x.shape[1]):
            total = 0.0
            for k in range(stop - start):
                i = stop - ONE - k if reverse else start + k
                out[i, f] = total
                total += x[i, f]


@kernel
def _opacity(passed, alpha):
    # `alpha` comes in as −σδ and leaves as α = 1 − exp(−σδ), by its series where the difference would cancel.
    number = passed.dtype.type
    thin = number(0.05) if passed.itemsize == 4 else number(1e-3)
    one, half, third, quarter = number(1), number(1 / 2), number(1 / 3), number(1 / 4)
    for i in range(len(alpha)):
        x = alpha[i]
        series = -x * (one + half * x * (one + third * x * (one + quarter * x)))
        alpha[i] = one - passed[i] if abs(x) > thin else series


@kernel
def _density_backward(grad, alpha, transmittance, offsets, out):
    # By x = σδ: ∂w_i/∂x_i = T_i (1 − α_i), and ∂w_j/∂x_i = −w_j for the samples j behind.
    for r in range(len(offsets) - 1):
        start, stop, behind = offsets[r], offsets[r + 1], 0.0
        for k in range(stop - start):
            i = stop - ONE - k
            arriving = grad[i] * transmittance[i]
            out[i] = arriving * (1.0 - alpha[i]) - behind
            behind += arriving * alpha[i]


@kernel
def _alpha_weights(alpha, offsets, weights, transmittance):
    for r in range(len(offsets) - 1):
        left = 1.0
        for i in range(offsets[r], offsets[r + 1]):
            transmittance[i] = left
            weights[i] = left * alpha[i]
            left *= 1.0 - alpha[i]


@kernel
def _alpha_backward(grad, alpha, transmittance, offsets, out):
    # behind: what passes a sample is worth Σ_{j>i} g_j α_j Π_{i<k<j} (1 − α_k): no division by 1 − α, which may be 0.
    for r in range(len(offsets) - 1):
        start, stop, behind = offsets[r], offsets[r + 1], 0.0
        for k in range(stop - start):
            i = stop - ONE - k
            out[i] = transmittance[i] * (grad[i] - behind)
            behind = grad[i] * alpha[i] + (1.0 - alpha[i]) * behind


@reduction
def _composite(weights, x, offsets, out):
    zero = out.dtype.type(0)
    if x.shape[1] == 1:
        flat = x.ravel()
        for r in range(len(offsets) - 1):
            total = zero
            for i in range(offsets[r], offsets[r + 1]):
                total += weights[i] * flat[i]
            out[r, 0] = total
    elif x.shape[1] == 3:
        for r in range(len(offsets) - 1):
            red, green, blue = zero, zero, zero
            for i in range(offsets[r], offsets[r + 1]):
                red += weights[i] * x[i, 0]
                green += weights[i] * x[i, 1]
                blue += weights[i] * x[i, 2]
            out[r, 0], out[r, 1], out[r, 2] = red, green, blue
    else:
        for r in range(len(offsets) - 1):
            for f in range(x.shape[1]):
                total = zero
                for i in range(offsets[r], offsets[r + 1]):
                    total += weights[i] * x[i, f]
                out[r, f] = total


@reduction
def _composite_backward_weights(grad, x, offsets, out):
    if x.shape[1] == 1:
        flat = x.ravel()
        for r in range(len(offsets) - 1):
            for i in range(offsets[r], offsets[r + 1]):
                out[i] = grad[r, 0] * flat[i]
    elif x.shape[1] == 3:
        for r in range(len(offsets) - 1):
            red, green, blue = grad[r, 0], grad[r, 1], grad[r, 2]
            for i in range(offsets[r], offsets[r + 1]):
                out[i] = red * x[i, 0] + green * x[i, 1] + blue * x[i, 2]
    else:
        for r in range(len(offsets) - 1):
            for i in range(offsets[r], offsets[r + 1]):
                total = out.dtype.type(0)
                for f in range(x.shape[1]):
                    total += grad[r, f] * x[i, f]
                out[i] = total


@reduction
def _composite_backward_x(grad, weights, offsets, out):
    if out.shape[1] == 3:
        for r in range(len(offsets) - 1):
            red, green, blue = grad[r, 0], grad[r, 1], grad[r, 2]
            for i in range(offsets[r], offsets[r + 1]):
                out[i, 0], out[i, 1], out[i, 2] = red * weights[i], green * weights[i], blue * weights[i]
    else:
        for r in range(len(offsets) - 1):
            for i in range(offsets[r], offsets[r + 1]):
                for f in range(out.shape[1]):
                    out[i, f] = grad[r, f] * weights[i]
