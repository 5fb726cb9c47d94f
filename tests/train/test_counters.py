"""Counters are saved as JSON in checkpoints and restored from it."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from radfield_core.testing.training import toy_trainer
from radfield_core.train.counters import Counters


def test_counters_survive_json() -> None:
    counters = Counters(7, 1 / 3, 0.1 + 0.2, 100.25, 8.5, 2, 3, 1, 64, 2, 0.1, 1 / 7)
    stored = json.loads(json.dumps(dataclasses.asdict(counters)))
    assert Counters.of(stored) == counters


def test_a_checkpoint_keeps_every_counter(tmp_path) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.counters = Counters(*range(1, 13))
    assert trainer.state().progress["counters"] == dataclasses.asdict(trainer.counters)
    other = toy_trainer(tmp_path / "other")
    other.restore(trainer.state())
    assert other.counters == trainer.counters and other.counters is not trainer.counters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", -5), ("step", 2**64), ("step", 1.5), ("step", True), ("step", None), ("step", "3"),
        ("seconds", -1.0), ("seconds", math.inf), ("cpu_seconds", math.nan), ("n_rays", 0.5), ("n_rays", 1e13),
        ("rollbacks", -1), ("skipped", []), ("bad_in_a_row", {}), ("chunk_rays", 0), ("chunk_rays", 2.0), ("other", 1),
        ("restarts", 1.0), ("watched_error", -1.0), ("watched_spread", math.nan),
    ],
)  # fmt: skip
def test_a_counter_that_no_run_reaches_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="counter"):
        Counters.of({**dataclasses.asdict(Counters(step=3, n_rays=8.0)), name: value})
