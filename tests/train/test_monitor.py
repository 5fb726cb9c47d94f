"""Evaluations and pictures during training change nothing that training depends on."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.errors import DatasetError
from radfield_core.render.quick_evaluation import QuickEvaluation, QuickResult
from radfield_core.runs import checkpoint
from radfield_core.runtime.interrupts import Interrupts
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.train.counters import Counters
from radfield_core.train.monitor import Monitor
from radfield_core.train.trainer import Trainer


class Jumps(ToyMethod):
    """Its loss is a thousand times what it should be at some steps."""

    at = (120, 130, 250)

    def losses(self, outputs, batch, model, step):
        (loss,) = super().losses(outputs, batch, model, step).values()
        return {"rgb": loss + (1000.0 * loss.detach() if step.index in self.at else 0.0)}


def jumping(folder: Path, evaluated: bool) -> Trainer:
    """A trainer after 300 steps with jumps of the loss at three of them."""
    evaluation = QuickEvaluation(ToyMethod(), toy_scene(), "val", 1, 4096) if evaluated else None
    trainer = toy_trainer(folder, Jumps(), evaluation=evaluation, max_steps=300)
    trainer.train()
    return trainer


def test_a_jump_of_the_loss_is_reported_and_pictured(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown = jumping(tmp_path / "shown", True)
    warnings = [record.args for record in caplog.records if "median" in record.message]
    assert [step for step, *_ in warnings] == [121, 251]  # 131 lies less than 100 steps after 121
    assert 400 < warnings[0][1] < 2500
    pictures = sorted(path.name for path in (tmp_path / "shown" / "spikes").iterdir())
    assert [name for name in pictures if name.endswith("_rgb.png")] == [
        "step-000000121_rgb.png",
        "step-000000251_rgb.png",
    ]
    assert Image.open(tmp_path / "shown" / "spikes" / pictures[0]).size == (16, 16)
    plain = jumping(tmp_path / "plain", False)
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, shown.model.state_dict()[name]), f"{name} depends on the pictures"


def test_a_picture_that_cannot_be_written_loses_only_the_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spikes").write_text("in the way")
    assert jumping(tmp_path, True).counters.step == 300
    assert any("spikes" in message and "the picture failed" in message for message in caplog.messages)


class Drawing:
    """An evaluation that draws from every global generator and looks at the model's mode."""

    split, count = "val", 1

    def __init__(self) -> None:
        self.modes: list[bool] = []

    def __call__(self, model, report, seconds):
        self.modes.append(model.training)
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
        return QuickResult({"psnr": 12.5}, 1, 5, (16, 8))


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), random.random(), float(np.random.rand())  # noqa: NPY002


