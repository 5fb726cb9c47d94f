"""A loss that jumps is said and shown, and changes nothing."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.train.spikes import FACTOR, WINDOW, SpikeWatch
from radfield_core.train.trainer import Trainer


class Jumps(ToyMethod):
    """Its loss is a thousand times what it should be at some steps."""

    at = (120, 130, 250)

    def losses(self, outputs, batch, model, step):
        (loss,) = super().losses(outputs, batch, model, step).values()
        return {"rgb": loss + (1000.0 * loss.detach() if step.index in self.at else 0.0)}


def test_what_is_above_ten_medians_of_the_last_hundred_is_a_spike_once_in_a_hundred_steps() -> None:
    generator = np.random.default_rng(0)
    losses = (generator.random(900) + 0.5) * np.where(generator.random(900) < 0.05, 30.0, 1.0)
    watch, spoken = SpikeWatch(), -WINDOW
    for i, loss in enumerate(losses.tolist()):
        usual = statistics.median(losses[i - WINDOW : i]) if i >= WINDOW else np.inf
        expected = loss / usual if loss > FACTOR * usual and i - spoken >= WINDOW else None
        assert watch.add(loss) == (None if expected is None else pytest.approx(expected))
        spoken = spoken if expected is None else i
    assert spoken >= 0


def test_losses_that_are_zero_or_negative_are_no_spikes() -> None:
    for usual in (0.0, -1.0):
        watch = SpikeWatch()
        assert [watch.add(loss) for loss in [usual] * WINDOW + [5.0]] == [None] * (WINDOW + 1)


def jumping(folder: Path, shown: bool) -> tuple[Trainer, list[str]]:
    trainer = toy_trainer(folder, Jumps(), max_steps=300)
    if shown:
        trainer._evaluation = QuickEvaluation(trainer.method, toy_scene(), "val", 1, 4096)
    said: list[str] = []
    trainer.log.say = said.append  # type: ignore[method-assign]
    trainer.train()
    return trainer, said


def test_a_jump_is_said_and_shown_and_training_is_what_it_would_have_been(tmp_path: Path) -> None:
    shown, said = jumping(tmp_path / "shown", True)
    plain, _ = jumping(tmp_path / "plain", False)
    warnings = [line for line in said if line.startswith("warning: step")]
    assert [line.split(":")[1] for line in warnings] == [" step 121", " step 251"]
    times = int(warnings[0].split("the loss is ")[1].split()[0])
    assert 400 < times < 2500
    pictures = sorted(path.name for path in (tmp_path / "shown" / "spikes").iterdir())
    assert [name for name in pictures if name.endswith("_rgb.png")] == [
        "step-000000121_rgb.png", "step-000000251_rgb.png",
    ]  # fmt: skip
    assert Image.open(tmp_path / "shown" / "spikes" / pictures[0]).size == (16, 16)
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, shown.model.state_dict()[name]), name


def test_a_picture_that_cannot_be_written_costs_the_picture_alone(tmp_path: Path) -> None:
    (tmp_path / "spikes").write_text("in the way")
    trainer, said = jumping(tmp_path, True)
    assert trainer.counters.step == 300
    assert any("there is no picture of it" in line for line in said)
