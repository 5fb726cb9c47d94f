"""Colors are encoded as sRGB, and bright light is compressed instead of clipped."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_synthetic.shading import encode


def srgb(light: float) -> float:
    """Encode linear light as sRGB (IEC 61966-2-1)."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("light", [0.0, 0.001, 0.0031308, 0.01, 0.2, 0.5, 0.699])
def test_light_below_the_shoulder_is_encoded_as_the_standard_says(light: float) -> None:
    assert float(encode(torch.tensor(light, dtype=torch.float64))) == pytest.approx(srgb(light), abs=1e-9)


def test_the_shoulder_approaches_white_and_is_smooth_where_it_begins() -> None:
    light = torch.tensor([0.7, 1.0, 2.0, 50.0], dtype=torch.float64)
    compressed = [0.7 + 0.3 * (1 - math.exp(-(x - 0.7) / 0.3)) for x in light.tolist()]
    found = encode(light)
    assert found.tolist() == pytest.approx([srgb(x) for x in compressed])
    assert bool((found.diff() > 0).all()) and float(found.max()) <= 1.0
    step = 1e-6
    below, at, above = encode(torch.tensor([0.7 - step, 0.7, 0.7 + step], dtype=torch.float64))
    assert float(above - at) == pytest.approx(float(at - below), rel=1e-4)
