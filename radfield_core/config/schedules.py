"""Schedules: values that change with the training step, such as loss weights and learning rates.

A schedule is an option's value. In TOML it is written in one of these forms:

    eikonal = 0.1                              constant
    eikonal = [0.0, 0.1, 500]                  from 0.0 at step 0 linearly to 0.1 at step 500
    eikonal = [100, 0.0, 0.1, 500]             from 0.0 at step 100 linearly to 0.1 at step 500
    eikonal = [0.0, 0.1, 0.25]                 from 0.0 at step 0 linearly to 0.1 after a quarter of the run
    lr = {curve = "cosine", values = [1e-2, 1e-4], span = [500, 1.0]}
    lr = {curve = "polynomial", values = [1e-2, 0.0], span = [0, 1.0], power = 0.9}
    lr = [[0.0, 1e-2, 500], {curve = "exponential", values = [1e-2, 1e-4], span = [500, 1.0]}]   one stage, then another

A start or an end that is a whole number, such as 500, counts steps. With a decimal point, as in 0.25 or 1.0, it is a
share of the run. This module imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol, cast, get_args

from radfield_core.names import nearest

Curve = Literal["linear", "cosine", "exponential", "polynomial"]
CURVES: tuple[Curve, ...] = get_args(Curve)
DESCRIPTION = "a number, [value, value, end step], [start step, value, value, end step], or a table with a curve"
_KEYS = ("curve", "values", "span", "power")


class _Step(Protocol):
    """The attributes of `Step` that a schedule uses."""

    @property
    def index(self) -> int: ...
    @property
    def max_steps(self) -> int: ...


class Stage(NamedTuple):
    """A change from one value to another.

    Attributes:
        curve: "linear", "cosine" (half a wave, with slope 0 at both ends), "exponential" (equal factors in equal
            times) or "polynomial" (the difference to the last value is proportional to the power of the time left).
        values: values at the start and at the end.
        span: start and end. An int counts steps, and a float is a share of the run.
        power: power of a polynomial curve. Other curves have none, and this is 1.
    """

    curve: Curve
    values: tuple[float, float]
    span: tuple[int | float, int | float]
    power: float = 1.0

    def value(self, share: float) -> float:
        """Return the value at a point of the stage. `share` is 0 at the start of the stage and 1 at its end."""
        first, last = self.values
        if self.curve == "exponential":
            return float(first * (last / first) ** share)
        if self.curve == "cosine":
            share = 0.5 * (1.0 - math.cos(math.pi * share))
        if self.curve == "polynomial":
            return last + (first - last) * float((1.0 - share) ** self.power)
        return first + (last - first) * share


@dataclass(frozen=True)
class Schedule:
    """A value that depends only on the training step.

    Before its first stage, a schedule has the first value of that stage. After a stage, it keeps the stage's last value
    until the next stage starts.

    Attributes:
        stages: the stages, in the order of their starts.

    Example:
        >>> from radfield_core import Step
        >>> schedule = Schedule.of([100, 0.0, 1.0, 300])
        >>> [schedule.value(Step(index, max_steps=1000, seed=0)) for index in (0, 150, 900)]
        [0.0, 0.25, 1.0]
    """

    stages: tuple[Stage, ...]

    @staticmethod
    def of(written: Any) -> Schedule:
        """Return the schedule that a TOML value describes. The module's documentation lists the forms.

        Raises:
            ValueError: the value has none of these forms.

        Example:
            >>> Schedule.of(0.1).constant
            0.1
        """
        if isinstance(written, Schedule):
            return written
        several = isinstance(written, (list, tuple)) and written and all(_is_stage(item) for item in written)
        stages = tuple(_stage(item) for item in (written if several else [written]))
        for before, after in pairwise(stages):
            if type(before.span[1]) is type(after.span[0]) and after.span[0] < before.span[1]:
                raise ValueError(f"a stage starts at {after.span[0]}, before the previous one ends at {before.span[1]}")
        return Schedule(stages)

    @property
    def constant(self) -> float | None:
        """The value of a schedule that never changes. None if the value changes."""
        values = set(self.values())
        return values.pop() if len(values) == 1 else None

    def values(self) -> Iterator[float]:
        """Iterate over the values at both ends of every stage. Within a stage, the value lies between these two."""
        for stage in self.stages:
            yield from stage.values

    def value(self, step: _Step) -> float:
        """Return the value at a training step."""
        current = self.stages[0].values[0]
        for stage in self.stages:
            start, end = (_in_steps(limit, step.max_steps) for limit in stage.span)
            if step.index >= end:
                current = stage.values[1]
            elif step.index >= start:
                return stage.value((step.index - start) / (end - start))
        return current

    def written(self) -> Any:
        """Return the TOML value that describes this schedule: `Schedule.of(schedule.written()) == schedule`."""
        stages = [_written(stage) for stage in self.stages]
        return stages[0] if len(stages) == 1 else [item if _is_stage(item) else [item, item, 0] for item in stages]


def _is_stage(item: Any) -> bool:
    return isinstance(item, (list, tuple, Mapping))


def _in_steps(limit: int | float, max_steps: int) -> float:
    return limit if isinstance(limit, int) else limit * max_steps


def _stage(item: Any) -> Stage:
    """Return the stage that a number, a list or a table describes. Raises ValueError for an invalid description."""
    if isinstance(item, Mapping):
        return _stage_of_table(item)
    if isinstance(item, (list, tuple)):
        if len(item) not in (3, 4):
            raise ValueError(f"must be {DESCRIPTION}, not a list of {len(item)}")
        start, first, last, end = item if len(item) == 4 else (0, *item)
        return Stage("linear", (_number(first), _number(last)), _span(start, end))
    value = _number(item)
    return Stage("linear", (value, value), (0, 0))


def _stage_of_table(table: Mapping[str, Any]) -> Stage:
    for key in table:
        if key not in _KEYS:
            near = nearest(str(key), _KEYS)
            raise ValueError(
                f"has no entry {key!r}" + (f"; did you mean {near!r}?" if near else f": {', '.join(_KEYS)}")
            )
    curve = table.get("curve", "linear")
    if curve not in CURVES:
        raise ValueError(f"curve must be {' or '.join(CURVES)}, not {curve!r}")
    first, last = _pair(table.get("values"), "values")
    span = _span(*_pair(table.get("span", (0, 1.0)), "span"))
    if curve == "exponential" and _number(first) * _number(last) <= 0:
        raise ValueError("an exponential curve needs two values above 0")
    return Stage(cast(Curve, curve), (_number(first), _number(last)), span, _power(table, curve))


def _power(table: Mapping[str, Any], curve: str) -> float:
    """Return the power of a stage's curve, which only a polynomial curve may state."""
    if curve != "polynomial":
        if "power" in table:
            raise ValueError(f"has a power, which only a polynomial curve uses, not {curve}")
        return 1.0
    power = _number(table.get("power", 0.9))
    if not 0.0 < power <= 100.0:
        raise ValueError(f"power must be above 0 and at most 100, not {power:g}")
    return power


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{name} must be a list of two numbers, not {value!r}")
    return value[0], value[1]


def _span(start: Any, end: Any) -> tuple[int | float, int | float]:
    for limit in (start, end):
        _number(limit)
        if limit < 0 or (isinstance(limit, float) and limit > 1):
            kind = "a share of the run, from 0.0 to 1.0, or a whole number of steps"
            raise ValueError(f"a stage starts and ends at {kind}, not at {limit!r}")
    if type(start) is type(end) and end < start:
        raise ValueError(f"a stage ends at {end!r}, before it starts at {start!r}")
    return start, end


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"must be {DESCRIPTION}, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return float(value)


def _written(stage: Stage) -> Any:
    if stage.span == (0, 0) and stage.values[0] == stage.values[1]:
        return stage.values[0]
    if stage.curve == "linear":
        (first, last), (start, end) = stage.values, stage.span
        return [first, last, end] if type(start) is int and start == 0 else [start, first, last, end]
    power = {"power": stage.power} if stage.curve == "polynomial" else {}
    return {"curve": stage.curve, "values": list(stage.values), "span": list(stage.span), **power}
