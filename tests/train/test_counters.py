"""Counters are saved as JSON in checkpoints and restored from it."""

from __future__ import annotations

import dataclasses
import json

from radfield_core.testing.training import toy_trainer
from radfield_core.train.counters import Counters


def test_counters_survive_json() -> None:
    counters = Counters(7, 1 / 3, 0.1 + 0.2, 100.25, 8.5, 2, 3, 1, 64)
    stored = json.loads(json.dumps(dataclasses.asdict(counters)))
    assert Counters(**stored) == counters


def test_a_checkpoint_keeps_every_counter(tmp_path) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.counters = Counters(*range(1, 10))
    assert trainer.state().progress["counters"] == dataclasses.asdict(trainer.counters)
    other = toy_trainer(tmp_path / "other")
    other.restore(trainer.state())
    assert other.counters == trainer.counters and other.counters is not trainer.counters
