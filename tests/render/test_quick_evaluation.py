"""The evaluation of a few views during training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radfield_core.cameras import Cameras, View
from radfield_core.data.images import MemoryImages
from radfield_core.render.evaluation import compare, evaluate_views, shrunk, true_colors
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.render.views import scaled
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.types import Rendered


def test_progress_is_reported_chunk_by_chunk_over_all_views(tmp_path):
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False))
    reported: list[tuple[int, int]] = []
    evaluation = QuickEvaluation(trainer.method, toy_scene(6), "val", 2, 100)
    evaluation(trainer.model.eval(), lambda done, of: reported.append((done, of)))
    within = [100, 200, 256]
    assert reported == [(done, 512) for done in (*within, *(256 + done for done in within))]


def test_its_metrics_are_the_means_over_evenly_spread_views(tmp_path: Path) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(6)
    model = trainer.model.eval()
    found = QuickEvaluation(trainer.method, scene, "val", 2, 999)(model, lambda done, of: None).metrics
    first, second = evaluate_views(model, trainer.method, scene, [1, 4], 999)
    assert found == {name: pytest.approx((first.metrics[name] + second.metrics[name]) / 2) for name in first.metrics}


@pytest.mark.parametrize(("size", "shown"), [(16, 16), (300, 256)])
def test_a_picture_is_at_most_as_large_as_training_waits_for(size: int, shown: int, tmp_path: Path) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(1, size=size)
    files = QuickEvaluation(trainer.method, scene, "val", 1, 4096).show(trainer.model.eval(), tmp_path, "step-5")
    assert {path.name for path in files} == {f"step-5_{kind}.png" for kind in ("rgb", "depth", "opacity")}
    assert {Image.open(path).size for path in files} == {(shown, shown)}


def silent(done: int, of: int) -> None:
    """Reports no progress."""


def test_a_scale_shrinks_the_views_and_the_images_they_are_compared_with(tmp_path: Path) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(6)
    model = trainer.model.eval()
    found = QuickEvaluation(trainer.method, scene, "val", 1, 999, 0.25)(model, silent)
    view = scene.cameras.view(3)
    small = scaled(view.camera, 0.25)
    rendered = model.render(View(view.c2w, small), torch.ones(3)).rgb.view(4, 4, 3)
    truth = true_colors(scene, trainer.method, 3).view(4, 4, 4, 4, 3).mean((1, 3))  # 4 × 4 blocks of 4 × 4 pixels
    assert found.size == (4, 4) and not found.reduced
    assert found.metrics == pytest.approx(compare(rendered, truth))


@pytest.mark.parametrize(("old", "new"), [((6, 9), (3, 3)), ((7, 5), (4, 3)), ((8, 8), (8, 3))])
def test_a_shrunk_image_is_the_mean_over_the_area_of_each_pixel(old: tuple[int, int], new: tuple[int, int]) -> None:
    image = torch.rand(*old, 3, dtype=torch.float64)
    fine = image.repeat_interleave(new[0], 0).repeat_interleave(new[1], 1)  # every new pixel has old[i] small ones
    expected = fine.view(new[0], old[0], new[1], old[1], 3).mean((1, 3))
    torch.testing.assert_close(shrunk(image, new[1], new[0]), expected)


@pytest.mark.parametrize(
    ("seconds", "views", "size"),
    [(1e9, 4, (200, 100)), (2.5, 2, (200, 100)), (0.25, 1, (100, 50)), (-1.0, 1, (48, 24))],
)
def test_a_time_limit_reduces_first_the_number_and_then_the_size_of_views(
    seconds: float, views: int, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that counts rays: a view of 200 × 100 pixels takes one second."""
    scene = toy_scene(5, size=8)
    cameras = Cameras.pinhole(scene.cameras.c2w, 200.0, 200, 100)
    scene = replace(scene, cameras=cameras, images=MemoryImages(torch.zeros(5, 100, 200, 4, dtype=torch.uint8)))
    clock = Clock()
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False))
    model = trainer.model.eval()
    monkeypatch.setattr("radfield_core.render.quick_evaluation.time", clock)
    monkeypatch.setattr(model, "render", clock.render)
    evaluation = QuickEvaluation(trainer.method, scene, "val", 4, 1_000_000)
    found = evaluation(model, silent, seconds)
    assert (found.views, found.of, found.size, found.reduced) == (views, 5, size, seconds < 4)
    assert evaluation(model, silent, 1e9).extent == (4, (200, 100)), "a longer limit later allows everything"


def test_a_strip_shows_truth_rendering_depth_and_error_of_the_first_view(tmp_path: Path) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(6)
    model = trainer.model.eval()
    found = QuickEvaluation(trainer.method, scene, "val", 2, 999).strip(model, math.inf)
    (expected,) = evaluate_views(model, trainer.method, scene, [1], 999, pictures=True)
    assert found.shape == (16, 4 * 16 + 3 * 2, 3)
    for place, kind in enumerate(("truth", "rendered", "depth", "error")):
        np.testing.assert_array_equal(found[:, 18 * place : 18 * place + 16], expected.pictures[kind])
    gaps = np.concatenate([found[:, 18 * place + 16 : 18 * place + 18] for place in range(3)], 1)
    assert (gaps == 255).all()


@pytest.mark.parametrize(
    ("seconds", "size"), [(1e9, (200, 100)), (0.25, (100, 50)), (0.06, (49, 24)), (0.05, None), (-1.0, None)]
)
def test_a_strip_becomes_smaller_to_keep_its_time_limit(
    seconds: float, size: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view of 200 × 100 pixels takes one second."""
    scene = toy_scene(5, size=8)
    cameras = Cameras.pinhole(scene.cameras.c2w, 200.0, 200, 100)
    scene = replace(scene, cameras=cameras, images=MemoryImages(torch.zeros(5, 100, 200, 4, dtype=torch.uint8)))
    clock, trainer = Clock(), toy_trainer(tmp_path, ToyMethod(noise=False))
    model = trainer.model.eval()
    monkeypatch.setattr("radfield_core.render.quick_evaluation.time", clock)
    monkeypatch.setattr(model, "render", clock.render)
    found = QuickEvaluation(trainer.method, scene, "val", 4, 1_000_000).strip(model, seconds)
    assert (found is None) if size is None else (found.shape == (size[1], 4 * size[0] + 6, 3))


class Clock:
    """Counts rendered rays as time. The first rendering takes an hour more, as if kernels were compiled."""

    now, first = 0.0, True

    def perf_counter(self) -> float:
        return self.now

    def render(self, view: View, background: object, chunk: int, report: object) -> Rendered:
        n = view.camera.width * view.camera.height
        self.now += n / 20_000 + 3600.0 * self.first
        self.first = False
        return Rendered(torch.zeros(n, 3), torch.zeros(n), torch.zeros(n))
