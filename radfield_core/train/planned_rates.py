"""The learning rates of a run before it starts, computed without its data."""

from __future__ import annotations

from typing import NamedTuple

import torch

from radfield_core.config.run import RunConfig
from radfield_core.interfaces import BuildContext, method_of
from radfield_core.model import build_model, level_loop
from radfield_core.runtime import randomness
from radfield_core.train.groups import Groups
from radfield_core.types import SceneBox, Step


class PlannedRate(NamedTuple):
    """A parameter group of a run.

    Attributes:
        name: name of the group.
        size: number of trained numbers in the group, if the data have one image.
        weight_decay: weight decay; 0 for none.
        rates: learning rates in the first step, in the middle of the run, and in the last step.
    """

    name: str
    size: int
    weight_decay: float
    rates: tuple[float, float, float]


def planned_rates(run: RunConfig) -> list[PlannedRate]:
    """Return the parameter groups of a run.

    The model is built for a scene of one image in a cube, because learning rates do not depend on the data.
    """
    method = method_of(run.method)
    box, steps = SceneBox(torch.zeros(3), 1.0), run.trainer.max_steps
    with randomness.undisturbed():
        context = BuildContext(box, n_images=1, max_steps=steps, run=run, make_loop=level_loop)
        groups = Groups(method, build_model(method, context))
    rates = [groups.rates(Step(index, steps, run.trainer.seed)) for index in (0, steps // 2, steps - 1)]
    planned = []
    for table, first, middle, last in zip(groups.tables, *rates, strict=True):
        size = sum(parameter.numel() for parameter in table["params"])
        planned.append(PlannedRate(table["name"], size, table.get("weight_decay") or 0.0, (first, middle, last)))
    return planned
