"""The fit of colors to a half of an image: which pixels are used, which are measured, and what is said about it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.data.images import MemoryImages
from radfield_core.errors import UsageError
from radfield_core.render.color_fit import Pair, Transparency, with_fitted_colors
from radfield_core.render.evaluation import evaluate_views
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.render.results import results_table
from radfield_core.render.views import render_view
from radfield_core.testing.toy_parts import Gains, ToyColorConfig
from radfield_core.testing.toys import toy_context
from radfield_core.testing.training import ToyMethod, toy_scene, toy_trainer


def model_with_gains(keeps_background: bool) -> torch.nn.Module:
    model = torch.nn.Module()
    model.color_map = Gains(ToyColorConfig(), toy_context())
    model.color_map.keeps_background = keeps_background
    return model


def test_right_half_does_not_influence_the_fit() -> None:
    rgb = torch.rand(5, 7, 3)
    truth = 0.5 * rgb
    truth[:, 3:] = torch.rand(5, 4, 3)
    opaque = Transparency(torch.ones(5, 7), None, None)
    found = with_fitted_colors(model_with_gains(False), Pair(rgb, truth, None), opaque)
    torch.testing.assert_close(found.rgb, 0.5 * rgb)
    half = found.right_half()
    assert half.rgb.shape == half.truth.shape == (5, 4, 3)
    torch.testing.assert_close(half.truth, truth[:, 3:])


def test_fit_leaves_out_pixels_that_do_not_count_and_keeps_the_background() -> None:
    color, background = torch.rand(4, 8, 3), torch.tensor([1.0, 0.5, 0.0])
    opacity, usable = torch.ones(4, 8), torch.ones(4, 8)
    opacity[0], usable[1] = 0.25, 0.0
    rgb = opacity[..., None] * color + (1 - opacity[..., None]) * background
    truth = opacity[..., None] * 0.5 * color + (1 - opacity[..., None]) * background
    wrong = truth.clone()
    wrong[0], wrong[1] = torch.rand(8, 3), torch.rand(8, 3)
    found = with_fitted_colors(
        model_with_gains(True), Pair(rgb, wrong, None), Transparency(opacity, background, usable)
    )
    torch.testing.assert_close(found.rgb, truth)


def test_model_without_a_map_is_refused() -> None:
    pair = Pair(torch.rand(2, 2, 3), torch.rand(2, 2, 3), None)
    with pytest.raises(UsageError, match="no color map"):
        with_fitted_colors(torch.nn.Module(), pair, Transparency(torch.ones(2, 2), None, None))


def test_metrics_of_a_view_are_those_of_the_right_half_after_the_fit(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(noise=False))
    model = trainer.model.eval()
    scene = toy_scene(2)
    dark = torch.stack([scene.images[i] for i in range(2)])[..., :3] // 2
    scene = replace(scene, images=MemoryImages(dark))
    model.color_map = Gains(ToyColorConfig(), toy_context())
    (plain,) = evaluate_views(model, trainer.method, scene, [1], 999)
    (found,) = evaluate_views(model, trainer.method, scene, [1], 999, fit_color="half", pictures=True)
    rgb = render_view(model, trainer.method, scene, scene.cameras.view(1), 999).rgb.view(16, 16, 3).double().numpy()
    truth = dark[1].double().numpy() / 255
    gain = (rgb[:, :8] * truth[:, :8]).sum() / (rgb[:, :8] ** 2).sum()
    difference = np.round((gain * rgb[:, 8:]).clip(0, 1) * 255) / 255 - truth[:, 8:]
    assert found.metrics["psnr"] == pytest.approx(-10 * math.log10((difference**2).mean()), abs=0.02)
    assert abs(found.metrics["psnr"] - plain.metrics["psnr"]) > 0.5
    assert "ssim" not in found.metrics, "the half is smaller than the window"
    shown = found.pictures["rendered"].astype(float) / 255
    assert np.abs(shown - (gain * rgb).clip(0, 1)).max() < 0.01


def test_results_and_lines_say_whether_colors_were_fitted() -> None:
    plain, neutral, half = (results_table([], "test", 5, fit) for fit in (None, "none", "half"))
    assert "fit_color" not in plain and "color" not in plain["protocol"]
    assert neutral["fit_color"] == "none" and neutral["protocol"].endswith("; colors not mapped")
    assert half["fit_color"] == "half" and "left half" in half["protocol"] and "right half" in half["protocol"]
    words = str(QuickResult({}, 4, 10, (8, 6), fit_color="half"))
    assert words == "4 of 10 views at 8×6, right halves, colors fitted to the left halves"
    assert str(QuickResult({}, 4, 10, (8, 6))) == "4 of 10 views at 8×6"
