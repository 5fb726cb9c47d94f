"""Defaults that every part inherits: no schedule, no losses and no scalars. Parts are torch modules."""

from __future__ import annotations

import torch
from torch import nn

from radfield_core.interfaces import Part
from radfield_core.testing.toys import toy_rays
from radfield_core.types import Batch, ModelOutputs, Rendered, Step


class Scheduled(Part):
    """Keeps its schedule in a non-persistent buffer, as parts should."""

    share: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("share", torch.zeros(()), persistent=False)

    def begin_step(self, step: Step) -> None:
        self.share.fill_(step.progress)


def test_a_plain_part_has_no_schedule_losses_or_scalars() -> None:
    part, rays = Part(), toy_rays(2)
    outputs = ModelOutputs(Rendered(None, torch.zeros(2), torch.zeros(2)), (), None, 0)
    part.begin_step(Step(1, 10, 0))
    assert part.losses(outputs, Batch(rays, None, torch.zeros(2, 3)), Step(1, 10, 0)) == {} and part.scalars() == {}
    assert part.state_dict() == {} and list(part.parameters()) == []


def test_a_schedule_is_a_function_of_the_step_and_not_part_of_a_checkpoint() -> None:
    part, other = Scheduled(), Scheduled()
    for index in (1, 9, 5):
        part.begin_step(Step(index, 10, 0))
    other.begin_step(Step(5, 10, 0))
    assert part.share == other.share == 0.5 and set(part.state_dict()) == {"weight"}
