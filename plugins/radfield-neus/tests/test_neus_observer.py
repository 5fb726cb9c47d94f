"""Observers of NeuS: the warning when the surface has vanished."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from radfield_neus import observer
from radfield_neus.observer import ENTRIES_BEFORE_WARNING, SurfaceWatch


def test_a_vanished_surface_is_reported_once_and_again_if_it_came_back() -> None:
    watch = SurfaceWatch()
    entries = [0.3, 0.004, *[0.0] * ENTRIES_BEFORE_WARNING, 0.0, 0.0, 0.2, *[0.001] * ENTRIES_BEFORE_WARNING]
    warnings = [watch.step(index, {"weight_inside": value}) for index, value in enumerate(entries)]
    warned = [index for index, text in enumerate(warnings) if text is not None]
    assert warned == [ENTRIES_BEFORE_WARNING, len(entries) - 1]
    text = warnings[ENTRIES_BEFORE_WARNING]
    assert text is not None and "0.00%" in text and f"step {ENTRIES_BEFORE_WARNING}:" in text


def test_a_new_run_starts_to_count_anew() -> None:
    watch = SurfaceWatch()
    for run in range(3):
        watch.started()
        steps = range(ENTRIES_BEFORE_WARNING - 1)
        assert all(watch.step(index, {"weight_inside": 0.0}) is None for index in steps), f"run {run}"


def test_runs_of_other_fields_are_not_watched() -> None:
    watch = SurfaceWatch()
    assert all(watch.step(index, {"loss": 0.0}) is None for index in range(20))


def test_the_warning_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "WATCH", SurfaceWatch())
    for step in range(ENTRIES_BEFORE_WARNING):
        observer.radfield_step_ended(step, {"weight_inside": 0.002})
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("radfield_neus.observer", logging.WARNING)
    assert "0.20%" in record.getMessage()


def test_a_run_of_another_field_is_not_opened_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('method = "of-a-stranger"\n[field]\ntype = "acme:field"\n')
    observer.radfield_run_finished(tmp_path, "max_steps")
    assert not (tmp_path / "sdf-slices.png").exists()
