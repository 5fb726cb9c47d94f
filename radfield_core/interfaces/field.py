"""Fields: samples -> density or opacity, and color. A field may also be evaluated at points outside of rendering.

Symbols in shapes: N samples, M points.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples


class Field(Part):
    """The function of space that is trained and rendered, constructed as `Field(config, ctx)`.

    A field holds its own parameters. It contracts space and computes spatial derivatives itself. It may also
    implement `HasDensity`, `HasSDF`, `HasOccupancy` and `HasColor`, which samplers, exporters and metrics use.

    Example:
        >>> import torch
        >>> from radfield_core import RayBundle
        >>> class Fog(Field):
        ...     def forward(self, samples):
        ...         density = torch.full((samples.n,), 0.1)
        ...         return FieldOutputs(rgb=torch.ones(samples.n, 3), density=density)
        >>> rays = RayBundle(*torch.ones(3, 2, 3).unbind(), *torch.ones(3, 2).unbind())
        >>> Fog()(RaySamples.from_edges(rays, torch.ones(2, 5))).rgb.shape
        torch.Size([8, 3])
    """

    @abstractmethod
    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Evaluate the field at all samples. There may be none (N = 0)."""


@runtime_checkable
class HasDensity(Protocol):
    """A field, or another object, that can be evaluated as a density."""

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density per unit length [M] at points x [M, 3].

        With `cov`, it is the density of Gaussians with means x and diagonal covariances `cov` [M, 3].
        """


@runtime_checkable
class HasSDF(Protocol):
    """A field, or another object, that can be evaluated as a signed distance."""

    def sdf(self, x: Tensor) -> Tensor:
        """Signed distance [M] at points x [M, 3], in scene units: 0 on the surface and positive outside."""

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient [M, 3] of the signed distance with respect to position, at points x [M, 3]."""


@runtime_checkable
class HasOccupancy(Protocol):
    """A field, or another object, that can be evaluated as the opacity of a short interval."""

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Opacity [M] in [0, 1] of intervals of one length at points x [M, 3]."""


@runtime_checkable
class HasColor(Protocol):
    """A field, or another object, that can be evaluated as a color."""

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Colors [M, 3] in [0, 1] at points x [M, 3].

        Args:
            x: points [M, 3].
            viewdirs: unit view directions [M, 3]; None for one color that represents all directions.
            image_ids: row of each point in per-image tables [M] int64; None for the mean over all images.
        """


class DensityOccupancy:
    """Mixin that computes a field's `occupancy` from its `density`.

    Example:
        >>> import torch
        >>> class Fog(DensityOccupancy):
        ...     def density(self, x, cov=None):
        ...         return torch.ones(len(x))
        >>> Fog().occupancy(torch.zeros(1, 3), length=0.5)
        tensor([0.3935])
    """

    def occupancy(self: HasDensity, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Opacity 1 − exp(−σ · length) [M] of intervals of one length at points x [M, 3]."""
        return -(-self.density(x, cov) * length).expm1()
