"""A run from its options to its end: what is written when, what is logged, and what is left after a failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import StorageError, UsageError
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.observers import Observers
from radfield_core.runs.training_record import read_trainings
from radfield_core.train import session
from radfield_core.train.session import Outcome, Prepared, prepare, train_run

OPTIONS = [
    "data.type=synthetic", "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1", "field.width=16",
    "trainer.n_rays=8", "trainer.max_steps=4", "trainer.save_every=2", "trainer.log_every=1", "trainer.device=cpu",
    "sampler.n_samples=4",
]  # fmt: skip


def run_of(*more: str) -> RunConfig:
    options = dict(word.split("=") for word in (*OPTIONS, *more))
    return compose(get_registry(), method="tiny-nerf", overrides=[f"{key}={text}" for key, text in options.items()]).run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps; do not change it."""
    out = tmp_path_factory.mktemp("session") / "run"
    assert train_run(run_of(), out=out, quiet=True) == Outcome(out, 4, "max_steps")
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> RunFolder:
    """A copy of that run."""
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a run by path, but for the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize(
    ("reason", "code"), [("max_steps", 0), ("max_seconds", 0), ("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]
)
def test_an_exit_code_is_that_of_a_program_ended_by_the_signal(reason: str, code: int) -> None:
    assert Outcome(Path("run"), 1, reason).exit_code == code


def test_a_finished_run_holds_options_versions_scene_and_metrics(finished: Path) -> None:
    assert contents(finished).keys() >= {"config.toml", "plugins.json", "scene.json", "metrics.jsonl"}
    scene = json.loads((finished / "scene.json").read_text())
    assert len(scene["to_data"]) == 4 and scene["left_out"] == {}
    steps = [json.loads(line)["step"] for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 4], "an entry for each step, and the evaluation at the end"


def test_each_training_is_recorded_with_its_times_and_warnings(copied: RunFolder) -> None:
    (first,) = read_trainings(copied)
    assert (first["first_step"], first["last_step"], first["end"]) == (0, 4, "max_steps")
    assert set(first["seconds"]) == {"preparation", "steps", "evaluations", "saving and logging"}
    assert all(seconds >= 0 for seconds in first["seconds"].values()) and first["machine"]["device"] == "cpu"
    logged = json.loads(copied.metrics.read_text().splitlines()[-1])["seconds"]
    assert first["seconds"]["steps"] == pytest.approx(logged, abs=2e-3)
    train_run(run_of("trainer.max_steps=6"), resume=copied, quiet=True)
    second = read_trainings(copied)[1]
    assert (second["first_step"], second["last_step"]) == (4, 6)
    total = json.loads(copied.metrics.read_text().splitlines()[-1])["seconds"]
    assert second["seconds"]["steps"] == pytest.approx(total - logged, abs=4e-3)


def test_preparing_a_resumed_run_changes_nothing_on_disk(copied: RunFolder) -> None:
    before = contents(copied.path)
    one = copied.checkpoints / "step-000000002"
    prepared = prepare(run_of(), copied, resume=True, checkpoint=one, quiet=True)
    assert contents(copied.path) == before
    assert prepared.trainer.counters.step == 2 and prepared.resumed_from == one
    assert prepared.folder is copied and len(prepared.scene.cameras) == 2


def test_resuming_from_an_earlier_checkpoint_repeats_its_later_steps(finished: Path, copied: RunFolder) -> None:
    outcome = train_run(run_of(), resume=copied, checkpoint=copied.checkpoints / "step-000000002", quiet=True)
    assert outcome.step == 4 and (copied.checkpoints / "aside-1-step-000000004").is_dir()
    name = "checkpoints/step-000000004/model.safetensors"
    assert (copied.path / name).read_bytes() == (finished / name).read_bytes()
    steps = [json.loads(line)["step"] for line in copied.metrics.read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 4]


def test_a_checkpoint_that_does_not_fit_leaves_the_run_as_it_was(copied: RunFolder) -> None:
    before = contents(copied.path)
    with pytest.raises(StorageError, match="does not fit"):
        train_run(run_of("field.width=24"), resume=copied, quiet=True)
    assert contents(copied.path) == before


@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_start_removes_only_a_folder_that_it_made(
    exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Prepared:
        raise UsageError("made up")

    monkeypatch.setattr(session, "prepare", fail)
    out = tmp_path / "run"
    if exists:
        out.mkdir()
    with pytest.raises(UsageError, match="made up"):
        train_run(run_of(), out=out, quiet=True)
    assert out.exists() == exists


def test_an_unknown_device_is_reported_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cuda:999"):
        train_run(run_of("trainer.device=cuda:999"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Heard(Observers):
    """Observers that remember the hooks and, of the end, the reason."""

    def __init__(self) -> None:
        super().__init__(get_registry())
        self.calls: list[tuple[str, Any]] = []

    def tell(self, hook: str, **values: Any) -> None:
        self.calls.append((hook.removeprefix("radfield_"), values.get("reason", values["step"])))


def test_observers_hear_the_start_each_entry_and_the_reason_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr(Observers, "of", lambda run, registry: heard)
    train_run(run_of("trainer.log_every=2"), out=tmp_path / "run", quiet=True)
    assert heard.calls == [
        ("train_started", 0), ("step_ended", 2), ("step_ended", 4), ("evaluated", 4), ("run_finished", "max_steps"),
    ]  # fmt: skip


def test_a_signal_ends_a_run_after_a_save_without_an_evaluation(
    tmp_path: Path, taken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr(Observers, "of", lambda run, registry: heard)
    tell = heard.tell

    def stop_at_one(hook: str, **values: Any) -> None:
        tell(hook, **values)
        if hook == "radfield_step_ended":
            os.kill(os.getpid(), signal.SIGTERM)

    heard.tell = stop_at_one  # type: ignore[method-assign]
    outcome = train_run(run_of(), out=tmp_path / "run", quiet=True)
    assert outcome == Outcome(tmp_path / "run", 1, "SIGTERM")
    assert heard.calls[-1] == ("run_finished", "signal")
    assert (tmp_path / "run" / "checkpoints" / "step-000000001").is_dir()


@pytest.mark.parametrize("keep_folder", [True, False])
def test_the_header_names_method_data_device_and_a_folder_that_stays(
    keep_folder: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "radfield_core")
    train_run(run_of(), out=tmp_path / "run", quiet=True, threads="two", keep_folder=keep_folder)
    lines = caplog.text
    for words in ("method   tiny-nerf", "data     synthetic: 2 images, 8×8", "device   cpu", "threads: two", "4 steps"):
        assert words in lines
    assert ": field nerf, field.encoding frequency, sampler importance, renderer volume\n" in lines
    assert (str(tmp_path / "run") in lines) == keep_folder


def test_a_run_with_nothing_left_to_train_says_which_limit_is_reached(
    copied: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "radfield_core")
    assert train_run(run_of(), resume=copied, quiet=True).step == 4
    assert "trainer.max_steps=4 is reached" in caplog.text
