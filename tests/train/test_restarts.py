"""A run that is stuck from its start begins again, a few times, and resumes as if it had not been interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.runs import checkpoint
from radfield_core.testing.training import ToyMethod, toy_trainer
from radfield_core.train.counters import Counters
from radfield_core.train.restarts import is_stuck, watch
from radfield_core.train.step import StepLosses
from radfield_core.types import Batch, ModelOutputs, Step

OPTIONS = {"max_steps": 24, "save_every": 10, "log_every": 1, "restart_after": 20, "n_rays": 64}


class Stuck(ToyMethod):
    """A method whose pixels are the opposite of the true colors for the first seeds."""

    unlucky = 1

    def forward(self, model, batch: Batch) -> ModelOutputs:
        self.batch = batch
        return super().forward(model, batch)

    def losses(self, outputs, batch, model, step: Step):
        if step.seed < 1_000_003 * self.unlucky:
            outputs.rendered.rgb.data.copy_(1.0 - batch.rgb.round())
        return super().losses(outputs, batch, model, step)


class AlwaysStuck(Stuck):
    unlucky = 100


def weights_of(trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.model.parameters()]


def test_the_pixels_of_the_last_tenth_of_the_steps_are_compared_with_their_mean_color() -> None:
    generator = torch.Generator().manual_seed(0)
    colors = [torch.rand(9, 3, generator=generator) for _ in range(40)]
    counters, spread = Counters(), 0.0
    for index, rgb in enumerate(colors):
        counters.step = index
        error = torch.tensor(0.25)
        watch(counters, 30, Batch(rays=None, view=None, rgb=rgb), StepLosses({}, error, 9, 9))
        if 27 <= index < 30:
            values = rgb.double().numpy()
            spread += float(np.mean([(values[:, c] - values[:, c].mean()) ** 2 for c in range(3)]))
    assert counters.watched_error == pytest.approx(0.75) and counters.watched_spread == pytest.approx(spread, rel=1e-5)
    for step, error, stuck in (
        (30, spread, True),
        (30, 0.99 * spread, False),
        (29, spread, False),
        (31, spread, False),
    ):
        assert is_stuck(Counters(step=step, watched_error=error, watched_spread=spread), 30) is stuck
    assert not is_stuck(Counters(step=30), 30), "no step was watched, because all of them were skipped"
    assert not is_stuck(Counters(step=0, watched_error=1.0, watched_spread=0.5), 0)


def test_a_stuck_run_begins_again_with_other_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = toy_trainer(tmp_path, Stuck(), **OPTIONS)
    first = weights_of(trainer)
    seen = []
    trainer.log.rolled_back = lambda counters, log=trainer.log.rolled_back: (
        seen.append(weights_of(trainer)),
        log(counters),
    )
    assert trainer.train() == "max_steps"
    assert (trainer.counters.step, trainer.counters.restarts) == (24, 1)
    (second,) = seen
    assert any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
    (line,) = [text for text in caplog.messages if "begins again" in text]
    assert line.startswith("step 20: the pixels are no better than one constant color") and "(restart 1 of 3)" in line
    entries = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, 25)), "steps that are taken again are logged once"
    assert {entry["restarts"] for entry in entries} == {1}
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert {"aside-1-step-000000010", "step-000000024"} <= names


def test_a_run_that_learns_does_not_begin_again(tmp_path: Path) -> None:
    class Learning(ToyMethod):
        def losses(self, outputs, batch, model, step):
            outputs.rendered.rgb.data.lerp_(batch.rgb, 0.9)
            return super().losses(outputs, batch, model, step)

    trainer = toy_trainer(tmp_path, Learning(), **{**OPTIONS, "max_steps": 4, "restart_after": 4})
    trainer.train()
    assert trainer.counters.restarts == 0 and trainer.counters.watched_spread > trainer.counters.watched_error > 0


def test_after_three_restarts_training_continues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = toy_trainer(tmp_path, AlwaysStuck(), **{**OPTIONS, "max_steps": 6, "restart_after": 4})
    assert trainer.train() == "max_steps"
    assert (trainer.counters.step, trainer.counters.restarts) == (6, 3)
    assert "3 restarts did not help, so training continues" in caplog.messages[-1]


@pytest.mark.parametrize("stop", [19, 22])
def test_a_run_stopped_before_or_after_its_restart_resumes_exactly(stop: int, tmp_path: Path) -> None:
    whole = toy_trainer(tmp_path / "whole", Stuck(), **OPTIONS)
    whole.train()
    half = toy_trainer(tmp_path / "half", Stuck(), **OPTIONS)
    late = stop > 20

    def ended() -> str | None:
        return "SIGTERM" if half.counters.step == stop and half.counters.restarts == late else None

    half._ended = ended
    half.train()
    resumed = toy_trainer(tmp_path / "resumed", Stuck(), **OPTIONS)
    resumed.restore(checkpoint.load(tmp_path / "half" / "checkpoints" / f"step-{stop:09d}"))
    resumed.train()
    assert resumed.counters.restarts == 1 and resumed.counters.watched_error == whole.counters.watched_error
    assert all(torch.equal(a, b) for a, b in zip(weights_of(resumed), weights_of(whole), strict=True))
