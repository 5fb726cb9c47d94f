"""Samplers: rays -> samples, level by level."""

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
    """Owns every t, the region it covers and its own grid state; `own_fields` are fields of levels that it brings."""

    n_levels: int = 1
    own_fields: Mapping[int, Field] = MappingProxyType({})
    _step: Step | None = None
    _generators: dict[tuple[str, torch.device], torch.Generator]

    def begin_step(self, step: Step) -> None:
        """Start this step's random numbers; whoever overrides this calls it too."""
        self._step, self._generators = step, {}

    def generator(self, salt: str, device: torch.device) -> torch.Generator:
        """This step's random numbers for one purpose: one sequence, however many chunks the rays come in.

        Raises RuntimeError before `begin_step`.
        """
        if self._step is None:
            raise RuntimeError(f"{type(self).__name__} draws at random only after begin_step; or call eval()")
        key = (salt, device)
        if key not in self._generators:
            self._generators[key] = self._step.generator(salt, device)
        return self._generators[key]

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Where samples may lie: near [R], far [R]."""
        return rays.near, rays.far

    def refresh(self, step: Step, field: Field) -> None:
        """Bring grids up to date; called before each step, under no_grad, with the model's main field."""

    @abstractmethod
    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Samples of one level, given the level before; called under no_grad. Random only when `self.training`, by
        numbers from `self.generator`.
        """
