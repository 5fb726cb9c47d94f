"""Detection of jumps of the loss."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from radfield_core.train.spikes import MIN_SPIKE_RATIO, WINDOW_STEPS, SpikeWatch


def test_a_loss_above_ten_medians_is_a_spike_once_in_a_hundred_steps() -> None:
    generator = np.random.default_rng(0)
    losses = (generator.random(900) + 0.5) * np.where(generator.random(900) < 0.05, 30.0, 1.0)
    watch, spoken = SpikeWatch(), -WINDOW_STEPS
    for i, loss in enumerate(losses.tolist()):
        usual = statistics.median(losses[i - WINDOW_STEPS : i]) if i >= WINDOW_STEPS else np.inf
        expected = loss / usual if loss > MIN_SPIKE_RATIO * usual and i - spoken >= WINDOW_STEPS else None
        assert watch.add(loss) == (None if expected is None else pytest.approx(expected))
        spoken = spoken if expected is None else i
    assert spoken >= 0


def test_losses_that_are_zero_or_negative_are_no_spikes() -> None:
    for usual in (0.0, -1.0):
        watch = SpikeWatch()
        assert [watch.add(loss) for loss in [usual] * WINDOW_STEPS + [5.0]] == [None] * (WINDOW_STEPS + 1)
