"""Noticing that a run is stuck from its start: its pixels are no better than one constant color.

Networks with unlucky first weights may render an empty scene and get no gradient that changes it. The tutorial "NeRF
From Nothing" begins again in this case, and so does a run with the option `trainer.restart_after`.
"""

from __future__ import annotations

import math

import torch

from radfield_core.train.counters import Counters
from radfield_core.train.step import StepLosses
from radfield_core.types import Batch

MAX_RESTARTS = 3
WATCHED_SHARE = 0.1
"""The pixels of the last tenth of the steps before `trainer.restart_after` are compared with a constant color."""


def watch(counters: Counters, after: int, batch: Batch, losses: StepLosses) -> None:
    """Add the error and the spread of a step's pixels to the counters, if the step is one of the watched ones.

    The spread is the variance of the pixels' true colors, which is the squared error of the best constant color. Both
    are means over the color channels.

    Args:
        counters: the run's counters before the step.
        after: number of steps after which the run may begin again; 0 for never.
        batch: the step's batch.
        losses: the step's losses.
    """
    if not after - max(1, int(WATCHED_SHARE * after)) <= counters.step < after:
        return
    spread = batch.rgb.detach().flatten(0, -2).var(dim=0, correction=0).mean()
    error, variance = torch.stack([losses.squared_error, spread.to(losses.squared_error)]).tolist()
    counters.watched_error += error
    counters.watched_spread += variance


def is_stuck(counters: Counters, after: int) -> bool:
    """Return True if the run has just taken `after` steps, and its pixels are no better than a constant color."""
    return after > 0 and counters.step == after and counters.watched_error >= counters.watched_spread > 0.0


def described(counters: Counters) -> str:
    """Return how good the watched pixels are, in words.

    Example:
        >>> described(Counters(watched_error=0.2, watched_spread=0.1))
        'the pixels are no better than one constant color (squared error 2.00 times that of the mean color)'
    """
    ratio = counters.watched_error / max(counters.watched_spread, math.ulp(0.0))
    return f"the pixels are no better than one constant color (squared error {ratio:.2f} times that of the mean color)"
