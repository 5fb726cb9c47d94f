"""The state of an optimizer from a checkpoint is believed only if the optimizer could have reached it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from radfield_core.train.stored_optimizer import checked_state


def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """The optimizer of most methods."""
    return torch.optim.Adam(groups, fused=True)


def stepped(n: int = 2, make: Callable[..., torch.optim.Optimizer] = make) -> torch.optim.Optimizer:
    """An optimizer of two parameters after n steps, with a counter of its own in the group."""
    parameters = [nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(4))]
    optimizer = make([{"name": "all", "params": parameters, "lr": 0.1, "count": 0}])
    for _ in range(n):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        optimizer.param_groups[0]["count"] += 1
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        make,
        torch.optim.AdamW,
        lambda groups: torch.optim.SGD(groups, momentum=0.9),
        torch.optim.RMSprop,
        torch.optim.Adafactor,
    ],
)
def test_what_an_optimizer_reached_is_restored(make: Any) -> None:
    stored = stepped(2, make).state_dict()
    checked = checked_state(stepped(0, make), make, stored)
    assert checked["state"] is stored["state"] and checked["param_groups"] == stored["param_groups"]


def test_options_of_the_class_come_from_the_config_and_counters_from_the_checkpoint() -> None:
    stored = stepped().state_dict()
    stored["param_groups"][0] |= {"betas": (2.0, 2.0), "eps": -1.0}
    (group,) = checked_state(stepped(0), make, stored)["param_groups"]
    assert group["betas"] == (0.9, 0.999) and group["eps"] == 1e-8 and group["count"] == 2


def set_entry(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit that sets an entry of the first parameter's state."""
    return lambda stored: stored["state"][0].__setitem__(name, value)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "step negative": set_entry("step", torch.tensor(-1.0)),
    "step infinite": set_entry("step", torch.tensor(torch.inf)),
    "step a number": set_entry("step", 3),
    "moment of another shape": set_entry("exp_avg", torch.zeros(6)),
    "moment of another type": set_entry("exp_avg", torch.zeros(2, 3, dtype=torch.int64)),
    "moment NaN": set_entry("exp_avg", torch.full((2, 3), torch.nan)),
    "square negative": set_entry("exp_avg_sq", torch.full((2, 3), -1.0)),
    "moment missing": lambda stored: stored["state"][0].pop("exp_avg"),
    "entry too many": set_entry("other", torch.zeros(2, 3)),
    "state of nothing": lambda stored: stored["state"].__setitem__(2, stored["state"][0]),
    "state no table": lambda stored: stored.__setitem__("state", []),
    "counter text": lambda stored: stored["param_groups"][0].__setitem__("count", "2"),
    "counter missing": lambda stored: stored["param_groups"][0].pop("count"),
    "groups missing": lambda stored: stored["param_groups"].clear(),
    "other parameters": lambda stored: stored["param_groups"][0].__setitem__("params", [0]),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_no_optimizer_reaches_is_refused(edit: Callable[[dict[str, Any]], Any]) -> None:
    stored = stepped().state_dict()
    edit(stored)
    with pytest.raises((ValueError, KeyError, TypeError)):
        checked_state(stepped(0), make, stored)
