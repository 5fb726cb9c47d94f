"""Volume rendering: weights from density or opacity, and pixels from weights. Symbols in shapes: N samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from radfield_core.builtin.config import VolumeConfig
from radfield_core.interfaces import BuildContext, Renderer
from radfield_core.ops import volume
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class Volume(Renderer):
    """Renders emission and absorption (NeRF, equation 3). The field returns either density or opacity."""

    def __init__(self, config: VolumeConfig, ctx: BuildContext):
        super().__init__()
        self.opaque_far = config.opaque_far
        self.near_distance = 0.0 if ctx.ndc else config.near_distance * ctx.bounds.radius

    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        """Return the weights w = T α [N]. If the field returns a density σ, α is 1 − exp(−σ δ)."""
        lengths = samples.lengths
        if outputs.density is not None:
            density = self._scaled(
                outputs.density.to(torch.promote_types(outputs.density.dtype, lengths.dtype)), samples
            )
            return volume.weights_from_density(density, lengths, samples.layout, self.opaque_far)
        assert outputs.alpha is not None
        alpha = self._scaled(outputs.alpha.to(torch.promote_types(outputs.alpha.dtype, lengths.dtype)), samples)
        return volume.weights_from_alpha(torch.where(lengths > 0, alpha, 0.0), samples.layout)

    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        """Return the pixels: the opacity Σ w, and Σ w x where x is the color, t, the normal or an extra output.

        Extra outputs that do not have a floating-point type are left out.
        """
        layout, t = samples.layout, samples.t_eval

        def over_rays(x: Tensor) -> Tensor:
            return volume.composite(weights, x, layout)

        if outputs.rgb is None:
            rgb, depth, opacity = None, over_rays(t), volume.opacity(weights, layout)
        else:
            rgb, depth, opacity = volume.pixels(weights, self._scaled(outputs.rgb, samples), t, layout)
        return Rendered(
            rgb=rgb,
            depth=depth,
            opacity=opacity,
            normals=None if outputs.normals is None else over_rays(outputs.normals),
            extras={key: over_rays(value) for key, value in outputs.extras.items() if value.is_floating_point()},
        )

    def _scaled(self, x: Tensor, samples: RaySamples) -> Tensor:
        """Return x [N, ...] unchanged. Its gradient is multiplied by min(1, (t / near_distance)²)."""
        if not self.near_distance or not x.requires_grad:
            return x
        factor = (samples.t_eval / self.near_distance).square().clamp_max(1.0)
        scaled: Tensor = _ScaledGradient.apply(x, factor.view(-1, *[1] * (x.dim() - 1)))  # type: ignore[no-untyped-call]
        return scaled


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return grad * factor, None
