"""CPU kernels for packed samples, compiled by numba. The module `_packed` makes differentiable ops from the kernels.

Each ray is processed independently: values from its first sample to its last, and gradients in the opposite order. "The
gradient for x" is the gradient of the loss with respect to x. Symbols in shapes: R rays, N samples, F features.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radfield_core.ops._packed import check
from radfield_core.ops.jit import kernel, reduction
from radfield_core.ops.layout import Packing

Array = NDArray[Any]

ONE = np.uint64(1)


def spread(x: Tensor, packing: Packing) -> Tensor:
    """Repeat each ray's value, x [R, ...], for all samples of the ray. Return [N, ...]."""
    if x.dim() > 1:
        return x.index_select(0, packing.ray_indices)
    out = x.new_empty(packing.ray_indices.shape[0])
    _spread(_array(x), _offsets(packing), out.numpy())
    return out


def sum(x: Tensor, packing: Packing) -> Tensor:
    """Return the sum [R, ...] of x [N, ...] over the samples of each ray."""
    out = x.new_empty(packing.offsets.shape[0] - 1, *x.shape[1:])
    _sum(_table(x), _offsets(packing), _table(out))
    return out


def scan(x: Tensor, packing: Packing, reverse: bool) -> Tensor:
    """Return, for each sample, the sum [N, ...] over the ray's earlier samples (over its later ones if `reverse`)."""
    out = _like(x)
    _scan(_table(x), _offsets(packing), reverse, _table(out))
    return out


