"""Samplers: rays -> samples, level by level."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from radfield_core.interfaces.field import Field
from radfield_core.interfaces.part import Part
from radfield_core.types import Level, RayBundle, RaySamples, Step


class Sampler(Part):
    """Owns every t, the region it covers and its own grid state; `own_fields` are fields of levels that it brings."""

    n_levels: int = 1
    own_fields: Mapping[int, Field] = MappingProxyType({})

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Where samples may lie: near [R], far [R]."""
        return rays.near, rays.far

    def refresh(self, step: Step, field: Field) -> None:
        """Bring grids up to date; called before each step, under no_grad, with the model's main field."""

    @abstractmethod
    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Samples of one level, given the level before; called under no_grad. Random only when `self.training`.

        Random numbers come from the generator that `begin_step` made from the step.
        """
