"""The background behind pixels: the scene's before the method's, and compositing by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radfield_core.render.backgrounds import background_for, on_background
from radfield_core.testing.training import ToyMethod, toy_scene
from radfield_core.types import Step

CPU = torch.device("cpu")


def test_the_color_of_the_scene_s_images_comes_before_the_method_s() -> None:
    scene, method = toy_scene(), ToyMethod()
    assert background_for(scene, method, None, 2, CPU).tolist() == [[1.0] * 3] * 2
    step = Step(0, 10, 0)
    random = background_for(scene, method, step, 5, CPU)
    assert random.shape == (5, 3) and float(random.std()) > 0
    black = replace(scene, background=(0.0, 0.25, 0.5))
    for when in (None, step):
        assert background_for(black, method, when, 2, CPU).tolist() == [[0.0, 0.25, 0.5]] * 2


@pytest.mark.parametrize("background", [[0.0, 0.5, 1.0], None])
def test_straight_alpha_is_composited_as_by_hand(background: list[float] | None) -> None:
    pixels = torch.randint(0, 256, (4, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    behind = None if background is None else torch.tensor(background).expand(4, 5, 3)
    found = on_background(pixels, behind)
    for row in range(4):
        for column in range(5):
            *rgb, alpha = (value / 255 for value in pixels[row, column].tolist())
            expected = [alpha * c + (1 - alpha) * b for c, b in zip(rgb, background or [0.0] * 3, strict=True)]
            assert found[row, column].tolist() == pytest.approx(expected, abs=1e-6)


def test_opaque_pixels_hide_the_background_and_gray_ones_get_three_channels() -> None:
    white = torch.ones(2, 3)
    rgb = torch.tensor([[255, 0, 51], [0, 255, 102]], dtype=torch.uint8)
    assert torch.equal(on_background(rgb, white), rgb.float() / 255)
    assert on_background(torch.tensor([[51], [255]], dtype=torch.uint8), white).tolist() == [
        pytest.approx([0.2] * 3),
        [1.0] * 3,
    ]
