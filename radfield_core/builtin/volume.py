"""Volume rendering: density or opacity -> weights -> pixels. Symbols in shapes: N samples."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.builtin.config import VolumeConfig
from radfield_core.interfaces import BuildContext, Renderer
from radfield_core.ops import volume
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class Volume(Renderer):
    """Renderer of emission and absorption (NeRF, equation 3), from density or from opacity."""

    def __init__(self, config: VolumeConfig, ctx: BuildContext):
        super().__init__()
        self.opaque_far = config.opaque_far

    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        """Weights w = T α [N], where α = 1 − exp(−σ δ) for a field with density σ."""
        lengths = samples.lengths
        if outputs.density is not None:
            density = outputs.density.to(torch.promote_types(outputs.density.dtype, lengths.dtype))
            return volume.weights_from_density(density, lengths, samples.layout, self.opaque_far)
        assert outputs.alpha is not None
        alpha = outputs.alpha.to(torch.promote_types(outputs.alpha.dtype, lengths.dtype))
        return volume.weights_from_alpha(torch.where(lengths > 0, alpha, 0.0), samples.layout)

    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        """Pixels: Σ w x for x = color, t, normals and each floating-point extra output, and the opacity Σ w."""
        layout, t = samples.layout, samples.t_eval

        def over_rays(x: Tensor) -> Tensor:
            return volume.composite(weights, x, layout)

        if outputs.rgb is None:
            rgb, depth, opacity = None, over_rays(t), volume.opacity(weights, layout)
        else:
            rgb, depth, opacity = volume.pixels(weights, outputs.rgb, t, layout)
        return Rendered(
            rgb=rgb,
            depth=depth,
            opacity=opacity,
            normals=None if outputs.normals is None else over_rays(outputs.normals),
            extras={key: over_rays(value) for key, value in outputs.extras.items() if value.is_floating_point()},
        )
