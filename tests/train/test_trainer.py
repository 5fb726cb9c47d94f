"""The training loop: steps, steps that go wrong, rollbacks and the end."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from radfield_core.errors import DatasetError, Diverged
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs import checkpoint
from radfield_core.testing.training import ToyMethod, toy_trainer
from radfield_core.train.trainer import Trainer
from radfield_core.types import Batch, ModelOutputs, Step


def gradients(trainer: Trainer, step: Step) -> dict[str, torch.Tensor]:
    """The gradients of one step's batch, and its losses."""
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.model.begin_step(step)
    losses = trainer._backward(trainer.drawer.draw(step, round(trainer.counters.n_rays)), step)
    found = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    return {**found, "loss": losses.total, "squared_error": losses.squared_error, "n": torch.tensor(losses.n_samples)}


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(value, b[name], rtol=1e-5, atol=1e-7, msg=name)


def test_the_loss_falls(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False), max_steps=150, log_every=1)
    trainer.train()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 150
    assert sum(losses[-20:]) < 0.85 * sum(losses[:20])


@pytest.mark.parametrize("samples_per_chunk", [8, 40, 56, 1000])
def test_micro_batches_give_the_gradients_of_one_batch(tmp_path: Path, samples_per_chunk: int) -> None:
    step, n_rays = Step(3, 10, 0), 50  # 50 rays in chunks of 1, 5, 7 (uneven at the end) and all
    whole = toy_trainer(tmp_path, ToyMethod(noise=False), n_rays=n_rays)
    parts = toy_trainer(tmp_path, ToyMethod(noise=False), n_rays=n_rays, samples_per_chunk=samples_per_chunk)
    parts.counters.samples_per_ray = 8.0
    assert_close(gradients(parts, step), gradients(whole, step))


def test_running_out_of_memory_halves_the_micro_batch_and_changes_no_gradient(tmp_path: Path) -> None:
    class Small(ToyMethod):
        sizes: list[int] = []  # noqa: RUF012

        def losses(self, outputs: ModelOutputs, batch: Batch, model: Any, step: Step) -> dict[str, torch.Tensor]:
            self.sizes.append(len(batch.rgb))
            if len(batch.rgb) > 70:
                raise torch.OutOfMemoryError("made up")
            return super().losses(outputs, batch, model, step)

    whole = toy_trainer(tmp_path, ToyMethod(noise=False), n_rays=200)
    small = toy_trainer(tmp_path, Small(noise=False), n_rays=200)
    assert_close(gradients(small, Step(0, 10, 0)), gradients(whole, Step(0, 10, 0)))
    assert Small.sizes == [200, 100, 50, 50, 50, 50] and small.counters.chunk_rays == 50


def test_an_error_that_is_not_about_memory_is_not_retried(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    calls: list[int] = []

    def fail(step: Step) -> bool:
        calls.append(step.index)
        raise RuntimeError("shapes do not match")

    trainer.method.spoil = fail
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.train()
    assert calls == [0]


def test_the_number_of_rays_follows_the_samples_they_have(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, max_steps=3, n_rays=64, target_samples=1024)
    trainer.train()
    expected = 64.0  # n <- 0.9 n + 0.1 n target / N, with N = 8 samples per ray
    for _ in range(3):
        expected = 0.9 * expected + 0.1 * expected * 1024 / (8 * round(expected))
    assert trainer.counters.n_rays == pytest.approx(expected)
    again = toy_trainer(tmp_path / "many", max_steps=80, n_rays=64, target_samples=1024, max_rays=100)
    again.train()
    assert again.counters.n_rays == 100.0
    third = toy_trainer(tmp_path / "free", max_steps=80, n_rays=64, target_samples=1024)
    third.train()
    assert round(third.counters.n_rays) == 128


def test_one_per_cent_of_bad_steps_leaves_finite_weights_that_learned(tmp_path: Path) -> None:
    bad = {step for step in range(600) if step % 100 == 37}
    trainer = toy_trainer(
        tmp_path, ToyMethod(noise=False, spoil=lambda step: step.index in bad), max_steps=600, log_every=1
    )
    trainer.train()
    assert trainer.counters.skipped == len(bad)
    for tensor in (*trainer.model.state_dict().values(), *_tensors(trainer.optimizer.state_dict()["state"])):
        assert bool(torch.isfinite(tensor).all())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 600 - len(bad) and lines[-1]["skipped"] == len(bad)
    assert lines[-1]["loss"] < lines[0]["loss"]
    halving, shrinking = 1e-2 * 0.5 ** (599 / 600), 1.0 + 1e-3 * (600 - len(bad))
    assert lines[-1]["lr"] == pytest.approx(halving / shrinking)


def _tensors(tree: dict[Any, dict[str, torch.Tensor]]) -> list[torch.Tensor]:
    return [tensor for entries in tree.values() for tensor in entries.values()]


def test_one_bad_gradient_skips_the_step_though_the_loss_is_finite(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, max_steps=3, clip_grad_norm=1.0)
    bias = trainer.model.get_parameter("fields.0.layers.0.bias")
    bias.register_hook(lambda grad: torch.full_like(grad, math.inf) if trainer.counters.step == 1 else grad)
    before: list[torch.Tensor] = []
    trainer.method.spoil = lambda step: before.append(bias.detach().clone()) or False
    trainer.train()
    assert trainer.counters.skipped == 1
    assert not torch.equal(before[0], before[1]) and torch.equal(before[1], before[2])
    assert bool(torch.isfinite(bias).all())


def test_clipping_bounds_the_norm_of_all_gradients_together(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, clip_grad_norm=1e-3)
    norms: list[float] = []
    trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: norms.append(
            float(torch.cat([p.grad.flatten() for p in trainer.model.parameters()]).norm())
        )
    )
    trainer._take(Step(0, 10, 0))
    assert norms  # torch calls the hook again from the super class's step, where that class has been used before
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)


