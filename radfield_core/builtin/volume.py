"""Volume rendering: weights from density or opacity, and pixels from weights. Symbols in shapes: N samples."""

from __future__ import annotations

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

    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        """Return the weights w = T α [N]. If the field returns a density σ, α is 1 − exp(−σ δ)."""
        lengths = samples.lengths
        if outputs.density is not None:
            density = outputs.density.to(torch.promote_types(outputs.density.dtype, lengths.dtype))
            return volume.weights_from_density(density, lengths, samples.layout, self.opaque_far)
        assert outputs.alpha is not None
        alpha = outputs.alpha.to(torch.promote_types(outputs.alpha.dtype, lengths.dtype))
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
            rgb, depth, opacity = volume.pixels(weights, outputs.rgb, t, layout)
        return Rendered(
            rgb=rgb,
            depth=depth,
            opacity=opacity,
            normals=None if outputs.normals is None else over_rays(outputs.normals),
            extras={key: over_rays(value) for key, value in outputs.extras.items() if value.is_floating_point()},
        )
