"""Values that change with the step."""

from __future__ import annotations

from radfield_neus.config import Schedule


def at(schedule: Schedule, step: int) -> float:
    """The value of a schedule at a step: constant, or linear between two steps and constant outside."""
    if isinstance(schedule, (int, float)):
        return float(schedule)
    start, before, after, end = schedule
    share = 1.0 if step >= end else max(0.0, (step - start) / max(end - start, 1e-9))
    return before + (after - before) * share
