"""CUDA kernels for packed samples, in Triton. The module `_packed` makes differentiable ops from the kernels.

One program processes one ray (and one feature) in blocks of samples. The program scans each block, and adds the total
of the earlier blocks. An exclusive scan is an inclusive scan of the samples shifted by one. Subtracting each sample
from its inclusive sum instead would lose digits. "The gradient for x" is the gradient of the loss with respect to x.

Symbols in shapes: R rays, N samples, F features.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# Triton is untyped, and the arguments of its kernels are pointers and compile-time constants.

from __future__ import annotations

import sys
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from radfield_core.ops._packed import check
from radfield_core.ops.layout import Packing

BLOCK = 128
"""The number of samples that a program reads at once."""

ANY_SIZE = {"do_not_specialize": ["features"]}
"""Options of kernels. They stop Triton from compiling separate variants for 1 and 16 features, so that one variant
serves any number of features."""


def spread(x: Tensor, packing: Packing) -> Tensor:
    """Repeat each ray's value, x [R, ...], for all samples of the ray. Return [N, ...]."""
    return x.index_select(0, packing.ray_indices)


def sum(x: Tensor, packing: Packing) -> Tensor:
    """Return the sum [R, ...] of x [N, ...] over the samples of each ray."""
    return _reduce(x, x, packing, False)


def scan(x: Tensor, packing: Packing, reverse: bool) -> Tensor:
    """Return, for each sample, the sum [N, ...] over the ray's earlier samples (over its later ones if `reverse`)."""
    x = x.contiguous()
    out, features = torch.empty_like(x), x.shape[1:].numel()
    _launch(_scan, packing, features, x, packing.offsets, out, features, reverse)
    return out


