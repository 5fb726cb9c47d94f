"""Validation of the optimizer state in a checkpoint. The checkpoint may come from a stranger."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from radfield_core.train.eager import take_step

MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
"""Function that makes an optimizer from parameter groups, such as `Method.optimizer`."""


def checked_state(optimizer: torch.optim.Optimizer, make: MakeOptimizer, stored: Any) -> dict[str, Any]:
    """Return the state to load into a new optimizer.

    Options of the optimizer's class, such as Adam's betas, are taken from the new optimizer. Other values of a group,
    such as counters, are taken from the stored state.

    Args:
        optimizer: a new optimizer of the run.
        make: the function that made this optimizer.
        stored: the `state_dict` of an optimizer, as read from a checkpoint.

    Raises:
        ValueError, KeyError, TypeError: the stored state does not belong to such an optimizer, or has impossible
            values.
    """
    fresh = optimizer.state_dict()
    groups = fresh["param_groups"]
    if [group["params"] for group in stored["param_groups"]] != [group["params"] for group in groups]:
        raise ValueError("the optimizer's parameter groups differ from those of the run")
    for group, kept in zip(groups, stored["param_groups"], strict=True):
        for key in group.keys() - optimizer.defaults.keys() - {"params", "name"}:
            group[key] = _like(kept[key], group[key], key)
    owners = [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]
    states = stored["state"]
    if not isinstance(states, dict) or not states.keys() <= set(range(len(owners))):
        raise ValueError("the optimizer's state belongs to parameters that do not exist")
    for index, entries in states.items():
        group, parameter = owners[index]
        pattern = _state_after_one_step(make, group, parameter)
        if pattern is not None:
            _check_entries(entries, pattern)
    return {"state": states, "param_groups": groups}


def _like(value: Any, fresh: Any, key: str) -> Any:
    """Return a stored value. Raises ValueError unless it is finite and has the type of the new optimizer's value."""
    if type(value) is not type(fresh) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"the optimizer's {key} is {value!r:.40}")
    return value


def _state_after_one_step(make: MakeOptimizer, group: dict[str, Any], parameter: nn.Parameter) -> dict[str, Any] | None:
    """Return the optimizer's state for a parameter, after one step on a copy of the parameter.

    Return None if the optimizer cannot take a step on a single parameter without a loss.
    """
    trial = nn.Parameter(torch.zeros_like(parameter))
    trial.grad = torch.zeros_like(parameter)
    try:
        small = make([{**group, "params": [trial]}])
        take_step(small)
    except Exception:  # an optimizer of a third party may need more than this
        return None
    return dict(small.state[trial])


def _check_entries(entries: Any, pattern: dict[str, Any]) -> None:
    """Raise ValueError if the state of a parameter has other entries than `pattern`, or impossible values."""
    if not isinstance(entries, dict) or entries.keys() != pattern.keys():
        raise ValueError("the optimizer's state has other entries than an optimizer of its class")
    for name, model in pattern.items():
        value = entries[name]
        if not isinstance(model, Tensor):
            _like(value, model, name)
        elif not isinstance(value, Tensor) or (value.shape, value.dtype) != (model.shape, model.dtype):
            raise ValueError(f"the optimizer's {name} is not a tensor like its parameter")
        elif not bool(value.isfinite().all()):
            raise ValueError(f"the optimizer's {name} is not finite")
        elif (name == "step" or name.endswith("_sq")) and bool((value < 0).any()):
            raise ValueError(f"the optimizer's {name} is negative")