def density_weights(density: Tensor, lengths: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
    """Return three tensors for densities [N] and lengths [N]: the weights [N], and two tensors for `density_backward`.

    These two tensors are the weights again, and the transmittance behind each sample [N].
    """
    behind = torch.mul(density, lengths).neg_()
    weights = torch.exp(behind)
    _density_weights(_offsets(packing), weights.numpy(), behind.numpy())
    return weights, weights, behind


def density_backward(grad: Tensor, weights: Tensor, behind: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for σδ [N]. `grad` is the gradient for the weights [N]."""
    out = torch.empty_like(weights)
    _density_backward(_array(grad), weights.numpy(), behind.numpy(), _offsets(packing), out.numpy())
    return out


def alpha_weights(alpha: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
    """Return the weights [N] and the transmittances [N] for opacities [N]."""
    weights, transmittance = _like(alpha), _like(alpha)
    _alpha_weights(_array(alpha), _offsets(packing), weights.numpy(), transmittance.numpy())
    return weights, transmittance


def alpha_backward(grad: Tensor, alpha: Tensor, transmittance: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for the opacities [N]. `grad` is the gradient for the weights [N]."""
    out = _like(alpha)
    _alpha_backward(_array(grad), _array(alpha), transmittance.numpy(), _offsets(packing), out.numpy())
    return out


def composite(weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return Σ w x [R, ...] over the samples of each ray."""
    out = x.new_empty(packing.offsets.shape[0] - 1, *x.shape[1:])
    _composite(_array(weights), _table(x), _offsets(packing), _table(out))
    return out


def composite_backward_weights(grad: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for the weights [N]. `grad` is the gradient for the sums [R, ...]."""
    out = x.new_empty(x.shape[0])
    _composite_backward_weights(_table(grad), _table(x), _offsets(packing), out.numpy())
    return out


def composite_backward_x(grad: Tensor, weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for x [N, ...]. `grad` is the gradient for the sums [R, ...]."""
    out = _like(x)
    _composite_backward_x(_table(grad), _array(weights), _offsets(packing), _table(out))
    return out


def pixels(weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
    """Return Σ w rgb [R, 3], Σ w t [R] and Σ w [R] over the samples of each ray."""
    n_rays = packing.offsets.shape[0] - 1
    color, depth, opacity = rgb.new_empty(n_rays, 3), rgb.new_empty(n_rays), rgb.new_empty(n_rays)
    inputs = _array(weights), _array(rgb), _array(t), _offsets(packing)
    _pixels(*inputs, color.numpy(), depth.numpy(), opacity.numpy())
    return color, depth, opacity


def pixels_backward(
    grads: tuple[Tensor, ...], weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing
) -> tuple[Tensor, Tensor]:
    """Return the gradients for weights [N] and rgb [N, 3]. `grads` are the gradients for the results of `pixels`."""
    by_weights, by_rgb = weights.new_empty(weights.shape[0]), _like(rgb)
    arrays = (*map(_array, (*grads, weights, rgb, t)), _offsets(packing))
    _pixels_backward(*arrays, by_weights.numpy(), by_rgb.numpy())
    return by_weights, by_rgb


def warm_up() -> None:
    """Compile or load the kernels that rendering needs, and run each kernel once."""
    check(sys.modules[__name__], "cpu")


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _array(x: Tensor) -> Array:
    array: Array = x.detach().contiguous().numpy()
    return array


def _table(x: Tensor) -> Array:
    """Return x [M, ...] as a contiguous array [M, F]."""
    return _array(x).reshape(x.shape[0], x.shape[1:].numel())


def _offsets(packing: Packing) -> Array:
    offsets: Array = packing.offsets.numpy()
    return offsets.view(np.uint64)


# Offsets are unsigned, so the compiler need not handle negative indices and can use vector units. For the same reason,
# there is separate code for the sum of a single feature and for the three color channels.


@reduction
def _sum(x: Array, offsets: Array, out: Array) -> None:
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
def _spread(x: Array, offsets: Array, out: Array) -> None:
    for r in range(len(offsets) - 1):
        value = x[r]
        for i in range(offsets[r], offsets[r + 1]):
            out[i] = value


@kernel
def _scan(x: Array, offsets: Array, reverse: bool, out: Array) -> None:
    for r in range(len(offsets) - 1):
        start, stop = offsets[r], offsets[r + 1]
        for f in range(x.shape[1]):
            total = 0.0
            for k in range(stop - start):
                i = stop - ONE - k if reverse else start + k
                out[i, f] = total
                total += x[i, f]


@kernel
def _density_weights(offsets: Array, weights: Array, behind: Array) -> None:
    # At the start `behind` holds −σδ and `weights` holds exp(−σδ). At the end `behind` holds the transmittance behind
    # each sample. A separate loop computes the opacities, because such a loop can use vector units. That loop covers
    # one ray at a time, so that the ray stays in cache.
    number = weights.dtype.type
    thin = number(0.05) if weights.itemsize == 4 else number(1e-3)
    one, half, third, quarter = number(1), number(1 / 2), number(1 / 3), number(1 / 4)
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            # α = 1 − exp(−σδ). Where σδ is small, the subtraction would lose digits, so a series replaces it.
            x = behind[i]
            series = -x * (one + half * x * (one + third * x * (one + quarter * x)))
            weights[i] = one - weights[i] if abs(x) > thin else series
        left = 1.0
        for i in range(offsets[r], offsets[r + 1]):
            alpha = weights[i]
            weights[i] = left * alpha
            left *= 1.0 - alpha
            behind[i] = left


@kernel
def _density_backward(grad: Array, weights: Array, behind: Array, offsets: Array, out: Array) -> None:
    # Let x = σδ. Then ∂w_i/∂x_i is the transmittance behind sample i, and ∂w_j/∂x_i = −w_j for each sample j behind i.
    zero = out.dtype.type(0)
    for r in range(len(offsets) - 1):
        start, stop, hidden = offsets[r], offsets[r + 1], zero
        for k in range(stop - start):
            i = stop - ONE - k
            out[i] = grad[i] * behind[i] - hidden
            hidden += grad[i] * weights[i]


@kernel
def _alpha_weights(alpha: Array, offsets: Array, weights: Array, transmittance: Array) -> None:
    for r in range(len(offsets) - 1):
        left = 1.0
        for i in range(offsets[r], offsets[r + 1]):
            transmittance[i] = left
            weights[i] = left * alpha[i]
            left *= 1.0 - alpha[i]


@kernel
def _alpha_backward(grad: Array, alpha: Array, transmittance: Array, offsets: Array, out: Array) -> None:
    # behind = Σ_{j>i} g_j α_j Π_{i<k<j} (1 − α_k) is the gradient of the loss with respect to the light that passes
    # sample i. The loop computes this sum without a division by 1 − α, because 1 − α may be 0.
    for r in range(len(offsets) - 1):
        start, stop, behind = offsets[r], offsets[r + 1], 0.0
        for k in range(stop - start):
            i = stop - ONE - k
            out[i] = transmittance[i] * (grad[i] - behind)
            behind = grad[i] * alpha[i] + (1.0 - alpha[i]) * behind


@reduction
def _composite(weights: Array, x: Array, offsets: Array, out: Array) -> None:
    for r in range(len(offsets) - 1):
        for f in range(x.shape[1]):
            total = out.dtype.type(0)
            for i in range(offsets[r], offsets[r + 1]):
                total += weights[i] * x[i, f]
            out[r, f] = total


@reduction
def _composite_backward_weights(grad: Array, x: Array, offsets: Array, out: Array) -> None:
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            total = out.dtype.type(0)
            for f in range(x.shape[1]):
                total += grad[r, f] * x[i, f]
            out[i] = total


@reduction
def _composite_backward_x(grad: Array, weights: Array, offsets: Array, out: Array) -> None:
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            for f in range(out.shape[1]):
                out[i, f] = grad[r, f] * weights[i]


@reduction
def _pixels(weights: Array, rgb: Array, t: Array, offsets: Array, color: Array, depth: Array, opacity: Array) -> None:
    zero = color.dtype.type(0)
    for r in range(len(offsets) - 1):
        red, green, blue, far, total = zero, zero, zero, zero, zero
        for i in range(offsets[r], offsets[r + 1]):
            red += weights[i] * rgb[i, 0]
            green += weights[i] * rgb[i, 1]
            blue += weights[i] * rgb[i, 2]
            far += weights[i] * t[i]
            total += weights[i]
        color[r, 0], color[r, 1], color[r, 2] = red, green, blue
        depth[r], opacity[r] = far, total


@reduction
def _pixels_backward(
    by_color: Array,
    by_depth: Array,
    by_opacity: Array,
    weights: Array,
    rgb: Array,
    t: Array,
    offsets: Array,
    by_weights: Array,
    by_rgb: Array,
) -> None:
    for r in range(len(offsets) - 1):
        red, green, blue = by_color[r, 0], by_color[r, 1], by_color[r, 2]
        far, total = by_depth[r], by_opacity[r]
        for i in range(offsets[r], offsets[r + 1]):
            by_weights[i] = red * rgb[i, 0] + green * rgb[i, 1] + blue * rgb[i, 2] + far * t[i] + total
        for i in range(offsets[r], offsets[r + 1]):
            by_rgb[i, 0], by_rgb[i, 1], by_rgb[i, 2] = red * weights[i], green * weights[i], blue * weights[i]
