"""Renderers: field outputs -> weights -> pixels. Symbols in shapes: R rays, N samples."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class Renderer(Part):
    """The computation of pixels from density or opacity, constructed as `Renderer(config, ctx)`.

    Attributes:
        opaque_far: True if the last interval of a ray may stop all light, so that no background can be used.

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
        """Weights of the samples in their pixels [N], in [0, 1], with a sum of at most 1 on each ray."""

    @abstractmethod
    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        """Pixels [R, ...] without a background, from the outputs and the weights [N] of the samples."""
