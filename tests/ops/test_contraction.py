"""Contraction of unbounded space against its formula, its inverse and finite differences."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops.contraction import contract, contract_variance

finite = st.floats(-1e3, 1e3)


@settings(max_examples=100, deadline=None)
@given(point=st.tuples(finite, finite, finite), center=st.tuples(*[st.floats(-2, 2)] * 3), radius=st.floats(0.1, 10))
def test_contraction_is_the_formula_point_by_point(point: tuple, center: tuple, radius: float) -> None:
    x, c = torch.tensor([point], dtype=torch.float64), torch.tensor(center, dtype=torch.float64)
    y = [(a - b) / radius for a, b in zip(point, center, strict=True)]
    norm = math.sqrt(sum(v * v for v in y))
    expected = y if norm <= 1 else [(2 - 1 / norm) * v / norm for v in y]
    result = contract(x, c, radius)
    torch.testing.assert_close(result[0], torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)
    assert result.norm() < 2
    length = result.norm()
    undone = result if length <= 1 else result / length / (2 - length)
    torch.testing.assert_close(undone * radius + c, x, rtol=1e-6, atol=1e-6)


def test_the_farthest_points_contract_to_the_surface_in_their_direction() -> None:
    x = torch.tensor([[1e18, 0, 0], [2e19, 0, 0], [0, -1e38, 0], [3e30, 4e30, 0]], requires_grad=True)
    y = contract(x, torch.zeros(3), 0.5)
    torch.testing.assert_close(y, torch.tensor([[2.0, 0, 0], [2, 0, 0], [0, -2, 0], [1.2, 1.6, 0]]))
    assert torch.autograd.grad(y.sum(), x)[0].isfinite().all()
    assert contract_variance(x, torch.ones_like(x), torch.zeros(3), 0.5).isfinite().all()


def test_the_second_derivative_is_zero_inside_and_finite_at_the_center() -> None:
    center = torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64)
    x = torch.stack([center, center + 0.1, center + 2.0]).requires_grad_()
    variance = torch.full_like(x, 0.01)
    for y in (contract(x, center, 0.7), contract_variance(x, variance, center, 0.7)):
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        assert torch.autograd.grad(slope.square().sum(), x)[0].isfinite().all()
    (slope,) = torch.autograd.grad(contract(x, center, 0.7).sum(), x, create_graph=True)
    bent = torch.autograd.grad(slope.square().sum(), x)[0]
    assert (bent[:2] == 0).all() and (bent[2] != 0).all()
    assert torch.autograd.gradgradcheck(lambda x: contract(x, center, 0.7), x)


def test_gradients_are_finite_everywhere_and_equal_finite_differences() -> None:
    x = torch.tensor(
        [[0.0, 0, 0], [0.3, 0.1, -0.2], [2.0, -3, 1], [1e4, 0, 0]], dtype=torch.float64, requires_grad=True
    )
    center = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: contract(x, center, 0.7), (x[1:3].detach().requires_grad_(),))
    (slope,) = torch.autograd.grad(contract(x, center * 0, 0.7).sum(), x)
    assert slope.isfinite().all()


@settings(max_examples=100, deadline=None)
@given(point=st.tuples(finite, finite, finite), cov=st.tuples(*[st.floats(0, 9)] * 3), radius=st.floats(0.1, 10))
def test_contracted_variances_are_those_of_the_jacobian(point: tuple, cov: tuple, radius: float) -> None:
    center = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    x, variances = torch.tensor(point, dtype=torch.float64), torch.tensor(cov, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: contract(x[None], center, radius)[0], x)
    expected = (jacobian @ variances.diag() @ jacobian.T).diag()
    result = contract_variance(x[None], variances[None], center, radius)[0]
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-15)


def test_contracted_variances_are_those_of_contracted_samples() -> None:
    draw = torch.Generator().manual_seed(0)
    mean, cov = torch.tensor([3.0, -4.0, 12.0]).double(), torch.tensor([0.04, 0.09, 0.01]).double()
    samples = mean + cov.sqrt() * torch.randn(200_000, 3, generator=draw, dtype=torch.float64)
    seen = contract(samples, mean * 0, 1.0).var(0)
    torch.testing.assert_close(contract_variance(mean[None], cov[None], mean * 0, 1.0)[0], seen, rtol=0.03, atol=0)


def test_no_points_are_a_normal_input() -> None:
    assert contract(torch.zeros(0, 3), torch.zeros(3), 1.0).shape == (0, 3)
