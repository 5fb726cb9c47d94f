"""Options whose values change with the training step."""

from __future__ import annotations

from radfield_neus.config import Schedule


def value_at(schedule: Schedule, step: int) -> float:
    """Return the value of a schedule at a training step.

    A schedule is either a constant, or a tuple (start step, value before, value after, end step). With a tuple, the
    value changes linearly between the two steps. It is constant before the start step and after the end step.

    Example:
        >>> value_at(0.1, 500), value_at((100, 0.0, 1.0, 300), 150)
        (0.1, 0.25)
    """
    if isinstance(schedule, (int, float)):
        return float(schedule)
    start, before, after, end = schedule
    share = 1.0 if step >= end else max(0.0, (step - start) / max(end - start, 1e-9))
    return before + (after - before) * share
