"""What is measured of a view, and how views are averaged: all, and group by group."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.render.evaluation import (
    QuickEvaluation,
    ViewResult,
    evaluate_views,
    group_metrics,
    results_table,
)
from radfield_core.runs.reports import _table
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer
from radfield_core.train.batches import PixelDrawer
from radfield_core.types import SceneBox, Step


def result(psnr: float, ssim: float, group: str | None) -> ViewResult:
    return ViewResult("view", {"psnr": psnr, "ssim": ssim}, 0.1, group)


def test_each_group_has_the_mean_of_its_own_views_and_order_is_that_of_first_sight():
    results = [result(20, 0.5, "full"), result(30, 0.7, "1/2"), result(22, 0.7, "full"), result(34, 0.9, "1/2")]
    groups = group_metrics(results)
    assert list(groups) == ["full", "1/2"]
    assert groups["full"] == pytest.approx({"views": 2, "psnr": 21, "ssim": 0.6})
    assert groups["1/2"] == pytest.approx({"views": 2, "psnr": 32, "ssim": 0.8})
    summary = results_table(results, "test", 3)
    assert summary["groups"] == groups and summary["metrics"]["psnr"] == pytest.approx(26.5)
    lines = list(_table(groups, summary["metrics"]))
    assert [line.split() for line in lines] == [
        ["PSNR", "SSIM"], ["full", "21.00", "0.6000"], ["1/2", "32.00", "0.8000"], ["mean", "26.50", "0.7000"],
    ]  # fmt: skip


def test_views_without_groups_have_no_table():
    summary = results_table([result(20, 0.5, None)], "test", 3)
    assert "groups" not in summary and list(_table({}, summary["metrics"])) == []


def test_the_masked_psnr_is_that_of_the_pixels_inside(tmp_path):
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False))
    scene = toy_scene(2, size=16)
    inside = torch.rand(16, 16) < 0.3
    masks = MemoryImages([(255 * inside[..., None]).to(torch.uint8), torch.zeros(16, 16, 1, dtype=torch.uint8)])
    scene = replace(scene, masks=masks)
    model = trainer.model.eval()
    first, second = evaluate_views(model, trainer.method, scene, [0, 1], 4096)
    rgb = model.render(scene.cameras.view(0), torch.ones(3)).rgb.view(16, 16, 3)
    straight = scene.images[0].double() / 255
    truth = straight[..., :3] * straight[..., 3:] + 1 - straight[..., 3:]
    error = ((rgb * 255).round().double() / 255 - (truth * 255).round() / 255).square().mean(-1)
    assert first.metrics["psnr"] == pytest.approx(-10 * float(error.mean().log10()), abs=1e-3)
    assert first.metrics["psnr_masked"] == pytest.approx(-10 * float(error[inside].mean().log10()), abs=1e-3)
    assert abs(first.metrics["psnr"] - first.metrics["psnr_masked"]) > 0.01
    assert "psnr_masked" not in second.metrics, "there is nothing inside"


def test_an_evaluation_reports_how_far_it_is_chunk_by_chunk(tmp_path):
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False))
    seen: list[tuple[int, int]] = []
    evaluation = QuickEvaluation(trainer.method, toy_scene(6), "val", 2, 100)
    evaluation(trainer.model.eval(), lambda done, of: seen.append((done, of)))
    within = [100, 200, 256]
    assert seen == [(done, 512) for done in (*within, *(256 + done for done in within))]


class White(Method):
    def losses(self, outputs, batch, model, step):
        return {}


@pytest.mark.parametrize("weights", [[1.0, 4.0, 16.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
def test_loss_weights_of_a_batch_have_the_proportions_of_their_images_and_mean_one(weights):
    cameras = Cameras.pinhole(torch.eye(4, dtype=torch.float64)[:3].expand(3, 3, 4).clone(), 10.0, 4, 4)
    images = MemoryImages(torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 4, 4, 3).contiguous())
    scene = Scene(
        cameras,
        images,
        2.0,
        6.0,
        SceneBox(torch.zeros(3), 1.0),
        loss_weights=torch.tensor(weights, dtype=torch.float64),
    )
    batch = PixelDrawer(scene, White(None), torch.device("cpu")).draw(Step(0, 10, 0), 500)
    raw = torch.tensor(weights)[(batch.rgb[:, 0] * 255).round().to(torch.int64)]
    torch.testing.assert_close(batch.loss_weights * raw.mean(), raw)
    if raw.any():
        assert float(batch.loss_weights.mean()) == pytest.approx(1.0, rel=1e-5)
