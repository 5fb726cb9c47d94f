"""Spacing, strata and inverse-CDF sampling, against nested loops and statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

from radfield_core.ops import stepfun

weights_of_a_ray = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loop_inverse(u: list[float], edges: list[float], cdf: list[float], min_rise: float) -> list[float]:
    """One number at a time: find the bin that holds u, and take the same share of its width."""
    found = []
    for value in u:
        above = next((i for i, c in enumerate(cdf) if c > value), len(cdf))
        below = above - 1
        if above == len(cdf):
            found.append(edges[-1])
            continue
        rise = cdf[above] - cdf[below]
        share = (value - cdf[below]) / (rise if rise > min_rise else 1.0)
        found.append(edges[below] + min(max(share, 0.0), 1.0) * (edges[above] - edges[below]))
    return found


@pytest.mark.parametrize("min_rise", [0.0, 1e-5])
@given(weights=weights_of_a_ray, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_inverse_cdf_equals_a_loop_over_bins(min_rise: float, weights: list[float], seed: int) -> None:
    rows = torch.tensor([weights, weights[::-1]], dtype=torch.float64)
    edges = 2.0 + torch.rand(2, len(weights) + 1, generator=generator(seed), dtype=torch.float64).cumsum(1)
    for cdf in (stepfun.nerf_cdf(rows), stepfun.mip_cdf(rows)):
        u = torch.cat([stepfun.random_u(rows, 7, generator(seed)), stepfun.even_u(rows, 5)], 1)
        t = stepfun.invert_cdf(u, edges, cdf, min_rise)
        for row in range(2):
            expected = loop_inverse(u[row].tolist(), edges[row].tolist(), cdf[row].tolist(), min_rise)
            np.testing.assert_allclose(t[row], expected, atol=1e-9)


@given(weights=weights_of_a_ray)
@settings(max_examples=60, deadline=None)
def test_cdfs_equal_their_formulas_one_weight_at_a_time(weights: list[float]) -> None:
    row = torch.tensor([weights], dtype=torch.float64)
    nerf = [w + 1e-5 for w in weights]
    missing = max(0.0, 1e-5 - sum(weights))
    mip = [w + missing / len(weights) for w in weights]
    for cdf, padded in ((stepfun.nerf_cdf(row), nerf), (stepfun.mip_cdf(row), mip)):
        expected, total = [0.0], sum(padded)
        for w in padded:
            expected.append(expected[-1] + w / total)
        np.testing.assert_allclose(cdf[0], expected, atol=1e-6)
        assert cdf[0, 0] == 0 and cdf[0, -1] == 1 and bool((cdf.diff() >= 0).all())


def test_hardly_any_weight_is_topped_up_by_equal_shares_for_all_bins() -> None:
    weights = torch.tensor([[4e-6, 0.0, 1e-6, 0.0]], dtype=torch.float64)  # half of the 1e-5 that mip-NeRF asks for
    expected = torch.tensor([[0.0, 0.525, 0.65, 0.875, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(stepfun.mip_cdf(weights), expected)


@given(weights=weights_of_a_ray, padding=st.floats(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_blur_pool_equals_a_loop_over_neighbors(weights: list[float], padding: float) -> None:
    n, expected = len(weights), []
    for i in range(n):
        before, here, after = weights[max(i - 1, 0)], weights[i], weights[min(i + 1, n - 1)]
        expected.append(0.5 * (max(before, here) + max(here, after)) + padding)
    blurred = stepfun.blur_pool(torch.tensor([weights], dtype=torch.float64), padding)
    np.testing.assert_allclose(blurred[0], expected, atol=1e-12)


def test_samples_are_distributed_as_the_weights() -> None:
    weights = torch.tensor([[1.0, 0.0, 4.0, 2.0, 3.0]], dtype=torch.float64)
    edges = torch.tensor([[0.0, 1.0, 1.5, 2.0, 4.0, 5.0]], dtype=torch.float64)
    n = 200_000
    for cdf in (stepfun.nerf_cdf(weights), stepfun.mip_cdf(weights)):
        for u in (stepfun.random_u(weights, n, generator()), stepfun.stratified_u(weights, n, generator())):
            t = stepfun.invert_cdf(u, edges, cdf)[0].numpy()
            counts = np.histogram(t, edges[0].numpy())[0]
            np.testing.assert_allclose(counts / n, weights[0].numpy() / 10, atol=4e-3)
            inside = t[(t > 2) & (t < 4)][::50]
            assert stats.kstest((inside - 2) / 2, "uniform").pvalue > 1e-3


def test_stratified_points_stay_in_their_strata_and_fill_them_evenly() -> None:
    t = torch.tensor([2.0, 3.0, 5.0, 6.0]).repeat(20_000, 1)
    moved = stepfun.stratify(t, generator())
    for column, (low, high) in enumerate([(2.0, 2.5), (2.5, 4.0), (4.0, 5.5), (5.5, 6.0)]):
        found = moved[:, column]
        assert float(found.min()) >= low and float(found.max()) <= high
        assert stats.kstest(((found - low) / (high - low)).numpy()[::20], "uniform").pvalue > 1e-3
    assert not torch.equal(moved, stepfun.stratify(t, generator(1)))
    assert torch.equal(moved, stepfun.stratify(t, generator()))


def test_stratified_u_fills_each_part_evenly_and_never_reaches_one() -> None:
    u = stepfun.stratified_u(torch.zeros(4000, 1), 16, generator())
    assert torch.equal((u * 16).floor(), torch.arange(16.0).expand(4000, 16)) and float(u.max()) < 1
    for part, column in enumerate(u.unbind(1)):
        assert stats.kstest((column * 16 - part).numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("spacing", ["linear", "disparity", "log"])
def test_spacing_is_even_in_its_quantity_and_meets_both_ends(spacing: str) -> None:
    near, far = torch.tensor([2.0, 0.5], dtype=torch.float64), torch.tensor([6.0, 100.0], dtype=torch.float64)
    t = stepfun.spaced(torch.linspace(0, 1, 9, dtype=torch.float64), near, far, spacing)  # type: ignore[arg-type]
    measure = {"linear": t, "disparity": 1 / t, "log": t.log()}[spacing]
    steps = measure.diff()
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))
    torch.testing.assert_close(t[:, [0, -1]], torch.stack([near, far], 1), rtol=1e-14, atol=0)


@pytest.mark.parametrize("spacing", ["disparity", "log"])
def test_spacing_from_the_camera_itself_is_finite_and_ascends(spacing: str) -> None:
    near, far = torch.zeros(2), torch.tensor([6.0, 0.0])
    t = stepfun.spaced(torch.linspace(0, 1, 9), near, far, spacing)  # type: ignore[arg-type]
    assert bool(torch.isfinite(t).all()) and bool((t.diff() >= 0).all()) and t[:, -1].tolist() == [6.0, 0.0]


def test_samples_of_no_rays_are_none() -> None:
    none = torch.zeros(0, 4)
    assert stepfun.invert_cdf(stepfun.even_u(none, 3), torch.zeros(0, 5), stepfun.nerf_cdf(none)).shape == (0, 3)
    assert stepfun.stratify(none, generator()).shape == (0, 4)


def test_weights_of_zero_spread_the_samples_over_everything() -> None:
    weights, edges = torch.zeros(1, 8), torch.linspace(2, 6, 9)[None]
    for cdf in (stepfun.nerf_cdf(weights), stepfun.mip_cdf(weights)):
        t = stepfun.invert_cdf(stepfun.even_u(weights, 9), edges, cdf)
        torch.testing.assert_close(t, edges, atol=1e-5, rtol=0)
        assert math.isclose(float(t[0, -1]), 6.0)