def test_an_evaluation_leaves_generators_and_mode_and_records_metrics(tmp_path: Path) -> None:
    evaluation, trainer = Drawing(), toy_trainer(tmp_path)
    monitor = Monitor(evaluation, trainer.log, Interrupts())
    trainer._setup.build(3)
    expected = draws()
    trainer._setup.build(3)
    monitor.evaluate(trainer.model, Counters(step=7, seconds=1.5))
    assert draws() == expected
    assert evaluation.modes == [False] and trainer.model.training
    (entry,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert (entry["step"], entry["split"], entry["eval"]) == (7, "val", {"psnr": 12.5})
    assert (entry["views"], entry["size"]) == (1, [16, 8])


def test_after_a_signal_nothing_is_evaluated(tmp_path: Path) -> None:
    evaluation, trainer = Drawing(), toy_trainer(tmp_path)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        Monitor(evaluation, trainer.log, interrupts).evaluate(trainer.model, Counters())
    assert evaluation.modes == [] and not (tmp_path / "metrics.jsonl").exists()


class Failing:
    """An evaluation that fails once with each of some errors, and then succeeds."""

    split, count = "val", 1

    def __init__(self, *errors: Exception):
        self.errors, self.seconds, self.calls = list(errors), [], 0

    def __call__(self, model, report, seconds):
        self.calls += 1
        self.seconds.append(seconds)
        if self.errors:
            raise self.errors.pop(0)
        return QuickResult({"psnr": 12.5}, 1, 5, (16, 8))


def test_an_evaluation_that_fails_saves_is_reported_and_lets_training_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [DatasetError("cannot be opened", path="val/0.png"), OSError("no answer"), RuntimeError("shapes")]
    evaluation = Failing(*errors)
    trainer = toy_trainer(tmp_path, evaluation=evaluation, max_steps=50, eval_every=10, save_every=1000)
    saved: list[list[str]] = []
    spoil = trainer.method.spoil
    trainer.method.spoil = lambda step: (
        saved.append([path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")]),
        spoil(step),
    )[1]
    assert trainer.train() == "max_steps" and evaluation.calls == 5
    assert saved[9] == [] and saved[10] == ["step-000000010"] and saved[30][-1] == "step-000000030"
    reports = [message for message in caplog.messages if "the evaluation failed" in message]
    assert len(reports) == 3
    assert "val/0.png: cannot be opened" in reports[0] and "OSError: no answer" in reports[1]
    assert "RuntimeError: shapes" in reports[2]
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "eval" in entry] == [40, 50]


def test_a_failed_evaluation_does_not_save_weights_that_diverge(tmp_path: Path) -> None:
    diverging = ToyMethod(spoil=lambda step: 5 <= step.index < 10)
    trainer = toy_trainer(
        tmp_path, diverging, evaluation=Failing(OSError("gone")), max_steps=12, eval_every=8, save_every=1000
    )
    trainer.train()
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000012"]


@pytest.mark.parametrize(("share", "first"), [(None, float("inf")), (0.5, 50.0), (0.01, 5.0)])
def test_evaluations_may_take_a_share_of_the_training_time(
    share: float | None, first: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 3.0, 10.0, 11.0])
    monkeypatch.setattr("radfield_core.train.monitor.time.perf_counter", lambda: next(clock))
    evaluation, trainer = Failing(), toy_trainer(tmp_path)
    monitor = Monitor(evaluation, trainer.log, Interrupts(), share=share)  # type: ignore[arg-type]
    for _ in range(2):
        monitor.evaluate(trainer.model, Counters(step=7, seconds=100.0))
    assert evaluation.seconds == [first, first - 3.0]


def strips(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "pictures").glob("*"))


def trained_with(folder: Path, evaluation: object, every: int) -> Trainer:
    trainer = toy_trainer(folder, evaluation=evaluation, max_steps=60, picture_every=every)
    trainer.train()
    return trainer


def test_pictures_come_every_period_and_at_the_end_and_change_nothing(tmp_path: Path) -> None:
    evaluation = QuickEvaluation(ToyMethod(), toy_scene(), "val", 1, 4096)
    evaluation._seconds_per_ray = 1e-9  # so that the pictures do not depend on the speed of the machine
    seen = trained_with(tmp_path / "seen", evaluation, 25)
    plain = trained_with(tmp_path / "plain", evaluation, 0)
    assert strips(tmp_path / "seen") == [f"step-{step:09d}.png" for step in (25, 50, 60)]
    assert strips(tmp_path / "plain") == []
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, seen.model.state_dict()[name]), f"{name} depends on the pictures"


class Slow:
    """An evaluation whose pictures each take 0.3 seconds of a clock, and which keeps the limits that it is given."""

    split, count = "val", 0

    def __init__(self) -> None:
        self.now, self.limits = 0.0, []

    def perf_counter(self) -> float:
        return self.now

    def strip(self, model: object, seconds: float) -> np.ndarray | None:
        self.limits.append(round(seconds, 6))
        if seconds < 0.3:
            return None
        self.now += 0.3
        return np.zeros((4, 4, 3), dtype=np.uint8)


def test_pictures_have_a_share_of_the_time_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    monkeypatch.setattr("radfield_core.train.monitor.time", slow)
    trainer = toy_trainer(tmp_path)
    monitor = Monitor(slow, trainer.log, Interrupts())
    with caplog.at_level("INFO"):
        for step, seconds in ((1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0)):
            monitor.picture(trainer.model, Counters(step=step, seconds=seconds))
        monitor.picture(trainer.model, Counters(step=5, seconds=40.0), last=True)
    assert slow.limits == [0.5, 0.2, 0.2, 0.5, 0.8]  # half a second, then 2 % of 40 seconds
    assert strips(tmp_path) == [f"step-{step:09d}.png" for step in (1, 4, 5)]
    assert [message for message in caplog.messages if "no picture" in message] == [
        "step 2: no picture, because pictures have taken their share of the training time (0.02)"
    ]
    assert monitor.seconds == pytest.approx(0.9)
