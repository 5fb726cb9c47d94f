"""Samplers choose samples on rays. Symbols in shapes: R rays.

A level is one pass of sampler, field and renderer. From the second level on, a sampler gets the results of the previous
level.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from radfield_core.interfaces.field import Field
from radfield_core.interfaces.part import Part
from radfield_core.types import Level, RayBundle, RaySamples, Step


class Sampler(Part):
    """Chooses the distances t along rays at which fields are evaluated. Constructed as `Sampler(config, ctx)`.

    Attributes:
        n_levels: number of levels.
        early_stop_eps: a share of the light. Rendering does not evaluate fields at a sample that is reached by this
            share or less. With 0, all samples are evaluated. Training is not affected.
        own_fields: dictionary: level -> field that belongs to the sampler, such as a proposal network. On these levels,
            this field is evaluated instead of the model's field.

    Example:
        >>> class Even(Sampler):
        ...     def propose(self, rays, level, prev, field):
        ...         near, far = self.extent(rays)
        ...         s = torch.linspace(0, 1, 5)
        ...         return RaySamples.from_edges(rays, near[:, None] + (far - near)[:, None] * s)
        >>> rays = RayBundle(*torch.ones(3, 2, 3).unbind(), torch.zeros(2), torch.ones(2), torch.ones(2))
        >>> Even().propose(rays, 0, None, None).dense(torch.arange(8)).shape
        torch.Size([2, 4])
    """

    n_levels: int = 1
    early_stop_eps: float = 0.0
    own_fields: Mapping[int, Field] = MappingProxyType({})
    _step: Step | None = None
    _generators: dict[tuple[str, torch.device], torch.Generator]

    def begin_step(self, step: Step) -> None:
        """Reset the random generators for a training step. An override must also call `super().begin_step(step)`."""
        self._step, self._generators = step, {}

    def generator(self, salt: str, device: torch.device) -> torch.Generator:
        """Return the random generator for one purpose in this step.

        If the rays of a step are computed in chunks, all chunks draw from the same generator, one after another.

        Args:
            salt: name of the purpose.
            device: device of the random numbers.

        Raises:
            RuntimeError: `begin_step` has not been called.
        """
        if self._step is None:
            raise RuntimeError(
                f"{type(self).__name__} needs begin_step() before random samples; call eval() to sample without them"
            )
        key = (salt, device)
        if key not in self._generators:
            self._generators[key] = self._step.generator(salt, device)
        return self._generators[key]

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """For each ray, return the smallest and the largest t that its samples may have. These are two tensors [R].

        By default, these are the near and far limits of the ray.
        """
        return rays.near, rays.far

    def refresh(self, step: Step, field: Field) -> None:
        """Update the sampler's grids from the model's main field. Called before every training step, under no_grad."""

    @abstractmethod
    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Choose the samples of one level. Called under no_grad.

        Samples may be random only if `self.training` is True. Take the random numbers from `self.generator`.

        Args:
            rays: R rays.
            level: number of the level, from 0.
            prev: results of the previous level; None for level 0.
            field: field that will be evaluated at the samples.
        """
