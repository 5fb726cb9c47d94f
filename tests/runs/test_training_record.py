"""The record of a run's trainings: warnings are kept once, stages add up, and a damaged file costs nothing."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
import torch

from radfield_core.runs.folder import RunFolder
from radfield_core.runs.training_record import MAX_TRAININGS, MAX_WARNINGS, TrainingRecord, peak_memory, read_trainings

CPU = torch.device("cpu")


def test_warnings_are_kept_once_and_only_while_listening() -> None:
    record, library = TrainingRecord(), logging.getLogger("radfield_core.data.x")
    library.warning("before")
    with record.listening():
        for number in (1, 2, 1):
            library.warning("view %d", number)
        library.info("no warning")
        logging.getLogger("another").warning("of another library")
    library.warning("after")
    assert record.warnings == ["view 1", "view 2"]


def test_the_number_of_warnings_is_limited() -> None:
    record = TrainingRecord()
    with record.listening():
        for number in range(MAX_WARNINGS + 5):
            logging.getLogger("radfield_core").warning("%d", number)
    assert record.warnings == [str(number) for number in range(MAX_WARNINGS)]


def test_the_time_of_a_stage_is_that_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    record = TrainingRecord()
    for _ in range(2):
        with record.stage("preparation"):
            pass
    record.add("steps", 7.0)
    assert record.seconds == {"preparation": 2.75, "steps": 7.0}


def test_each_training_of_a_run_adds_an_entry(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_trainings(folder) == []
    for first in range(MAX_TRAININGS + 2):
        TrainingRecord().write(folder, CPU, {"device": "cpu", "threads": 2}, (first, first + 1), "max_steps")
    found = read_trainings(folder)
    assert [entry["first_step"] for entry in found] == list(range(2, MAX_TRAININGS + 2))
    assert found[-1]["machine"] == {"device": "cpu", "threads": 2} and found[-1]["end"] == "max_steps"


@pytest.mark.parametrize("text", ["", "[]", '{"trainings": 3}', '{"trainings": [1, "x"]}', "{", '{"trainings": null}'])
def test_a_damaged_record_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "training.json").write_text(text)
    assert read_trainings(RunFolder(tmp_path)) == []
    TrainingRecord().write(RunFolder(tmp_path), CPU, {}, (0, 1), "signal")
    assert len(json.loads((tmp_path / "training.json").read_text())["trainings"]) == 1


def test_a_record_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "training.json").mkdir()
    TrainingRecord().write(RunFolder(tmp_path), CPU, {}, (0, 1), "max_steps")
    assert "times and warnings of this training are lost" in caplog.text


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says the peak of a process")
def test_the_peak_of_memory_is_that_of_the_operating_system() -> None:
    stated = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert peak_memory(CPU) == {"process": pytest.approx(1024 * int(stated.split()[1]), rel=0.02)}
