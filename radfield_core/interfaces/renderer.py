"""Renderers: field outputs -> weights -> pixels."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples, Rendered


class Renderer(Part):
    """Owns the step from opacity to weights to pixels. opaque_far: the far end leaves nothing to a background."""

    opaque_far: bool = False

    @abstractmethod
    def weights(self, samples: RaySamples, outputs: FieldOutputs) -> Tensor:
        """Share of each sample in its pixel [N], in [0, 1], at most 1 in sum per ray."""

    @abstractmethod
    def composite(self, samples: RaySamples, outputs: FieldOutputs, weights: Tensor) -> Rendered:
        """Pixels [R, ...] of this stack, without background."""
