"""The toy parts are declared like a plugin's, and have the formulas that their docstrings state."""

from __future__ import annotations

import math

import pytest
import torch

from radfield_core.errors import DatasetError
from radfield_core.plugin import load_of
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.toy_parts import (
    SquaredError,
    ToyBallConfig,
    ToyBallParser,
    ToyMethodConfig,
    ToySurface,
    ToySurfaceConfig,
    toy_plugin,
)
from radfield_core.testing.toys import toy_context
from radfield_core.types import Step


@pytest.mark.parametrize("component", toy_plugin().components, ids=lambda component: component.key)
def test_everything_that_a_declaration_names_exists(component) -> None:
    assert component.distribution == toy_plugin().distribution
    assert load_of(component, component.impl) and load_of(component, component.config)


def test_the_encoding_of_a_gaussian_is_the_mean_over_draws() -> None:
    part = part_under_test("radfield-toys:encoding:toy").build().double()
    x, cov = torch.tensor([[0.3, -0.2, 0.9]], dtype=torch.float64), torch.tensor([[0.05, 0.02, 0.1]])
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = part(x + cov.double().sqrt() * noise).mean(0, keepdim=True)
    torch.testing.assert_close(part(x, cov.double()), draws, atol=5e-3, rtol=0)


def test_the_occupancy_of_the_surface_is_that_of_a_head_on_interval() -> None:
    field = ToySurface(ToySurfaceConfig(radius=0.8), toy_context())
    x = torch.tensor([[0.85, 0.0, 0.0]])
    with torch.no_grad():
        sdf = float(field.sdf(x))
        found = float(field.occupancy(x, 0.1))
    before, after = (1 / (1 + math.exp(-20.0 * (sdf + sign * 0.05))) for sign in (1, -1))
    assert found == pytest.approx((before - after) / before, rel=1e-5)


def test_the_ball_has_the_same_views_in_every_split_and_no_other_split() -> None:
    parser = ToyBallParser(ToyBallConfig(n_views=2, size=4))
    train, test = parser.parse("train"), parser.parse("test")
    assert torch.equal(train.images[1], test.images[1]) and test.names == ["test/0", "test/1"]
    with pytest.raises(DatasetError, match="'nowhere'"):
        parser.parse("nowhere")


def test_the_learning_rate_is_halved_over_the_run() -> None:
    method = SquaredError(ToyMethodConfig())
    assert [method.lr_scale(Step(i, 10, 0), "all") for i in (0, 10)] == pytest.approx([1.0, 0.5])
