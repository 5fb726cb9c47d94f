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

from radfield_core.render.quick_evaluation import QuickEvaluation
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
    assert any("spikes" in message and "no picture" in message for message in caplog.messages)


class Drawing:
    """An evaluation that draws from every global generator and looks at the model's mode."""

    split = "val"

    def __init__(self) -> None:
        self.modes: list[bool] = []

    def __call__(self, model, report):
        self.modes.append(model.training)
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
        return {"psnr": 12.5}


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


def test_after_a_signal_nothing_is_evaluated(tmp_path: Path) -> None:
    evaluation, trainer = Drawing(), toy_trainer(tmp_path)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        Monitor(evaluation, trainer.log, interrupts).evaluate(trainer.model, Counters())
    assert evaluation.modes == [] and not (tmp_path / "metrics.jsonl").exists()