def density_weights(density: Tensor, lengths: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights [N], opacities [N] and transmittances [N] for densities [N] and lengths [N]."""
    depth = (density * lengths).contiguous()
    weights, alpha, transmittance = (torch.empty_like(depth) for _ in range(3))
    thin = 0.05 if depth.dtype == torch.float32 else 1e-3
    _launch(_density, packing, 1, depth, packing.offsets, weights, alpha, transmittance, thin)
    return weights, alpha, transmittance


def density_backward(grad: Tensor, alpha: Tensor, transmittance: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for σδ [N]: g T (1 − α) − Σ_later g T α.

    Here g is `grad`, the gradient for the weights [N].
    """
    scaled = grad * transmittance
    return scaled * (1.0 - alpha) - scan(scaled * alpha, packing, True)


def alpha_weights(alpha: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
    """Return the weights [N] and the transmittances [N] for opacities [N]."""
    alpha = alpha.contiguous()
    transmittance = torch.empty_like(alpha)
    _launch(_alpha, packing, 1, alpha, packing.offsets, transmittance)
    return transmittance * alpha, transmittance


def alpha_backward(grad: Tensor, alpha: Tensor, transmittance: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for the opacities [N]. `grad` is the gradient for the weights [N]."""
    alpha, grad = alpha.contiguous(), grad.contiguous()
    behind = torch.empty_like(alpha)
    _launch(_behind, packing, 1, grad, alpha, packing.offsets, behind)
    return transmittance * (grad - behind)


def composite(weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return Σ w x [R, ...] over the samples of each ray."""
    return _reduce(x, weights, packing, True)


def composite_backward_weights(grad: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for the weights [N]. `grad` is the gradient for the sums [R, ...]."""
    return (spread(grad, packing) * x).reshape(x.shape[0], x.shape[1:].numel()).sum(1)


def composite_backward_x(grad: Tensor, weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
    """Return the gradient for x [N, ...]. `grad` is the gradient for the sums [R, ...]."""
    return spread(grad, packing) * weights.view(-1, *[1] * (x.dim() - 1))


def pixels(weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
    """Return Σ w rgb [R, 3], Σ w t [R] and Σ w [R] over the samples of each ray."""
    return composite(weights, rgb, packing), composite(weights, t, packing), sum(weights, packing)


def pixels_backward(
    grads: tuple[Tensor, ...], weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing
) -> tuple[Tensor, Tensor]:
    """Return the gradients for weights [N] and rgb [N, 3]. `grads` are the gradients for the results of `pixels`."""
    color, depth, opacity = (spread(grad, packing) for grad in grads)
    return (color * rgb).sum(1) + depth * t + opacity, color * weights[:, None]


def warm_up() -> None:
    """Compile or load the kernels that rendering needs, and run each kernel once."""
    check(sys.modules[__name__], "cuda")


def _launch(kernel: Any, packing: Packing, features: int, *arguments: Any) -> None:
    """Start one program per ray and feature. The programs run on the tensors' device, even if it is not the current
    device."""
    n_rays = packing.offsets.shape[0] - 1
    if n_rays and features:
        with torch.cuda.device_of(packing.offsets):
            kernel[n_rays, features](*arguments, BLOCK, enable_fp_fusion=True)


def _reduce(x: Tensor, weights: Tensor, packing: Packing, weighted: bool) -> Tensor:
    x, weights, features = x.contiguous(), weights.contiguous(), x.shape[1:].numel()
    out = x.new_empty(packing.offsets.shape[0] - 1, *x.shape[1:])
    _launch(_total, packing, features, x, weights, packing.offsets, out, features, weighted)
    return out


@triton.jit(**ANY_SIZE)
def _total(x, weights, offsets, out, features, WEIGHTED: tl.constexpr, SIZE: tl.constexpr):
    ray, feature = tl.program_id(0), tl.program_id(1)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    sums = tl.zeros([SIZE], x.dtype.element_ty)
    for first in range(start, stop, SIZE):
        i = first + tl.arange(0, SIZE)
        value = tl.load(x + i * features + feature, mask=i < stop, other=0.0)
        if WEIGHTED:
            value *= tl.load(weights + i, mask=i < stop, other=0.0)
        sums += value
    tl.store(out + ray * features + feature, tl.sum(sums))


@triton.jit(**ANY_SIZE)
def _scan(x, offsets, out, features, REVERSE: tl.constexpr, SIZE: tl.constexpr):
    ray, feature = tl.program_id(0), tl.program_id(1)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    carry = tl.full([], 0.0, x.dtype.element_ty)
    for first in range(0, stop - start, SIZE):
        k = first + tl.arange(0, SIZE)
        inside = k < stop - start
        if REVERSE:
            i, before = stop - 1 - k, stop - k
        else:
            i, before = start + k, start + k - 1
        value = tl.load(x + before * features + feature, mask=inside & (k > 0), other=0.0)
        tl.store(out + i * features + feature, carry + tl.cumsum(value), mask=inside)
        carry += tl.sum(value)


@triton.jit
def _density(depth, offsets, weights, alphas, transmittances, thin, SIZE: tl.constexpr):
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    carry = tl.full([], 0.0, depth.dtype.element_ty)
    for first in range(start, stop, SIZE):
        i = first + tl.arange(0, SIZE)
        x = tl.load(depth + i, mask=i < stop, other=0.0)
        before = tl.load(depth + i - 1, mask=(i < stop) & (i > start), other=0.0)
        transmittance = tl.exp(-(carry + tl.cumsum(before)))
        # α = 1 − exp(−x). Where x is small, the subtraction would lose digits, so a series replaces it.
        series = x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0)))
        alpha = tl.where(tl.abs(x) > thin, 1.0 - tl.exp(-x), series)
        tl.store(weights + i, transmittance * alpha, mask=i < stop)
        tl.store(alphas + i, alpha, mask=i < stop)
        tl.store(transmittances + i, transmittance, mask=i < stop)
        carry += tl.sum(before)


@triton.jit
def _multiply(a, b):
    return a * b


@triton.jit
def _chain(slope_a, value_a, slope_b, value_b):
    """Compose two linear maps: first x → value_a + slope_a x, then x → value_b + slope_b x."""
    return slope_a * slope_b, value_b + slope_b * value_a


@triton.jit
def _alpha(alphas, offsets, transmittances, SIZE: tl.constexpr):
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    carry = tl.full([], 1.0, alphas.dtype.element_ty)
    for first in range(start, stop, SIZE):
        i = first + tl.arange(0, SIZE)
        passed = 1.0 - tl.load(alphas + i - 1, mask=(i < stop) & (i > start), other=0.0)
        tl.store(transmittances + i, carry * tl.associative_scan(passed, 0, _multiply), mask=i < stop)
        carry *= tl.reduce(passed, 0, _multiply)


@triton.jit
def _behind(grads, alphas, offsets, out, SIZE: tl.constexpr):
    # The gradient of the loss with respect to the light that passes sample i is
    # b_i = g_{i+1} α_{i+1} + (1 − α_{i+1}) b_{i+1}. A scan of linear maps from the last sample to the first gives b.
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    carry = tl.full([], 0.0, alphas.dtype.element_ty)
    for first in range(0, stop - start, SIZE):
        k = first + tl.arange(0, SIZE)
        next_one, known = stop - k, (k < stop - start) & (k > 0)
        alpha = tl.load(alphas + next_one, mask=known, other=0.0)
        value = alpha * tl.load(grads + next_one, mask=known, other=0.0)
        slopes, values = tl.associative_scan((1.0 - alpha, value), 0, _chain)
        behind = values + slopes * carry
        tl.store(out + stop - 1 - k, behind, mask=k < stop - start)
        carry = tl.sum(tl.where(tl.arange(0, SIZE) == SIZE - 1, behind, 0.0))
