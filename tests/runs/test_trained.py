"""Opening a run gives the model that was trained, whatever happened to the newest checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from radfield_core.errors import StorageError, UsageError
from radfield_core.model import LevelLoop
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_run import stored_run
from radfield_core.runs.trained import Trained, load_weights, open_run


def test_an_opened_model_has_the_stored_weights(stored: Path, trained: Trained) -> None:
    weights = safetensors.torch.load_file(stored / "checkpoints" / "step-000000002" / "model.safetensors")
    found = trained.model.state_dict()
    assert found.keys() == weights.keys() and all(torch.equal(found[name], weights[name]) for name in weights)
    assert trained.step == 2 and not trained.model.training and trained.checkpoint.name == "step-000000002"


def test_one_checkpoint_can_be_opened_by_its_path(stored: Path) -> None:
    assert open_run(stored / "checkpoints" / "step-000000001").step == 1


def test_schedules_are_at_the_last_step_trained(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    monkeypatch.setattr(LevelLoop, "begin_step", lambda model, step: begun.append(step.index))
    open_run(stored)
    assert begun == [1]


def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(
    stored: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(stored, copy)
    (copy / "checkpoints" / "step-000000002" / "model.safetensors").write_bytes(b"")
    assert open_run(copy).step == 1
    assert "step-000000002" in caplog.text


def test_an_unknown_device_is_a_usage_error(stored: Path) -> None:
    with pytest.raises(UsageError, match="--device"):
        open_run(stored, "cuda:999")


def test_weights_that_do_not_fit_are_named(trained: Trained, tmp_path: Path) -> None:
    state = checkpoint.State(1, {"nothing": torch.zeros(1)})
    with pytest.raises(StorageError, match="nothing"):
        load_weights(trained.model, state, RunFolder(tmp_path))


def test_stored_options_are_those_of_the_run(stored: Path, trained: Trained) -> None:
    assert stored_run(RunFolder(stored)) == trained.run
    assert trained.run.trainer.max_steps == 2
