"""The loop: which steps are taken, on what, and what happens when one goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from radfield_core import checkpoint
from radfield_core.cameras import Cameras
from radfield_core.errors import Diverged
from radfield_core.images import MemoryImages
from radfield_core.interrupts import Interrupts
from radfield_core.pixels import PixelDrawer, on_background
from radfield_core.scene import Scene
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.trainer import Trainer
from radfield_core.types import Batch, ModelOutputs, SceneBox, Step


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


def _tensors(tree: dict[Any, dict[str, torch.Tensor]]) -> list[torch.Tensor]:
    return [tensor for entries in tree.values() for tensor in entries.values()]


def test_one_bad_gradient_among_good_ones_skips_the_step_though_the_loss_is_finite(tmp_path: Path) -> None:
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
        lambda optimizer, *_: norms.append(float(torch.cat([p.grad.flatten() for p in trainer._parameters]).norm()))
    )
    trainer._take(Step(0, 10, 0))
    assert norms  # torch calls the hook again from the super class's step, where that class has been used before
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)


def test_many_bad_steps_in_a_row_go_back_to_the_last_checkpoint_with_half_the_rate(tmp_path: Path) -> None:
    seen: dict[int, list[torch.Tensor]] = {}
    rates: list[float] = []
    trainer = toy_trainer(tmp_path, max_steps=30, save_every=10, max_bad_steps=4)

    def spoil(step: Step) -> bool:
        weights = trainer.model.get_parameter("fields.0.layers.0.weight").detach().clone()
        seen.setdefault(step.index, []).append(weights)
        rates.append(trainer.rate_factor)
        return step.seed == 0 and step.index >= 15

    trainer.method.spoil = spoil
    assert trainer.train() == "max_steps"
    assert torch.equal(seen[10][0], seen[10][1]), "the weights of the checkpoint"
    assert not torch.equal(seen[11][0], seen[11][1]), "other rays, another rate"
    assert rates == [1.0] * 19 + [0.5] * 20
    assert trainer.counters.skipped == 4 and trainer.counters.rollbacks == 1


def test_without_a_checkpoint_it_goes_back_to_the_start(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: step.seed == 0 and step.index > 2), max_steps=20)
    assert trainer.train() == "max_steps"
    assert trainer.counters.rollbacks == 1 and trainer.counters.step == 20


def test_after_three_ways_back_it_ends_with_the_batch_on_disk(tmp_path: Path) -> None:
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
        split, calls = "val", 0

        def __call__(self, model: Any) -> dict[str, float]:
            clock.now += 1000.0
            self.calls += 1
            return {"psnr": 1.0}

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock, evaluation = Clock(), Evaluation()
    trainer = toy_trainer(tmp_path, max_steps=100, max_seconds=2.0, eval_every=3, save_every=4)
    trainer._evaluation = evaluation
    monkeypatch.setattr("radfield_core.trainer.time", clock)
    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *args: (setattr(clock, "now", clock.now + 500.0), real(*args))[1])
    trainer.method.spoil = lambda step: setattr(clock, "now", clock.now + 0.25) or False
    assert trainer.train() == "max_seconds"
    assert trainer.counters.step == 8 and trainer.counters.seconds == pytest.approx(2.0)
    assert evaluation.calls == 3, "after steps 3 and 6, and at the end"
    evaluations = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["seconds"] for entry in evaluations if "eval" in entry] == [0.75, 1.5, 2.0]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)], ids=lambda x: str(x)
)
def test_a_signal_lets_the_step_end_and_saves_it(tmp_path: Path, number: signal.Signals, code: int) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.method.spoil = lambda step: step.index == 7 and os.kill(os.getpid(), number)  # type: ignore[assignment]
    assert trainer.train() == number.name
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000008"]
    from radfield_core.session import SIGNAL_CODES

    assert SIGNAL_CODES[number.name] == code
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)

    def twice(step: Step) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on")

    trainer.method.spoil = twice
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert checkpoint.list_steps(tmp_path / "checkpoints") == []


def test_a_signal_during_a_save_lets_it_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(tmp_path, save_every=5)
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *args: (os.kill(os.getpid(), signal.SIGTERM), rename(*args))[1])
    assert trainer.train() == "SIGTERM"
    state, _, _ = checkpoint.newest(tmp_path / "checkpoints")
    assert state is not None and state.step == 5


@pytest.mark.parametrize(("steps", "every", "reason"), [(20, 5, "SIGTERM"), (5, None, "max_steps")])
def test_a_signal_breaks_an_evaluation_off(tmp_path: Path, steps: int, every: int | None, reason: str) -> None:
    trainer = toy_trainer(tmp_path, max_steps=steps, eval_every=every)

    def endless(model: torch.nn.Module) -> dict[str, float]:
        torch.rand(3)
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    trainer._evaluation = endless  # type: ignore[assignment]
    random = torch.random.get_rng_state()
    trainer.method.spoil = lambda step: (random.copy_(torch.random.get_rng_state()), False)[1]  # type: ignore[assignment]
    assert trainer.train() == reason and trainer.model.training
    assert [path.name for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["step-000000005"]
    assert (torch.random.get_rng_state() == random).all(), "what the evaluation drew is given back"


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    import threading

    before = signal.getsignal(signal.SIGTERM)
    during = []

    def body() -> None:
        with Interrupts():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert during == [before]


def two_sizes() -> tuple[Scene, list[torch.Tensor]]:
    """A wide view and a tall one whose pixels say where they are."""
    images = []
    for view, (height, width) in enumerate([(2, 5), (4, 3)]):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        images.append(torch.stack([torch.full_like(rows, view), rows, columns], -1).to(torch.uint8))
    c2w = torch.eye(4, dtype=torch.float64)[None, :3].repeat(2, 1, 1)
    cameras = Cameras(c2w, torch.ones(2, 4, dtype=torch.float64), torch.tensor([[5, 2], [3, 4]]))
    weights = torch.tensor([1.0, 4.0])
    return Scene(cameras, MemoryImages(images), 1.0, 2.0, SceneBox(torch.zeros(3), 1.0), loss_weights=weights), images


def test_every_pixel_of_every_view_is_drawn_equally_often_whatever_their_sizes() -> None:
    scene, images = two_sizes()
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    n = 22_000
    views, rows, columns = drawer.places(Step(0, 1, 0), n)
    counts = [torch.zeros(image.shape[:2]) for image in images]
    for view, row, column in zip(views.tolist(), rows.tolist(), columns.tolist(), strict=True):
        counts[view][row, column] += 1
    flat = torch.cat([count.flatten() for count in counts])
    expected = n / 22
    assert float(((flat - expected) ** 2 / expected).sum()) < 46.8  # χ² of 21 degrees of freedom, 99.9 %


def test_a_batch_holds_the_pixels_drawn_with_their_image_s_weight() -> None:
    scene, _ = two_sizes()
    drawer = PixelDrawer(scene, ToyMethod(), torch.device("cpu"))
    step = Step(5, 10, 0)
    views, rows, columns = drawer.places(step, 100)
    batch = drawer.draw(step, 100)
    assert torch.equal((batch.rgb * 255).round().long(), torch.stack([views, rows, columns], -1))
    assert batch.rays is not None and torch.equal(batch.rays.image_ids, views)
    weights = torch.tensor([1.0, 4.0])[views]
    torch.testing.assert_close(batch.loss_weights, weights / weights.mean())
    assert not torch.equal(drawer.draw(Step(6, 10, 0), 100).rgb, batch.rgb)
    assert torch.equal(drawer.draw(step, 100).rgb, batch.rgb), "the same step draws the same pixels"


def test_equal_sizes_are_drawn_as_unequal_ones_are() -> None:
    drawer = PixelDrawer(toy_scene(), ToyMethod(), torch.device("cpu"))
    fast = drawer.places(Step(0, 1, 0), 500)
    drawer._size = None
    for a, b in zip(fast, drawer.places(Step(0, 1, 0), 500), strict=True):
        assert torch.equal(a, b)


def test_straight_alpha_is_laid_over_the_background() -> None:
    pixels = torch.tensor([[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]], dtype=torch.uint8)
    background = torch.tensor([[1.0, 0.5, 0.25]]).expand(3, 3)
    expected = torch.stack([pixels[0, :3] / 255, background[0], 0.2 * pixels[0, :3] / 255 + 0.8 * background[0]])
    torch.testing.assert_close(on_background(pixels, background), expected)
    torch.testing.assert_close(on_background(pixels, None)[2], 0.2 * pixels[0, :3] / 255)
    torch.testing.assert_close(on_background(pixels[:, :3], background)[1], pixels[1, :3] / 255)
    torch.testing.assert_close(on_background(pixels[:, :1], None)[0], torch.full((3,), 200 / 255))


def test_images_said_to_be_on_a_colour_are_compared_on_that_colour() -> None:
    scene, _ = two_sizes()
    scene = Scene(scene.cameras, scene.images, 1.0, 2.0, scene.box, background=(0.0, 0.5, 1.0))
    batch = PixelDrawer(scene, ToyMethod(), torch.device("cpu")).draw(Step(0, 1, 0), 4)
    assert torch.equal(batch.background, torch.tensor([[0.0, 0.5, 1.0]]).expand(4, 3))


def test_a_method_of_whole_images_gets_a_view_with_its_image() -> None:
    method = ToyMethod()
    method.batching = "images"
    scene, images = two_sizes()
    batch = PixelDrawer(scene, method, torch.device("cpu")).draw(Step(0, 1, 0), 99)
    assert batch.rays is None and batch.view is not None and batch.view.image_id is not None
    assert torch.equal((batch.rgb * 255).round().to(torch.uint8), images[batch.view.image_id])
    assert batch.background is not None and batch.background.shape == batch.rgb.shape


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
