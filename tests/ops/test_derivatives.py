"""Gradients by position against closed forms and finite differences, in training and in evaluation."""

from __future__ import annotations

import pytest
import torch

from radfield_core.ops.derivatives import central_differences, gradient


def quadratic(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return scale * (x[:, 0] ** 2 + x[:, 0] * x[:, 1] - x[:, 2] ** 3)


def by_hand(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([2 * x[:, 0] + x[:, 1], x[:, 0], -3 * x[:, 2] ** 2], 1)


def points(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("training", [True, False])
def test_gradient_equals_the_one_by_hand_with_and_without_gradients_enabled(training: bool) -> None:
    x, scale = points(), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with torch.set_grad_enabled(training):
        (values, doubled), slope = gradient(lambda x: (quadratic(x, scale), 2 * quadratic(x, scale)), x)
    torch.testing.assert_close(slope, 2 * by_hand(x))
    torch.testing.assert_close(values, quadratic(x, scale))
    assert [t.requires_grad for t in (values, doubled, slope)] == [training] * 3
    assert not x.requires_grad


def test_gradient_can_be_differentiated_by_parameters_and_by_position() -> None:
    x = points().requires_grad_()
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)

    def length(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return gradient(lambda x: (quadratic(x, scale),), x)[1].norm(dim=-1)

    assert torch.autograd.gradcheck(length, (x, scale))


def test_gradient_of_nothing_is_nothing_and_inference_mode_is_refused() -> None:
    scale = torch.ones((), dtype=torch.float64)
    assert gradient(lambda x: (quadratic(x, scale),), points(0))[1].shape == (0, 3)
    with torch.inference_mode(), pytest.raises(RuntimeError, match="no_grad"):
        gradient(lambda x: (quadratic(x, scale),), points())


@pytest.mark.parametrize("step", [1e-3, torch.tensor(1e-3, dtype=torch.float64)])
def test_six_taps_give_gradient_and_laplacian(step: float | torch.Tensor) -> None:
    x, scale = points(), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    slope, laplacian = central_differences(lambda x: quadratic(x, scale), x, quadratic(x, scale), step)
    torch.testing.assert_close(slope, 2 * by_hand(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(laplacian, 2 * (2 - 6 * x[:, 2]), atol=1e-5, rtol=0)
    assert slope.requires_grad
    with torch.no_grad():
        assert not central_differences(lambda x: quadratic(x, scale), x, quadratic(x, scale), step)[0].requires_grad
