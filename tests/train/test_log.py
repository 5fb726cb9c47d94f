"""metrics.jsonl: one entry per period and evaluation, and none twice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.config.run import TrainerConfig
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs.folder import RunFolder
from radfield_core.train.counters import Counters
from radfield_core.train.log import TrainingLog, psnr_of
from radfield_core.train.step import StepLosses


class Heard:
    """Observers that remember what they were told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.parts: list[tuple[object, ...]] = []

    def tell(self, hook: str, **values: object) -> None:
        self.calls.append((hook, values))

    def tell_parts(self, method: str, *values: object) -> None:
        self.parts.append((method, *values))


def losses(squared_error: float = 0.01) -> StepLosses:
    terms = {"rgb": torch.tensor(0.25), "eikonal": torch.tensor(0.5)}
    return StepLosses(terms, torch.tensor(squared_error), 64, 512)


def log_in(folder: Path, observers: Heard | None = None, **options: int) -> TrainingLog:
    config = TrainerConfig(**{"max_steps": 100, "log_every": 10, **options})
    return TrainingLog(RunFolder(folder), config, quiet=True, observers=observers)  # type: ignore[arg-type]


def entries(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def steps(log: TrainingLog, start: int, stop: int) -> None:
    for step in range(start, stop):
        log.step(
            Counters(step=step, seconds=0.5 * step, cpu_seconds=0.25 * step),
            losses(),
            1e-3,
            lambda: {"beta": torch.tensor(3.0)},
        )


def test_an_entry_holds_losses_psnr_rate_and_scalars(tmp_path: Path) -> None:
    heard = Heard()
    steps(log_in(tmp_path, heard), 1, 11)
    (entry,) = entries(tmp_path)
    assert entry == {
        "step": 10, "seconds": 5.0, "cpu_seconds": 2.5, "loss": 0.75, "loss/rgb": 0.25, "loss/eikonal": 0.5,
        "psnr": pytest.approx(20.0), "lr": 1e-3, "rays": 64, "samples": 512, "rays_per_second": 10 * 64 / 5.0,
        "skipped": 0, "beta": 3.0,
    }  # fmt: skip
    assert heard.calls == [("radfield_step_ended", {"step": 10, "scalars": entry})]


def test_entries_come_every_period_and_at_the_last_step(tmp_path: Path) -> None:
    steps(log_in(tmp_path, max_steps=25), 1, 26)
    assert [entry["step"] for entry in entries(tmp_path)] == [10, 20, 25]


def test_scalars_are_fetched_only_for_an_entry(tmp_path: Path) -> None:
    log, fetched = log_in(tmp_path), []
    for step in range(1, 21):
        log.step(Counters(step=step), losses(), 1e-3, lambda step=step: fetched.append(step) or {})
    assert fetched == [10, 20]


def test_resuming_removes_later_and_incomplete_entries(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    steps(log, 1, 41)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "lo')
    log.resume(Counters(step=20, seconds=10.0))
    assert [entry["step"] for entry in entries(tmp_path)] == [10, 20]
    steps(log, 21, 31)
    assert entries(tmp_path)[-1]["rays_per_second"] == pytest.approx(10 * 64 / 5.0)


def test_pictures_are_files_by_step_are_shown_and_those_of_repeated_steps_are_removed(tmp_path: Path) -> None:
    shown: list[np.ndarray] = []
    log = TrainingLog(RunFolder(tmp_path), TrainerConfig(), quiet=True, show=shown.append)
    strip = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    for step in (5, 20, 30):
        log.pictured(Counters(step=step), "val", strip)
    (tmp_path / "pictures" / "mine.png").write_text("not a strip")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "pictures" / "step-000000020.png")), strip)
    assert len(shown) == 3 and all(each is strip for each in shown)
    log.resume(Counters(step=20))
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "mine.png", "step-000000005.png", "step-000000020.png",
    ]  # fmt: skip


def test_an_evaluation_is_an_entry_is_told_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "radfield_core")
    heard = Heard()
    counters = Counters(step=30, seconds=12.25, cpu_seconds=24.5)
    log_in(tmp_path, heard).evaluated(
        counters, "val", QuickResult({"psnr": 21.5, "ssim": math.nan}, 4, 100, (400, 300), reduced=True)
    )
    covered = {"split": "val", "views": 4, "size": [400, 300]}
    assert entries(tmp_path) == [
        {"step": 30, "seconds": 12.25, "cpu_seconds": 24.5, **covered, "eval": {"psnr": 21.5, "ssim": None}}
    ]
    ((hook, values),) = heard.calls
    assert hook == "radfield_evaluated" and (values["step"], values["split"]) == (30, "val")
    assert "step 30" in caplog.text and "21.50" in caplog.text
    assert "(val, 4 of 100 views at 400×300, reduced to stay within trainer.eval_share)" in caplog.text


def test_a_full_disk_is_reported_once_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    steps(log_in(tmp_path), 1, 31)
    (message,) = caplog.messages
    assert "metrics.jsonl" in message and "Is a directory" in message


@pytest.mark.parametrize(("squared_error", "expected"), [(1.0, 0.0), (0.1, 10.0), (0.0, 120.0)])
def test_psnr_is_ten_log10_of_the_inverse_error(squared_error: float, expected: float) -> None:
    assert psnr_of(losses(squared_error)) == pytest.approx(expected)
