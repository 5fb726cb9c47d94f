"""Autograd of packed scans, weights and compositing over the kernels of a twin: numba's on a CPU, Triton's on CUDA.

A twin's module gives `spread`, `sum`, `scan`, `density_weights`, `density_backward`, `alpha_weights`, `alpha_backward`,
`composite`, `composite_backward_weights`, `composite_backward_x`, `pixels` and `pixels_backward`. Sums and scans are
differentiable any number of times, weights and composites once: a second derivative through them raises. R rays, N
samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from radfield_core.ops.derivatives import differentiable_once

if TYPE_CHECKING:
    from radfield_core.ops.layout import Packing


@dataclass(frozen=True, eq=False)
class Twin:
    """The ops of `segments` and `volume` on one packing of samples, by the kernels of one module.

    Kernels take sizes on trust, so every op raises LayoutError for tensors of another number of samples or rays.
    """

    kernels: ModuleType
    packing: Packing

    def sum(self, x: Tensor) -> Tensor:
        """Sum over each ray [R, ...]."""
        self._fits(x=x)
        return _Sum.apply(x, self.packing, self.kernels)

    def per_sample(self, x: Tensor) -> Tensor:
        """Per-ray values [R, ...] repeated for each sample [N, ...]."""
        if x.shape[:1] != (n_rays := self.packing.offsets.shape[0] - 1,):
            raise _layout_error(f"values of {n_rays} rays", x)
        return _Spread.apply(x, self.packing, self.kernels)

    def exclusive_cumsum(self, x: Tensor) -> Tensor:
        """Sum of the samples before each one on its ray [N, ...]."""
        self._fits(x=x)
        return _Scan.apply(x, self.packing, self.kernels, False)

    def weights_from_density(self, density: Tensor, lengths: Tensor) -> Tensor:
        """Weights [N] from densities and lengths of intervals [N]."""
        self._fits(density, lengths)
        dtype = torch.promote_types(density.dtype, lengths.dtype)
        return _DensityWeights.apply(density.to(dtype), lengths.to(dtype), self.packing, self.kernels)

    def weights_from_alpha(self, alpha: Tensor) -> Tensor:
        """Weights [N] from opacities [N]."""
        self._fits(alpha)
        return _AlphaWeights.apply(alpha, self.packing, self.kernels)

    def composite(self, weights: Tensor, x: Tensor) -> Tensor:
        """Σ w x over each ray [R, ...]."""
        self._fits(weights, x=x)
        return _Composite.apply(weights, x, self.packing, self.kernels)

    def pixels(self, weights: Tensor, rgb: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Σ w rgb [R, 3], Σ w t [R] and Σ w [R] over each ray."""
        if rgb.shape[1:] != (3,):  # other features than colors: no kernel is made for their number
            return self.composite(weights, rgb), self.composite(weights, t), self.sum(weights)
        self._fits(weights, t, x=rgb)
        return _Pixels.apply(weights, rgb, t, self.packing, self.kernels)

    def _fits(self, *flat: Tensor, x: Tensor | None = None) -> None:
        """Raises LayoutError unless these are [N] and x is [N, ...]."""
        n = self.packing.ray_indices.shape[0]
        if any(one.shape != (n,) for one in flat) or (x is not None and x.shape[:1] != (n,)):
            raise _layout_error(f"{n} samples", *flat, *(() if x is None else (x,)))


def _layout_error(wanted: str, *given: Tensor) -> Exception:
    from radfield_core.ops.layout import LayoutError  # which takes its twins from here

    return LayoutError(f"{wanted} are wanted, not {' and '.join(str(list(x.shape)) for x in given)}")


def check(kernels: ModuleType, device: str) -> None:
    """Run every kernel that rendering needs once in float32, so that a twin that cannot work fails here."""
    from radfield_core.ops.layout import Packing

    packing = Packing.from_counts(torch.tensor([1], device=device))
    one, white = torch.ones(1, device=device), torch.ones(1, 3, device=device)
    weights, *saved = kernels.density_weights(one, one, packing)
    grad, _ = kernels.pixels_backward(kernels.pixels(weights, white, one, packing), weights, white, one, packing)
    kernels.density_backward(grad, *saved, packing)
    if abs(float(kernels.sum(kernels.scan(weights, packing, False) + weights, packing)) - 0.6321206) > 1e-5:
        raise ArithmeticError("weights of a slab of depth 1 do not add up to 1 − 1/e")


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: ModuleType) -> Tensor:
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.sum(x, packing)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Spread.apply(grad, ctx.packing, ctx.kernels), None, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: ModuleType) -> Tensor:
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.spread(x, packing)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Sum.apply(grad, ctx.packing, ctx.kernels), None, None


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, packing: Packing, kernels: ModuleType, reverse: bool) -> Tensor:
        ctx.packing, ctx.kernels, ctx.reverse = packing, kernels, reverse
        return kernels.scan(x, packing, reverse)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _Scan.apply(grad, ctx.packing, ctx.kernels, not ctx.reverse), None, None, None


class _DensityWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, lengths: Tensor, packing: Packing, kernels: ModuleType) -> Tensor:
        weights, *saved = kernels.density_weights(density, lengths, packing)
        ctx.save_for_backward(density, lengths, *saved)
        ctx.packing, ctx.kernels = packing, kernels
        return weights

    @staticmethod
    @differentiable_once("compositing of packed samples", "RADFIELD_BACKEND=torch")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        density, lengths, *saved = ctx.saved_tensors
        by_depth = ctx.kernels.density_backward(grad, *saved, ctx.packing)
        by_lengths = by_depth * density if ctx.needs_input_grad[1] else None
        return by_depth.mul_(lengths) if ctx.needs_input_grad[0] else None, by_lengths, None, None


class _AlphaWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, packing: Packing, kernels: ModuleType) -> Tensor:
        weights, transmittance = kernels.alpha_weights(alpha, packing)
        ctx.save_for_backward(alpha, transmittance)
        ctx.packing, ctx.kernels = packing, kernels
        return weights

    @staticmethod
    @differentiable_once("compositing of packed samples", "RADFIELD_BACKEND=torch")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.kernels.alpha_backward(grad, *ctx.saved_tensors, ctx.packing), None, None


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, x: Tensor, packing: Packing, kernels: ModuleType) -> Tensor:
        ctx.save_for_backward(weights, x)
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.composite(weights, x, packing)

    @staticmethod
    @differentiable_once("compositing of packed samples", "RADFIELD_BACKEND=torch")
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
        ctx: Any, weights: Tensor, rgb: Tensor, t: Tensor, packing: Packing, kernels: ModuleType
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(weights, rgb, t)
        ctx.packing, ctx.kernels = packing, kernels
        return kernels.pixels(weights, rgb, t, packing)

    @staticmethod
    @differentiable_once("compositing of packed samples", "RADFIELD_BACKEND=torch")
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weights, rgb, t = ctx.saved_tensors
        by_weights, by_rgb = ctx.kernels.pixels_backward(grads, weights, rgb, t, ctx.packing)
        by_t = ctx.kernels.composite_backward_x(grads[1], weights, t, ctx.packing) if ctx.needs_input_grad[2] else None
        return by_weights, by_rgb, by_t, None, None