def test_clipping_bounds_every_number_of_the_gradient_before_the_norm(tmp_path: Path) -> None:
    """The gradients that the optimizer sees are those of a run without limits, clamped and then scaled."""
    seen: list[list[torch.Tensor]] = []
    for name, limits in (("free", {}), ("limited", {"clip_grad_value": 1e-3, "clip_grad_norm": 2e-3})):
        trainer = toy_trainer(tmp_path / name, **limits)
        found: list[list[torch.Tensor]] = []
        trainer.optimizer.register_step_pre_hook(
            lambda optimizer, *_, model=trainer.model, found=found: found.append(
                [p.grad.clone() for p in model.parameters()]
            )
        )
        trainer._take(Step(0, 10, 0))
        seen.append(found[0])
    clamped = [gradient.clamp(-1e-3, 1e-3) for gradient in seen[0]]
    norm = sum(float(gradient.double().square().sum()) for gradient in clamped) ** 0.5
    assert norm > 2e-3 and any(bool((gradient.abs() > 1e-3).any()) for gradient in seen[0])
    for clipped, gradient in zip(seen[1], clamped, strict=True):
        torch.testing.assert_close(clipped, gradient * 2e-3 / norm, rtol=1e-3, atol=1e-9)


def test_many_bad_steps_roll_back_to_the_last_checkpoint_at_half_the_rate(tmp_path: Path) -> None:
    seen: dict[int, list[torch.Tensor]] = {}
    rates: list[float] = []
    trainer = toy_trainer(tmp_path, max_steps=30, save_every=10, max_bad_steps=4)

    def spoil(step: Step) -> bool:
        weights = trainer.model.get_parameter("fields.0.layers.0.weight").detach().clone()
        seen.setdefault(step.index, []).append(weights)
        rates.append(trainer.rate_factor)
        if step.seed == 0 and step.index == 15:
            trainer.counters.seconds = 1000.0
        return step.seed == 0 and step.index >= 15

    trainer.method.spoil = spoil
    assert trainer.train() == "max_steps"
    assert torch.equal(seen[10][0], seen[10][1]), "the weights of the checkpoint"
    assert not torch.equal(seen[11][0], seen[11][1]), "other rays, another rate"
    assert rates == [1.0] * 19 + [0.5] * 20
    assert trainer.counters.skipped == 4 and trainer.counters.rollbacks == 1
    assert 1000.0 < trainer.counters.seconds < 1100.0, "the time of steps that are taken again was spent all the same"


def test_nothing_saved_in_a_row_of_bad_steps_is_a_rollback_target(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, max_steps=40, save_every=10, max_bad_steps=4, log_every=1)
    broken: list[int] = []

    def spoil(step: Step) -> bool:
        if step.index == 18 and not broken:
            broken.append(step.index)
            with torch.no_grad():
                trainer.model.get_parameter("fields.0.layers.0.weight").fill_(math.nan)
        return False

    trainer.method.spoil = spoil
    assert trainer.train() == "max_steps" and trainer.counters.rollbacks == 1
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == [
        "step-000000030",
        "step-000000040",
    ]
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41)), "steps that are taken again are logged once"


def test_a_run_that_ends_in_bad_steps_rolls_back_when_it_is_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"max_steps": 33, "save_every": 10, "max_bad_steps": 6}
    trainer = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: step.seed == 0 and step.index >= 29), **options)
    trainer.train()
    assert "4 steps" in caplog.messages[-1] and "not finite" in caplog.messages[-1]
    names = [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")]
    assert names == ["step-000000020", "step-000000033"]
    again = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: step.seed == 0), **{**options, "max_steps": 50})
    again.restore(checkpoint.load(tmp_path / "checkpoints" / names[-1]))
    assert again.train() == "max_steps" and again.counters.rollbacks == 1
    assert (tmp_path / "checkpoints" / f"aside-1-{names[-1]}").is_dir()


