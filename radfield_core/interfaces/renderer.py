"""Renderers compute weights from field outputs, and pixels from weights. Symbols in shapes: R rays, N samples."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class Renderer(Part):
    """The computation of pixels from density or opacity. Constructed as `Renderer(config, ctx)`.

    Attributes:
        opaque_far: True if the last interval of a ray may stop all light. In this case, no background can be used.

    Example:
        >>> from radfield_core.ops import volume
        >>> class Plain(Renderer):
        ...     def weights(self, samples, outputs):
        ...         return volume.weights_from_density(outputs.density, samples.lengths, samples.layout)
        ...
        ...     def composite(self, samples, outputs, weights):
        ...         return Rendered(*volume.pixels(weights, outputs.rgb, samples.t_eval, samples.layout))
        >>> Plain().opaque_far
        False
    """

    opaque_far: bool = False

    @abstractmethod
    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        """Return the weight of each sample in its pixel [N], in [0, 1]. On each ray the sum is at most 1."""

    @abstractmethod
    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        """Return the pixels [R, ...], without a background, from the samples' outputs and weights [N]."""
