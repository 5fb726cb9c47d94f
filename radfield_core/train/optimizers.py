"""The optimizer of a run: that of its method, or another one that the options choose."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from radfield_core.config.run import TrainerConfig
from radfield_core.interfaces import Method


def make_optimizer(config: TrainerConfig, method: Method, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return the optimizer of a run.

    Another optimizer than the method's gets the method's groups: their rates, and what it understands of their other
    settings. RAdam takes the betas, epsilon and weight decay, which is decoupled as in its paper (Liu et al. 2020). SGD
    takes the weight decay, which it adds to the gradient.

    Args:
        config: the `[trainer]` options.
        method: the run's method.
        groups: parameter groups, such as those of `Method.param_groups`.

    Example:
        >>> class Photometric(Method):
        ...     def losses(self, outputs, batch, model, step):
        ...         return {}
        >>> group = {"name": "all", "params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1, "eps": 1e-15}
        >>> optimizer = make_optimizer(TrainerConfig(optimizer="sgd", momentum=0.5), Photometric(None), [group])
        >>> optimizer.defaults["momentum"]
        0.5
    """
    if config.optimizer == "method":
        return method.optimizer(groups)
    if config.optimizer == "sgd":
        return torch.optim.SGD(_understood(torch.optim.SGD, groups), momentum=config.momentum)
    return torch.optim.RAdam(_understood(torch.optim.RAdam, groups), decoupled_weight_decay=True)


def _understood(kind: type[torch.optim.Optimizer], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups with only the settings that an optimizer's class has."""
    known = {"params", "name", *inspect.signature(kind).parameters}
    return [{key: value for key, value in group.items() if key in known} for group in groups]
