"""The integrated encoding is compared with quadrature over the Gaussian and, for points, with the plain encoding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_ipe.config import IpeConfig
from radfield_ipe.encoding import Ipe

from radfield_core import BuildContext, SceneBox, UsageError

CONTEXT = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))


def build(in_dim: int = 3, **options) -> Ipe:
    return Ipe(IpeConfig(**options), CONTEXT, in_dim=in_dim)


@settings(max_examples=40, deadline=None)
@given(
    mean=st.lists(st.floats(-6, 6), min_size=3, max_size=3),
    deviation=st.lists(st.floats(0, 2), min_size=3, max_size=3),
    min_degree=st.integers(-2, 1),
)
def test_features_are_expected_sines_and_cosines_by_quadrature(mean, deviation, min_degree):
    degrees = range(min_degree, 3)
    encoding = build(min_degree=min_degree, max_degree=3).double()
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    sines, cosines = [], []
    for k in degrees:
        for mu, sigma in zip(mean, deviation, strict=True):
            angles = 2.0**k * (mu + sigma * nodes)
            sines.append(float(weights @ np.sin(angles)))
            cosines.append(float(weights @ np.cos(angles)))
    x = torch.tensor([mean], dtype=torch.float64)
    cov = torch.tensor([deviation], dtype=torch.float64) ** 2
    expected = torch.tensor([sines + cosines], dtype=torch.float64)
    torch.testing.assert_close(encoding(x, cov), expected, atol=1e-6, rtol=0)


def test_without_covariance_features_are_the_plain_encoding():
    x = 12 * torch.rand(50, 3) - 6
    waves = (math.sin, math.cos)
    plain = [[wave(2.0**k * v) for wave in waves for k in range(16) for v in row] for row in x.double().tolist()]
    for cov in (None, torch.zeros(50, 3), torch.full((50, 3), 1e-30)):
        torch.testing.assert_close(build()(x, cov), torch.tensor(plain), atol=2e-7, rtol=0)


def test_published_size_is_96():
    assert build().out_dim == 96
    assert build()(torch.rand(4, 3), torch.rand(4, 3)).shape == (4, 96)


def test_float32_stays_exact_at_large_angles_and_finite_at_large_variances():
    x = torch.tensor([[1e4, -3e3, 77.0]])
    angles = x.double()[:, None] * 2.0 ** torch.arange(16, dtype=torch.float64)[:, None]
    expected = torch.cat([angles.sin().flatten(1), angles.cos().flatten(1)], dim=1).float()
    torch.testing.assert_close(build()(x), expected, atol=2e-7, rtol=0)
    x.requires_grad_()
    cov = torch.tensor([[0.0, 1e-4, 1e35]], requires_grad=True)
    features = build()(x, cov)
    features.square().sum().backward()
    assert all(torch.isfinite(value).all() for value in (features, x.grad, cov.grad))
    assert torch.equal(features.detach().view(2, 16, 3)[..., 2], torch.zeros(2, 16))


def test_derivatives_by_mean_and_covariance_equal_finite_differences():
    encoding = build(max_degree=4).double()
    x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    cov = (0.1 * torch.rand(2, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(encoding, (x, cov))
    assert torch.autograd.gradgradcheck(encoding, (x, cov))


@given(scale=st.floats(1.5, 100))
def test_a_wider_gaussian_never_has_larger_features(scale):
    x, cov = torch.rand(8, 3), 0.01 * torch.rand(8, 3)
    assert (build()(x, scale * cov).abs() <= build()(x, cov).abs() + 1e-7).all()


def test_no_rows_give_no_features():
    assert build()(torch.empty(0, 3), torch.empty(0, 3)).shape == (0, 96)


def test_degrees_that_leave_no_frequency_are_a_usage_error():
    with pytest.raises(UsageError, match="max_degree"):
        build(min_degree=4, max_degree=4)
