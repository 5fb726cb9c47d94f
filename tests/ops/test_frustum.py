"""Moments of cone and cylinder pieces, against Monte Carlo in the real solid and the plain formulas in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops import frustum

POINTS = 1_000_000


def wide(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def points_in_frustum(t0: float, t1: float, radius: float, cone: bool) -> torch.Tensor:
    """Points [P, 3] spread evenly in the solid around the z axis: t by the area of its cross-section, then a disc."""
    generator = torch.Generator().manual_seed(0)
    u, v, angle = torch.rand(3, POINTS, generator=generator, dtype=torch.float64)
    t = (t0**3 + u * (t1**3 - t0**3)).pow(1 / 3) if cone else t0 + u * (t1 - t0)
    across = v.sqrt() * radius * (t if cone else 1.0)
    return torch.stack(
        [across * torch.cos(6.283185307179586 * angle), across * torch.sin(6.283185307179586 * angle), t], 1
    )


@pytest.mark.parametrize(("t0", "t1"), [(2.0, 2.5), (0.5, 4.0), (0.0, 1.0)])
@pytest.mark.parametrize("shape", ["cone", "cylinder"])
def test_moments_equal_monte_carlo_in_the_solid(t0: float, t1: float, shape: str) -> None:
    radius = 0.3
    points = points_in_frustum(t0, t1, radius, shape == "cone")
    t_mean, t_var, r_var = getattr(frustum, shape)(wide(t0), wide(t1), wide(radius))
    assert float(t_mean) == pytest.approx(float(points[:, 2].mean()), rel=1e-3)
    assert float(t_var) == pytest.approx(float(points[:, 2].var()), rel=1e-2)
    assert float(r_var) == pytest.approx(float(points[:, :2].var(0).mean()), rel=1e-2)


def test_diagonal_covariance_equals_that_of_points_turned_into_the_ray() -> None:
    t0, t1, radius = 1.0, 2.0, 0.4
    direction = torch.nn.functional.normalize(wide(0.3, -0.5, 0.8), dim=0)
    across = torch.linalg.svd(direction[None])[2][1:]
    frame = torch.stack([across[0], across[1], direction])
    points = points_in_frustum(t0, t1, radius, True) @ frame
    _, t_var, r_var = frustum.cone(wide(t0), wide(t1), wide(radius))
    covariance = frustum.diagonal_covariance(direction[None], t_var, r_var)[0]
    torch.testing.assert_close(covariance, points.var(0), rtol=1e-2, atol=0)


@given(start=st.floats(0.0, 100.0), length=st.floats(0.5, 50.0), radius=st.floats(1e-4, 1.0))
@settings(max_examples=200, deadline=None)
def test_the_stable_form_equals_the_plain_one_in_float64(start: float, length: float, radius: float) -> None:
    t0, t1, r = wide(start), wide(start + length), wide(radius)
    cubes, fourths, fifths = t1**3 - t0**3, t1**4 - t0**4, t1**5 - t0**5
    mean = 3 * fourths / (4 * cubes)
    plain = (mean, 3 * fifths / (5 * cubes) - mean**2, r**2 * 3 * fifths / (20 * cubes))
    size = (start + length) ** 2
    for stable, expected, scale in zip(
        frustum.cone(t0, t1, r), plain, (start + length, size, size * radius**2), strict=True
    ):
        assert float((stable - expected).abs() / scale) < 1e-9


def test_moments_stay_finite_and_right_in_float32_far_away_in_thin_intervals() -> None:
    t0, t1, r = (
        torch.tensor([1e4, 1e4, 100.0, 0.0]),
        torch.tensor([1e4 + 1e-4, 1e4 + 1.0, 100.01, 0.0]),
        torch.full((4,), 1e-3),
    )
    narrow = frustum.cone(t0, t1, r)
    exact = frustum.cone(t0.double(), t1.double(), r.double())
    for moment, expected in zip(narrow, exact, strict=True):
        assert moment.dtype == torch.float32 and bool(torch.isfinite(moment).all()) and bool((moment >= 0).all())
        torch.testing.assert_close(moment.double(), expected, rtol=1e-5, atol=1e-12)


def test_an_interval_without_length_is_a_disc() -> None:
    t_mean, t_var, r_var = frustum.cone(wide(3.0, 0.0), wide(3.0, 0.0), wide(0.2, 0.2))
    assert t_mean.tolist() == [3.0, 0.0] and t_var.tolist() == [0.0, 0.0]
    torch.testing.assert_close(r_var, wide((0.2 * 3) ** 2 / 4, 0.0))
