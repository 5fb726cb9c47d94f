"""The evaluation of a view: rounded colors on the background of evaluation, inside and outside of masks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.cameras import Camera
from radfield_core.data.images import MemoryImages
from radfield_core.render.evaluation import compare, evaluate_all, evaluate_views
from radfield_core.render.flip import flip
from radfield_core.render.image_metrics import MORE_METRICS, ms_ssim, rounded, ssim_map
from radfield_core.render.views import render_view
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer


def test_evaluation_is_of_rounded_images_on_the_evaluation_background(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod()
    model = toy_trainer(tmp_path).model
    (result,) = evaluate_views(model, method, scene, [2], 50)
    shown = render_view(model, method, scene, scene.cameras.view(2), 999)
    assert shown.rgb is not None
    pixels = scene.images[2].double() / 255
    truth = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    error = (np.round(shown.rgb.numpy().reshape(16, 16, 3) * 255) - np.round(truth.numpy() * 255)) / 255
    assert result.metrics["psnr"] == pytest.approx(-10 * math.log10((error**2).mean()), abs=1e-3)
    assert set(result.metrics) == {"psnr", "ssim"}


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


def test_masked_metrics_are_those_of_the_pixels_inside() -> None:
    """Where the images are equal outside a mask and inside a margin of it, the masked metrics measure its inside."""
    generator = torch.Generator().manual_seed(4)
    truth = torch.rand(200, 192, 3, generator=generator)
    image = (truth + 0.2 * torch.rand(200, 192, 3, generator=generator)).clamp(0, 1)
    everything, left = torch.ones(200, 192), torch.zeros(200, 192)
    left[:, :96] = 1.0
    whole = compare(image, truth, everything, also=MORE_METRICS)
    for name in ("psnr", "ssim", "flip", "ms_ssim"):
        assert whole[f"{name}_masked"] == pytest.approx(whole[name], rel=1e-9)
    half = image.clone()
    half[:, 60:] = truth[:, 60:]  # the windows of pixels near the edge of the mask see nothing of the error
    found, rest = (compare(half, truth, mask, also=MORE_METRICS) for mask in (left, 1.0 - left))
    assert rest["ssim_masked"] == pytest.approx(1.0) and math.isinf(rest["psnr_masked"])
    assert rest["flip_masked"] == pytest.approx(0.0, abs=1e-9)
    maps = ssim_map(rounded(half), rounded(truth))  # of the pixels 5 … 194 and 5 … 186
    assert found["ssim_masked"] == pytest.approx(float(maps[:, : 96 - 5].mean()), rel=1e-9)
    errors = flip(rounded(half), rounded(truth))
    assert found["flip_masked"] == pytest.approx(float(errors[:, :96].mean()), rel=1e-9)
    assert found["ms_ssim_masked"] < found["ms_ssim"] < rest["ms_ssim_masked"]


def test_pixels_of_a_panorama_count_by_their_solid_angle() -> None:
    """WS-PSNR (Sun, Lu and Yu 2017): an error at the pole counts less than one at the equator."""
    height, truth = 6, torch.zeros(6, 12, 3)
    for row in (0, 3):
        rgb = truth.clone()
        rgb[row] = 1.0
        polar = [math.pi * (r + 0.5) / height for r in range(height)]
        error = math.sin(polar[row]) / sum(map(math.sin, polar))
        found = compare(rgb, truth, camera=Camera.equirectangular(height))
        assert found["ws_psnr"] == pytest.approx(-10 * math.log10(error))
        assert found["psnr"] == pytest.approx(-10 * math.log10(1 / height))
    halves = compare(rgb[:, 6:], truth[:, 6:], camera=Camera.equirectangular(height))
    assert halves["ws_psnr"] == pytest.approx(found["ws_psnr"]), "of the right half of the image"
    assert "ws_psnr" not in compare(truth, truth, camera=Camera(12, 6, 5.0, 5.0, 6.0, 3.0))


def test_an_image_smaller_than_the_window_of_ssim_has_psnr_alone() -> None:
    image = torch.rand(10, 40, 3, generator=torch.Generator().manual_seed(0))
    assert set(compare(image, 1 - image)) == {"psnr"}
    assert set(compare(image.expand(2, 10, 40, 3).reshape(20, 40, 3), torch.zeros(20, 40, 3))) == {"psnr", "ssim"}


def test_all_views_are_evaluated_in_order_with_names_and_groups(tmp_path: Path, capsys) -> None:
    trainer, scene = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(3)
    model = trainer.model.eval()
    unnamed = evaluate_all(model, trainer.method, scene, 999, "x", quiet=True)
    assert [each.name for each in unnamed] == ["0000", "0001", "0002"]
    named = replace(scene, names=["c", "a", "b"], groups=["full", "1/2", "full"])
    found = evaluate_all(model, trainer.method, named, 999, "x", quiet=True)
    assert [(each.name, each.group) for each in found] == [("c", "full"), ("a", "1/2"), ("b", "full")]
    assert all(each.seconds > 0 for each in found) and capsys.readouterr().out == ""


def test_metrics_on_request_compare_the_rounded_images() -> None:
    generator = torch.Generator().manual_seed(0)
    image, truth = (torch.rand(180, 176, 3, generator=generator) for _ in range(2))
    found = compare(image, truth, also=MORE_METRICS)
    assert found["flip"] == pytest.approx(float(flip(rounded(image), rounded(truth)).mean()))
    assert found["ms_ssim"] == pytest.approx(ms_ssim(rounded(image), rounded(truth)))
    assert "flip" not in compare(image, truth) and "ms_ssim" not in compare(image[:100], truth[:100], also=MORE_METRICS)
