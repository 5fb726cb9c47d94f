"""The truncated exponential: exp in the forward pass, and a limited gradient in the backward pass."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st

from radfield_core.ops.activation import GRADIENT_LIMIT, truncated_exp


def at(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64, requires_grad=True)


@given(st.floats(-40.0, 40.0))
def test_its_value_is_exp_and_its_gradient_is_exp_of_at_most_fifteen(value):
    x = at(value)
    y = truncated_exp(x)
    y.backward()
    assert y.item() == pytest.approx(math.exp(value))
    assert x.grad is not None and x.grad.item() == pytest.approx(math.exp(min(value, 15.0)))


def test_below_the_limit_every_derivative_is_that_of_exp():
    x = torch.linspace(-6.0, GRADIENT_LIMIT - 1.0, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(truncated_exp, x)
    assert torch.autograd.gradgradcheck(truncated_exp, x)


def test_above_the_limit_the_slope_no_longer_changes():
    x = at(GRADIENT_LIMIT + 3.0)
    (slope,) = torch.autograd.grad(truncated_exp(x), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope, x)
    assert slope.item() == pytest.approx(math.exp(GRADIENT_LIMIT)) and bend.item() == 0.0


def test_large_inputs_give_finite_slopes_in_float32():
    x = torch.full((3,), 80.0, requires_grad=True)
    truncated_exp(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_no_density_is_infinite():
    """An infinite density, multiplied by an interval of length zero, would be NaN, although the opacity is 0."""
    x = torch.tensor([80.0, 90.0, 1e30, math.inf])
    assert (truncated_exp(x) * 0.0 == 0.0).all() and (truncated_exp(x) * 1e3).isfinite().all()
