"""Fields compute density or opacity, and color, at samples. Exporters and metrics may also evaluate a field at points.

Symbols in shapes: N samples, M points.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import FieldOutputs, RaySamples


class Field(Part):
    """The function of space that is trained and rendered. Constructed as `Field(config, ctx)`.

    A field holds its own parameters. The field itself contracts space, if needed, and computes spatial derivatives. A
    field may also implement `HasDensity`, `HasSDF`, `HasOccupancy` and `HasColor`, which samplers, exporters and
    metrics use.

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
        """Evaluate the field at all samples. The number of samples may be 0."""


@runtime_checkable
class HasDensity(Protocol):
    """A field, or another object, that can be evaluated as a density."""

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the density per unit length [M] at points x [M, 3].

        If `cov` is given, return the density of Gaussians with means x and diagonal covariances `cov` [M, 3].
        """


@runtime_checkable
class HasSDF(Protocol):
    """A field, or another object, that can be evaluated as a signed distance."""

    def sdf(self, x: Tensor) -> Tensor:
        """Return the signed distance [M], in scene units, at points x [M, 3]. It is 0 on the surface and positive
        outside."""

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient [M, 3] of the signed distance with respect to position, at points x [M, 3]."""


@runtime_checkable
class HasOccupancy(Protocol):
    """A field, or another object, that can be evaluated as the opacity of a short interval."""

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Return the opacity [M], in [0, 1], of an interval with the given length at each point x [M, 3].

        If `cov` is given, the points are the means of Gaussians with diagonal covariances `cov` [M, 3].
        """


@runtime_checkable
class HasColor(Protocol):
    """A field, or another object, that can be evaluated as a color."""

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the colors [M, 3], in [0, 1], at points x [M, 3].

        Args:
            x: points [M, 3].
            viewdirs: unit view directions [M, 3]; None for one color that represents all directions.
            image_ids: image of each point [M] int64, for fields with one embedding per image. None stands for the mean
                over all images.
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
        """Return the opacity 1 − exp(−σ · length) [M] of an interval with the given length at each point x [M, 3]."""
        return -(-self.density(x, cov) * length).expm1()
