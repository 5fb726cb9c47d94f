"""Spherical harmonics are compared with scipy's complex ones and with integrals over the sphere. Their derivatives are
tested too."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_sh.config import SHConfig
from radfield_sh.encoding import SphericalHarmonics, spherical_harmonics
from scipy.special import sph_harm_y

from radfield_core import BuildContext, SceneBox, UsageError

CONTEXT = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))


def direction(polar, azimuth) -> torch.Tensor:
    return torch.tensor(
        np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1)
    ).reshape(-1, 3)


@settings(max_examples=60, deadline=None)
@given(polar=st.floats(0, math.pi), azimuth=st.floats(-math.pi, math.pi), degree=st.integers(1, 8))
def test_real_and_imaginary_parts_are_scipys(polar, azimuth, degree):
    found = spherical_harmonics(direction(polar, azimuth), degree)[0]
    expected = []
    for band in range(degree):
        for m in range(-band, band + 1):
            value = complex(sph_harm_y(band, abs(m), polar, azimuth))
            expected.append(value.real if m == 0 else math.sqrt(2) * (value.real if m > 0 else value.imag))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0)


def test_orthonormal_over_the_sphere_by_exact_quadrature():
    z, weight = np.polynomial.legendre.leggauss(12)
    azimuth = 2 * np.pi * np.arange(24) / 24
    polar, azimuth = np.meshgrid(np.arccos(z), azimuth, indexing="ij")
    area = torch.tensor(np.repeat(weight * 2 * np.pi / 24, 24))
    y = spherical_harmonics(direction(polar.ravel(), azimuth.ravel()), 5)
    torch.testing.assert_close((y * area[:, None]).T @ y, torch.eye(25, dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_first_bands_are_the_known_constants():
    x, y, z = direction(1.1, 0.4)[0].tolist()
    a, b = 0.28209479177387814, 0.4886025119029199
    expected = torch.tensor([[a, -b * y, b * z, -b * x]], dtype=torch.float64)
    torch.testing.assert_close(spherical_harmonics(direction(1.1, 0.4), 2), expected, atol=1e-15, rtol=0)


def test_first_and_second_derivatives_equal_finite_differences():
    x = direction(np.array([0.3, 1.2, 3.0]), np.array([0.1, -2.0, 1.0])).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: spherical_harmonics(x, 4), (x,))
    assert torch.autograd.gradgradcheck(lambda x: spherical_harmonics(x, 4), (x,))


def test_degree_four_gives_sixteen_features_and_keeps_the_dtype():
    part = SphericalHarmonics(SHConfig(), CONTEXT, in_dim=3)
    y = part(torch.nn.functional.normalize(torch.randn(7, 3), dim=-1))
    assert (part.out_dim, y.shape, y.dtype) == (16, (7, 16), torch.float32)
    assert part(torch.empty(0, 3)).shape == (0, 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_floats_lose_no_more_than_their_own_digits(dtype):
    directions = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1).to(dtype)
    found, expected = spherical_harmonics(directions, 8), spherical_harmonics(directions.double(), 8)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-4)


def test_inputs_of_other_dimensions_are_a_usage_error():
    with pytest.raises(UsageError):
        SphericalHarmonics(SHConfig(), CONTEXT, in_dim=2)
