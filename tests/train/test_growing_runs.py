"""A run whose parameters grow goes back before the change, starts other runs, and refuses impossible shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radfield_core.errors import StorageError, UsageError
from radfield_core.runs import checkpoint
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.laws.training import expect_equal_states
from radfield_core.train.first_weights import FirstWeights
from radfield_core.train.trainer import Trainer

VALUES = "fields.0.values"


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    """A trainer of 8 steps of the toy grid, which becomes finer after step 4, with checkpoints of all even steps."""
    tested = part_under_test("field:toy-grid")
    tested.folder = tmp_path
    return tested.trainer(tested.run_config(8, {"save_every": 2, "keep_checkpoints": 9}), "run")


def state(trainer: Trainer, step: int) -> checkpoint.State:
    return checkpoint.load(trainer.folder.checkpoints / f"step-{step:09d}")


def test_a_model_that_has_grown_goes_back_and_trains_to_the_same_end(trainer: Trainer, tmp_path: Path) -> None:
    trainer.train()
    assert trainer.model.state_dict()[VALUES].shape == (1, 4, 8, 8, 8)
    again = part_under_test("field:toy-grid")
    again.folder = tmp_path
    other = again.trainer(again.run_config(8, {"save_every": 2, "keep_checkpoints": 9}), "other")
    other.train()
    other.restore(state(trainer, 2))
    assert other.model.state_dict()[VALUES].shape == (1, 4, 4, 4, 4)
    other.train()
    expect_equal_states(trainer, other)


def test_the_grown_weights_start_another_run(trainer: Trainer) -> None:
    trainer.train()
    stored = state(trainer, 8).model
    model = trainer._setup.build(5).model
    FirstWeights(trainer.folder, Path("c"), 8, stored).set_in(model, torch.eye(4))
    assert torch.equal(model.state_dict()[VALUES], stored[VALUES])
    with pytest.raises(UsageError, match="cannot have grown"):
        FirstWeights(trainer.folder, Path("c"), 8, {**stored, VALUES: torch.zeros(4)}).set_in(model, torch.eye(4))


def test_a_stored_shape_that_cannot_have_grown_is_refused_in_words(trainer: Trainer) -> None:
    trainer.train()
    damaged = replace(state(trainer, 8), model={**state(trainer, 8).model, VALUES: torch.zeros(4, 4)})
    with pytest.raises(StorageError, match=r"fields.0.values has the shape \[4, 4\], which cannot have grown from"):
        trainer.restore(damaged)