def test_without_a_checkpoint_a_rollback_returns_to_the_start(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: step.seed == 0 and step.index > 2), max_steps=20)
    assert trainer.train() == "max_steps"
    assert trainer.counters.rollbacks == 1 and trainer.counters.step == 20


def test_after_three_rollbacks_training_ends_with_the_batch_on_disk(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: True), n_rays=64)
    with pytest.raises(Diverged) as caught:
        trainer.train()
    assert caught.value.code == 3 and trainer.counters.skipped == 40
    batch = safetensors.torch.load_file(tmp_path / "diverged-batch.safetensors")
    assert batch["rgb"].shape == (64, 3) and batch["origins"].shape == (64, 3)


def test_the_clock_ends_a_run_and_counts_neither_evaluation_nor_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Evaluation:
        split, count, calls = "val", 1, 0

        def __call__(self, model: Any, report: Any, seconds: float) -> QuickResult:
            clock.now += 1000.0
            self.calls += 1
            return QuickResult({"psnr": 1.0}, 1, 1, (16, 16))

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

        def process_time(self) -> float:
            return 3.0 * self.now

    clock, evaluation = Clock(), Evaluation()
    trainer = toy_trainer(tmp_path, evaluation=evaluation, max_steps=100, max_seconds=2.0, eval_every=3, save_every=4)
    monkeypatch.setattr("radfield_core.train.trainer.time", clock)
    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *args: (setattr(clock, "now", clock.now + 500.0), real(*args))[1])
    trainer.method.spoil = lambda step: setattr(clock, "now", clock.now + 0.25) or False
    assert trainer.train() == "max_seconds"
    assert trainer.counters.step == 8 and trainer.counters.seconds == pytest.approx(2.0)
    assert evaluation.calls == 3, "after steps 3 and 6, and at the end"
    evaluations = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["seconds"] for entry in evaluations if "eval" in entry] == [0.75, 1.5, 2.0]
    assert [entry["cpu_seconds"] for entry in evaluations if "eval" in entry] == [2.25, 4.5, 6.0]


def test_with_the_clock_of_the_processor_only_computing_counts(tmp_path, monkeypatch):
    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

        def process_time(self) -> float:
            return self.now / 4  # three other programs take turns with the run

    clock = Clock()
    trainer = toy_trainer(tmp_path, max_steps=100, max_seconds=2.0, clock="processor")
    monkeypatch.setattr("radfield_core.train.trainer.time", clock)
    trainer.method.spoil = lambda step: setattr(clock, "now", clock.now + 1.0) or False
    assert trainer.train() == "max_seconds"
    assert trainer.counters.step == 8 and trainer.counters.seconds == pytest.approx(8.0)


RANK = """
import sys, torch
import safetensors.torch
import torch.distributed as dist
from pathlib import Path
from torch.nn.parallel import DistributedDataParallel
from radfield_core.testing.training import ToyMethod, toy_trainer
from radfield_core.types import Step

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
trainer = toy_trainer(folder / str(rank), ToyMethod(noise=False), n_rays=64)
wrapped = DistributedDataParallel(trainer.train_step)
for index in range(3):
    step = Step(index, 10, 0)
    trainer.model.begin_step(step)
    batch = trainer.drawer.draw(step, 64)
    wrapped(batch[32 * rank : 32 * rank + 32], step).total.backward()
    trainer.optimizer.step()
    trainer.optimizer.zero_grad(set_to_none=True)
safetensors.torch.save_file({k: v.clone() for k, v in trainer.model.state_dict().items()}, folder / f"{rank}.st")
dist.barrier()  # a rank that leaves early would end the other's connection
del wrapped
dist.destroy_process_group()
"""


def test_two_data_parallel_ranks_agree_with_one_process(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(tmp_path)], env=environment) for rank in (0, 1)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    first, second = (safetensors.torch.load_file(tmp_path / f"{rank}.st") for rank in (0, 1))
    alone = toy_trainer(tmp_path / "alone", ToyMethod(noise=False), n_rays=64)
    for index in range(3):
        step = Step(index, 10, 0)
        alone.model.begin_step(step)
        alone.train_step(alone.drawer.draw(step, 64), step).total.backward()
        alone.optimizer.step()
        alone.optimizer.zero_grad(set_to_none=True)
    for name, tensor in alone.model.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("error", [DatasetError("cannot be read", path="train/3.png"), OSError("no answer")])
def test_images_that_vanish_during_training_end_it_after_a_save(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = toy_trainer(tmp_path, max_steps=20, save_every=1000)
    draw = trainer.drawer.draw

    def fail(step: Step, n: int) -> Batch:
        if step.index == 7:
            raise error
        return draw(step, n)

    monkeypatch.setattr(trainer.drawer, "draw", fail)
    with pytest.raises(type(error)) as caught:
        trainer.train()
    assert caught.value is error
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000007"]
    assert f"saved after step 7; to resume: radfield train --resume {tmp_path}" in caplog.text
