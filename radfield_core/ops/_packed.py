"""Differentiable ops on packed samples, made from the kernels of one backend.

A backend is a module that implements `Kernels`: `_cpu` (numba) or `_gpu` (Triton). This module tells torch how to
differentiate the kernels. Sums and scans can be differentiated any number of times. Weights and composited values can
be differentiated once; their second derivative raises RuntimeError. "The gradient for x" is the gradient of the loss
with respect to x.

Symbols in shapes: R rays, N samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from radfield_core.ops.backend import Op
from radfield_core.ops.derivatives import differentiable_once
from radfield_core.ops.layout import Layout, LayoutError, Packing

COMPOSITING = Op(
    "compositing", {"cpu": {"numba": "radfield_core.ops._cpu"}, "cuda": {"triton": "radfield_core.ops._gpu"}}
)
"""The op that runs every function of `segments` and `volume` on packed samples."""

_once_differentiable = differentiable_once("compositing of packed samples", "RADFIELD_BACKEND=torch")


class Kernels(Protocol):
    """The functions that a backend's module implements. All tensors of a call have the same floating-point type."""

    def spread(self, x: Tensor, packing: Packing) -> Tensor:
        """Repeat each ray's value, x [R, ...], for all samples of the ray. Return [N, ...]."""

    def sum(self, x: Tensor, packing: Packing) -> Tensor:
        """Return the sum [R, ...] of x [N, ...] over the samples of each ray."""

    def scan(self, x: Tensor, packing: Packing, reverse: bool) -> Tensor:
        """Return, for each sample, the sum [N, ...] over the earlier samples of its ray.

        If `reverse` is True, sum over the later samples instead.
        """

    def density_weights(self, density: Tensor, lengths: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weights [N], and two tensors [N] that are passed to `density_backward` as `saved` and
        `transmittance`."""

    def density_backward(self, grad: Tensor, saved: Tensor, transmittance: Tensor, packing: Packing) -> Tensor:
        """Return the gradient for σδ [N]. `grad` is the gradient for the weights [N]."""

    def alpha_weights(self, alpha: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """Return the weights [N] and the transmittances [N] for opacities [N]."""

    def alpha_backward(self, grad: Tensor, alpha: Tensor, transmittance: Tensor, packing: Packing) -> Tensor:
        """Return the gradient for the opacities [N]. `grad` is the gradient for the weights [N]."""

    def composite(self, weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
        """Return Σ w x [R, ...] over the samples of each ray."""

    def composite_backward_weights(self, grad: Tensor, x: Tensor, packing: Packing) -> Tensor:
        """Return the gradient for the weights [N]. `grad` is the gradient for the sums [R, ...]."""

    def composite_backward_x(self, grad: Tensor, weights: Tensor, x: Tensor, packing: Packing) -> Tensor:
        """Return the gradient for x [N, ...]. `grad` is the gradient for the sums [R, ...]."""

    def pixels(self, weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
        """Return Σ w rgb [R, 3], Σ w t [R] and Σ w [R] over the samples of each ray."""

    def pixels_backward(
        self, grads: tuple[Tensor, ...], weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients for weights [N] and rgb [N, 3]. `grads` are the gradients for the `pixels` results."""


def kernels_for(layout: Layout, device: torch.device) -> PackedKernels | None:
    """Return the kernels for packed samples on a device, or None if the caller should use plain torch.

    Plain torch is used for uniform layouts, and if no backend is available for the device.
    """
    if layout.packing is None or (module := COMPOSITING.pick(device)) is None:
        return None
    return PackedKernels(cast(Kernels, module), layout.packing)


@dataclass(frozen=True, eq=False)
class PackedKernels:
    """The ops of `segments` and `volume` for one packing, computed by the kernels of one backend.

    The kernels do not check sizes, so the methods of this class do. They raise LayoutError for a wrong size.
    """

    kernels: Kernels
    packing: Packing

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum [R, ...] of x [N, ...] over the samples of each ray."""
        self._check_sizes(x=x)
        return _apply(_Sum, x, self.packing, self.kernels)

    def per_sample(self, x: Tensor) -> Tensor:
        """Repeat each ray's value, x [R, ...], for all samples of the ray. Return [N, ...]."""
        n_rays = self.packing.offsets.shape[0] - 1
        if x.shape[:1] != (n_rays,):
            raise _wrong_size(f"{n_rays} rays", x)
        return _apply(_Spread, x, self.packing, self.kernels)

    def exclusive_cumsum(self, x: Tensor) -> Tensor:
        """Return, for each sample, the sum [N, ...] over the earlier samples of its ray."""
        self._check_sizes(x=x)
        return _apply(_Scan, x, self.packing, self.kernels, False)

    def weights_from_density(self, density: Tensor, lengths: Tensor) -> Tensor:
        """Return the weights [N] for densities [N] and interval lengths [N]."""
        self._check_sizes(density, lengths)
        dtype = torch.promote_types(density.dtype, lengths.dtype)
        return _apply(_DensityWeights, density.to(dtype), lengths.to(dtype), self.packing, self.kernels)

    def weights_from_alpha(self, alpha: Tensor) -> Tensor:
        """Return the weights [N] for opacities [N]."""
        self._check_sizes(alpha)
        return _apply(_AlphaWeights, alpha, self.packing, self.kernels)

    def composite(self, weights: Tensor, x: Tensor) -> Tensor:
        """Return Σ w x [R, ...] over the samples of each ray."""
        self._check_sizes(weights, x=x)
        return _apply(_Composite, weights, x, self.packing, self.kernels)

    def pixels(self, weights: Tensor, rgb: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return Σ w rgb [R, 3], Σ w t [R] and Σ w [R] over the samples of each ray."""
        if rgb.shape[1:] != (3,):  # the fused kernels are written for three channels
            return self.composite(weights, rgb), self.composite(weights, t), self.sum(weights)
        self._check_sizes(weights, t, x=rgb)
        apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Pixels.apply
        return apply(weights, rgb, t, self.packing, self.kernels)

    def _check_sizes(self, *flat: Tensor, x: Tensor | None = None) -> None:
        """Raise LayoutError unless every tensor in `flat` has the shape [N] and x has the shape [N, ...]."""
        n = self.packing.ray_indices.shape[0]
        if any(one.shape != (n,) for one in flat) or (x is not None and x.shape[:1] != (n,)):
            raise _wrong_size(f"{n} samples", *flat, *(() if x is None else (x,)))


def _apply(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    """Apply an autograd Function that returns one tensor. Unlike torch's `apply`, this declares its result type."""
    apply: Callable[..., Tensor] = function.apply
    return apply(*arguments)


def _wrong_size(expected: str, *given: Tensor) -> LayoutError:
    return LayoutError(f"expected values of {expected}, got shapes {' and '.join(str(list(x.shape)) for x in given)}")


def check(kernels: Kernels, device: str) -> None:
    """Self-test: run each kernel that rendering needs once in float32. A broken kernel fails here, not in a run."""
    packing = Packing.from_counts(torch.tensor([1], device=device))
    one, white = torch.ones(1, device=device), torch.ones(1, 3, device=device)
    weights, saved, transmittance = kernels.density_weights(one, one, packing)
    grad, _ = kernels.pixels_backward(kernels.pixels(weights, white, one, packing), weights, white, one, packing)
    kernels.density_backward(grad, saved, transmittance, packing)
    opacity = float(kernels.sum(kernels.scan(weights, packing, False) + weights, packing))
    if abs(opacity - 0.6321206) > 1e-5:
        raise ArithmeticError(f"a slab of optical depth 1 got the opacity {opacity}, not 1 − 1/e")


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: Kernels) -> Tensor:
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.sum(x, packing)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _apply(_Spread, grad, ctx.packing, ctx.kernels), None, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: Kernels) -> Tensor:
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.spread(x, packing)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _apply(_Sum, grad, ctx.packing, ctx.kernels), None, None


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: Kernels, reverse: bool) -> Tensor:
        ctx.packing, ctx.kernels, ctx.reverse = packing, kernels, reverse
        return kernels.scan(x, packing, reverse)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _apply(_Scan, grad, ctx.packing, ctx.kernels, not ctx.reverse), None, None, None


