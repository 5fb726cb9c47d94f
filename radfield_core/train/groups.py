"""Parameter groups of the optimizer. A method defines the groups. Parts may set other rates for some of their
parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from radfield_core.config.schedules import Schedule
from radfield_core.errors import PluginError
from radfield_core.interfaces import Method, Model, ParameterGroup
from radfield_core.names import plural
from radfield_core.types import Step


class _Rate(NamedTuple):
    """The learning rate of a group.

    Attributes:
        lr: the rate. A constant is multiplied by the method's `lr_scale`, and any other schedule is used as it is.
        factor: factor by which the rate is multiplied.
        of: the method's group whose `lr_scale` applies; None if the rate is used as it is.
    """

    lr: Schedule
    factor: float
    of: str | None

    @property
    def first(self) -> float:
        """The rate at the first step, without the method's `lr_scale`."""
        return next(self.lr.values()) * self.factor


class Groups:
    """The parameter groups of a model, for its optimizer.

    Each group of the method is split: parameters for which a part sets its own learning rate or weight decay are moved
    to separate groups.

    Args:
        method: the method of the run.
        model: the model to train.

    Raises:
        PluginError: a parameter is in two groups of parts, or in a group of a part but in none of the method.

    Attributes:
        tables: one dict for each group, as torch's optimizers expect them.
    """

    def __init__(self, method: Method, model: Model):
        self._method = method
        self.tables: list[dict[str, Any]] = []
        self._rates: list[_Rate] = []
        claims = _claims(model)
        for table in method.param_groups(model):
            self._split(table, claims)
        if claims:
            names = ", ".join(sorted({group.name for group in claims.values()}))
            raise PluginError(
                f"a part has its own settings for {plural(len(claims), 'parameter')} ({names}) that the method "
                "does not train",
                hint="Return all parameters of the model from the method's param_groups",
            )

    def _split(self, table: dict[str, Any], claims: dict[int, ParameterGroup]) -> None:
        """Divide a group of the method: add the parameters in groups of parts as separate groups, and all others as one
        group."""
        rest = []
        claimed: dict[int, tuple[ParameterGroup, list[torch.nn.Parameter]]] = {}
        for parameter in table["params"]:
            group = claims.pop(id(parameter), None)
            if group is None or not _differs(group, table):
                rest.append(parameter)
            else:
                claimed.setdefault(id(group), (group, []))[1].append(parameter)
        name, lr = table["name"], Schedule.of(table["lr"])
        scaled = name if lr.constant is not None else None
        if rest:
            self._add({**table, "params": rest}, _Rate(lr, 1.0, scaled))
        for group, params in claimed.values():
            changed = {**table, "name": self._unused(group.name, name), "params": params}
            if group.weight_decay is not None:
                changed["weight_decay"] = group.weight_decay
            own = group.lr is not None
            self._add(changed, _Rate(Schedule.of(group.lr), 1.0, None) if own else _Rate(lr, group.lr_factor, scaled))

    def _add(self, table: dict[str, Any], rate: _Rate) -> None:
        self.tables.append({**table, "lr": rate.first})
        self._rates.append(rate)

    def _unused(self, name: str, of: str) -> str:
        return f"{of}.{name}" if any(table["name"] == name for table in self.tables) else name

    def set_rates(self, optimizer: torch.optim.Optimizer, step: Step, factor: float = 1.0) -> None:
        """Set the learning rates of an optimizer that was built from `tables`.

        Args:
            optimizer: the optimizer.
            step: the current step.
            factor: factor by which all learning rates are multiplied.
        """
        for group, rate in zip(optimizer.param_groups, self.rates(step), strict=True):
            group["lr"] = rate * factor

    def rates(self, step: Step) -> list[float]:
        """Return the learning rates of all groups at a step."""
        scales = [1.0 if rate.of is None else self._method.lr_scale(step, rate.of) for rate in self._rates]
        return [rate.lr.value(step) * rate.factor * scale for rate, scale in zip(self._rates, scales, strict=True)]

    def described(self) -> Iterator[str]:
        """Iterate over one line for each group: its name, number of parameters, learning rate and weight decay."""
        for table, rate in zip(self.tables, self._rates, strict=True):
            size = sum(parameter.numel() for parameter in table["params"])
            lr = f"lr {table['lr']:g}" if rate.lr.constant is not None else f"lr from {table['lr']:g}"
            decay = f", weight decay {table['weight_decay']:g}" if table.get("weight_decay") else ""
            yield f"{table['name']} ({size:,} numbers): {lr}{decay}"


def _claims(model: Model) -> dict[int, ParameterGroup]:
    """Return a dictionary: id of a parameter -> its group. Raises PluginError if a parameter is in two groups of
    parts."""
    claims: dict[int, ParameterGroup] = {}
    for group in model.parameter_groups():
        for parameter in group.params:
            other = claims.setdefault(id(parameter), group)
            if other is not group:
                raise PluginError(
                    f"a parameter is in two parameter groups, {other.name!r} and {group.name!r}",
                    hint="Return each parameter from parameter_groups of the part that owns it, and nowhere else",
                )
    return {key: group for key, group in claims.items() if group.lr is not None or group[3:] != (1.0, None)}


def _differs(group: ParameterGroup, table: dict[str, Any]) -> bool:
    decays = group.weight_decay is not None and group.weight_decay != table.get("weight_decay")
    return group.lr is not None or group.lr_factor != 1.0 or decays
