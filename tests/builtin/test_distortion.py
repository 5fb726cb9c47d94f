"""`loss:distortion` against the double sum of the paper, and its independence of the scene's scale."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core import (
    BuildContext,
    FieldOutputs,
    Level,
    ModelOutputs,
    RayBundle,
    RaySamples,
    Rendered,
    SceneBox,
    Step,
    UsageError,
)
from radfield_core.builtin.config import DistortionConfig
from radfield_core.builtin.distortion import Distortion


def loss_of(edges: torch.Tensor, weights: torch.Tensor, radius: float, of: str = "foreground") -> torch.Tensor:
    n = len(edges)
    one = torch.ones(n, dtype=edges.dtype)
    axis = torch.tensor([[0.0, 0.0, 1.0]], dtype=edges.dtype).expand(n, 3)
    samples = RaySamples.from_edges(RayBundle(0 * axis, axis, axis, 0 * one, one, one), edges)
    rendered = Rendered(axis, one, one)
    level = Level(samples, FieldOutputs(density=weights.flatten()), weights.flatten(), rendered)
    part = Distortion(DistortionConfig(of=of), BuildContext(bounds=SceneBox(torch.zeros(3), radius)))
    outputs = ModelOutputs(rendered, (level,), None, samples.n)
    if of == "background":
        nothing = dataclasses.replace(level, weights=torch.zeros_like(level.weights))
        outputs = ModelOutputs(rendered, (nothing,), outputs, samples.n)
    return part(outputs, None, None, Step(0, 1, 0))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 6), st.floats(0.1, 10.0), st.integers(0, 2**31))
def test_distortion_is_the_double_sum_in_scene_radii(n: int, s: int, radius: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    edges = torch.rand(n, s + 1, generator=generator, dtype=torch.float64).cumsum(-1)
    weights = torch.rand(n, s, generator=generator, dtype=torch.float64) / s
    expected = []
    for t, w in zip((edges / radius).tolist(), weights.tolist(), strict=True):
        middle = [0.5 * (a + b) for a, b in pairwise(t)]
        pairs = sum(w[i] * w[j] * abs(middle[i] - middle[j]) for i in range(s) for j in range(s))
        expected.append(pairs + sum(w[i] ** 2 * (t[i + 1] - t[i]) for i in range(s)) / 3)
    torch.testing.assert_close(loss_of(edges, weights, radius), torch.tensor(expected, dtype=torch.float64))


def test_distortion_does_not_depend_on_the_scale_of_the_scene() -> None:
    edges, weights = torch.rand(3, 9).cumsum(-1), torch.rand(3, 8) / 8
    torch.testing.assert_close(loss_of(edges, weights, 1.5), loss_of(100 * edges, weights, 150.0))


def test_distortion_of_the_background_is_that_of_its_own_samples() -> None:
    edges, weights = torch.rand(3, 9).cumsum(-1), torch.rand(3, 8) / 8
    found = loss_of(edges, weights, 1.5, of="background")
    torch.testing.assert_close(found, loss_of(edges, weights, 1.5))
    assert float(found.min()) > 0


def test_distortion_of_a_background_that_is_not_there_is_refused_in_words() -> None:
    part = Distortion(DistortionConfig(of="background"), BuildContext(bounds=SceneBox(torch.zeros(3), 1.0)))
    outputs = ModelOutputs(Rendered(torch.zeros(2, 3), torch.ones(2), torch.ones(2)), (), None, 0)
    with pytest.raises(UsageError, match="no background model"):
        part(outputs, None, None, Step(0, 1, 0))


def test_model_without_levels_is_refused_in_words() -> None:
    part = Distortion(DistortionConfig(), BuildContext(bounds=SceneBox(torch.zeros(3), 1.0)))
    outputs = ModelOutputs(Rendered(torch.zeros(2, 3), torch.ones(2), torch.ones(2)), (), None, 0)
    with pytest.raises(UsageError, match="needs samples on rays"):
        part(outputs, None, None, Step(0, 1, 0))
