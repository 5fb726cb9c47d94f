"""The evaluation of a few views during training."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from radfield_core.render.evaluation import evaluate_views
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer


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
    found = QuickEvaluation(trainer.method, scene, "val", 2, 999)(model, lambda done, of: None)
    first, second = evaluate_views(model, trainer.method, scene, [1, 4], 999)
    assert found == {name: pytest.approx((first.metrics[name] + second.metrics[name]) / 2) for name in first.metrics}


@pytest.mark.parametrize(("size", "shown"), [(16, 16), (300, 256)])
def test_a_picture_is_at_most_as_large_as_training_waits_for(size: int, shown: int, tmp_path: Path) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(1, size=size)
    files = QuickEvaluation(trainer.method, scene, "val", 1, 4096).show(trainer.model.eval(), tmp_path, "step-5")
    assert {path.name for path in files} == {f"step-5_{kind}.png" for kind in ("rgb", "depth", "opacity")}
    assert {Image.open(path).size for path in files} == {(shown, shown)}
