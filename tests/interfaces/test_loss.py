"""Losses that a run adds: their values, weights and gradients in a training step, and their state in checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radfield_core import LossConfig, Step, compose, get_registry, open_run, train_run
from radfield_core.builtin.distortion import Distortion
from radfield_core.model import added_losses
from radfield_core.ops import volume
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.under_test import with_toys
from radfield_core.train.step import backward

DATA = [f"data.{word}" for word in ("type=synthetic", "resolution=8", "n_train=3", "n_val=1", "n_test=1")]
WORDS = [*DATA, "trainer.max_steps=4", "trainer.n_rays=16", "field.width=8", "field.depth=2", "field.skip_layer=none"]


def trained(out: Path, *words: str):
    run = compose(get_registry(), method="tiny-nerf", overrides=[*WORDS, *words]).run
    return open_run(train_run(run, out=out, quiet=True).folder)


def test_loss_in_the_step_is_the_weighted_mean_over_the_rays(tmp_path: Path) -> None:
    tested = replace(part_under_test("loss:distortion", options={"weight": [0.0, 4.0, 2]}), folder=tmp_path)
    trainer = tested.trainer(tested.run_config(), "run")
    trainer.model.eval()
    for index, weight in ((0, 0.0), (1, 2.0), (5, 4.0)):
        step = Step(index, 3, 0)
        trainer.model.begin_step(step)
        batch = trainer.drawer.draw(step, 8)
        level = trainer.model(batch).levels[-1]
        per_ray = volume.distortion(
            level.weights, level.samples.t_starts / 1.5, level.samples.t_ends / 1.5, level.samples.layout
        )
        assert tested.build().radius == 1.5
        found = trainer.train_step(batch, step).terms["tested"]
        torch.testing.assert_close(found, weight * per_ray.mean())


def test_micro_batches_give_the_loss_and_the_gradients_of_the_whole_batch(tmp_path: Path) -> None:
    tested = replace(part_under_test("loss:distortion", options={"weight": 3.0}), folder=tmp_path)
    trainer = tested.trainer(tested.run_config(), "run")
    step = Step(0, 3, 0)
    batch = trainer.drawer.draw(step, 12)
    found = []
    for chunk in (None, 5):
        trainer.model.begin_step(step)
        trainer.model.eval()
        losses = backward(trainer.train_step, batch, step, chunk)
        found.append((losses.terms["tested"], [p.grad.clone() for p in trainer.model.parameters()]))
        trainer.optimizer.zero_grad()
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_loss_changes_training_and_its_name_is_in_the_log(tmp_path: Path) -> None:
    plain, with_loss = trained(tmp_path / "a"), trained(tmp_path / "b", "losses.d=distortion", "losses.d.weight=10")
    assert '"loss/d"' not in (tmp_path / "a" / "metrics.jsonl").read_text()
    assert '"loss/d"' in (tmp_path / "b" / "metrics.jsonl").read_text()
    pairs = zip(plain.model.parameters(), with_loss.model.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)
    assert list(added_losses(with_loss.model)) == ["d"]


def test_name_of_a_loss_of_the_method_is_not_overwritten(tmp_path: Path) -> None:
    trained(tmp_path / "run", "losses.fine=distortion")
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"loss/fine"' in text and '"loss/losses.fine"' in text


def test_part_of_another_kind_cannot_be_a_loss() -> None:
    with pytest.raises(Exception, match="unknown loss 'importance'"):
        compose(with_toys(), method="tiny-nerf", overrides=["losses.x=importance"], needs_data=False)
    assert issubclass(Distortion, torch.nn.Module) and LossConfig().weight.constant == 1.0