class _DensityWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, lengths: Tensor, packing: Packing, kernels: Kernels) -> Tensor:
        weights, *saved = kernels.density_weights(density, lengths, packing)
        ctx.save_for_backward(density, lengths, *saved)
        ctx.packing, ctx.kernels = packing, kernels
        return weights

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        density, lengths, *saved = ctx.saved_tensors
        by_depth = ctx.kernels.density_backward(grad, *saved, ctx.packing)
        by_lengths = by_depth * density if ctx.needs_input_grad[1] else None
        return by_depth.mul_(lengths) if ctx.needs_input_grad[0] else None, by_lengths, None, None


class _AlphaWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, packing: Packing, kernels: Kernels) -> Tensor:
        weights, transmittance = kernels.alpha_weights(alpha, packing)
        ctx.save_for_backward(alpha, transmittance)
        ctx.packing, ctx.kernels = packing, kernels
        return weights

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        kernels: Kernels = ctx.kernels
        alpha, transmittance = ctx.saved_tensors
        return kernels.alpha_backward(grad, alpha, transmittance, ctx.packing), None, None


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, x: Tensor, packing: Packing, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(weights, x)
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.composite(weights, x, packing)

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        weights, x = ctx.saved_tensors
        by_weights, by_x = None, None
        if ctx.needs_input_grad[0]:
            by_weights = ctx.kernels.composite_backward_weights(grad, x, ctx.packing)
        if ctx.needs_input_grad[1]:
            by_x = ctx.kernels.composite_backward_x(grad, weights, x, ctx.packing)
        return by_weights, by_x, None, None


class _Pixels(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing, kernels: Kernels
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(weights, rgb, t)
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.pixels(weights, rgb, t, packing)

    @staticmethod
    @_once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weights, rgb, t = ctx.saved_tensors
        by_weights, by_rgb = ctx.kernels.pixels_backward(grads, weights, rgb, t, ctx.packing)
        by_t = ctx.kernels.composite_backward_x(grads[1], weights, t, ctx.packing) if ctx.needs_input_grad[2] else None
        return by_weights, by_rgb, by_t, None, None
