"""Fields: samples -> density or opacity, and color; and the queries that a field may answer."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples


class Field(Part):
    """Owns parameters, derivatives by position, contraction and queries."""

    @abstractmethod
    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Outputs for every sample; N = 0 is a normal input."""


@runtime_checkable
class HasDensity(Protocol):
    """Answers with a density per unit length."""

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] at x [M, 3]."""


@runtime_checkable
class HasSDF(Protocol):
    """Answers with a signed distance: level 0 is the surface, outside is positive."""

    def sdf(self, x: Tensor) -> Tensor:
        """Signed distance [M] at x [M, 3]."""

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient [M, 3] of the signed distance by position."""


@runtime_checkable
class HasOccupancy(Protocol):
    """Answers with an opacity."""

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Opacity [M] in [0, 1] of an interval of `length` at x [M, 3]."""


@runtime_checkable
class HasColor(Protocol):
    """Answers with a color."""

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] in [0, 1] at x [M, 3]; the field decides what it means to have no view direction."""


class DensityOccupancy:
    """Mixin: the occupancy of a field that answers `density`."""

    def occupancy(self: HasDensity, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """1 − exp(−σ · length) [M]."""
        return -(-self.density(x, cov) * length).expm1()
