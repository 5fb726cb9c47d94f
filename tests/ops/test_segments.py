"""Segment sums and scans against nested loops and float64, in both layouts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops import segments
from radfield_core.ops.backend import using
from radfield_core.ops.layout import Layout, LayoutError, Packing

BACKENDS = ["torch", "numba"]

rays = st.lists(st.integers(0, 7), min_size=0, max_size=6)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RADFIELD_BACKEND", request.param)
    return request.param


def packed(counts: list[int]) -> Layout:
    return Layout(len(counts), None, Packing.from_counts(torch.tensor(counts, dtype=torch.int64)))


def values(counts: list[int], *features: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(counts) + len(counts))
    return torch.randn(sum(counts), *features, dtype=dtype, generator=generator)


def by_ray(x: torch.Tensor, counts: list[int]) -> list[torch.Tensor]:
    return list(x.split(counts)) if counts else []


def oracle_cumsum(x: torch.Tensor, counts: list[int]) -> torch.Tensor:
    out = torch.zeros_like(x)
    start = 0
    for count in counts:
        for i in range(count):
            for j in range(i):
                out[start + i] += x[start + j]
        start += count
    return out


@pytest.mark.parametrize("features", [(), (3,)])
@pytest.mark.parametrize("name", BACKENDS)
@given(counts=rays)
@settings(max_examples=40, deadline=None)
def test_packed_ops_equal_loops_over_rays(name: str, features: tuple[int, ...], counts: list[int]) -> None:
    with using(name):
        check_packed_ops(features, counts)


def check_packed_ops(features: tuple[int, ...], counts: list[int]) -> None:
    layout, x = packed(counts), values(counts, *features)
    chunks = by_ray(x, counts)
    empty = torch.zeros(features, dtype=x.dtype)
    none = x.new_zeros(0, *features)
    expected_sum = torch.stack([c.sum(0) for c in chunks]) if chunks else none
    expected_mean = torch.stack([c.mean(0) if len(c) else empty for c in chunks]) if chunks else none
    expected_max = torch.stack([c.amax(0) if len(c) else empty - 5 for c in chunks]) if chunks else none
    torch.testing.assert_close(segments.sum(x, layout), expected_sum)
    torch.testing.assert_close(segments.mean(x, layout), expected_mean)
    torch.testing.assert_close(segments.maximum(x, layout, empty=-5), expected_max)
    torch.testing.assert_close(segments.exclusive_cumsum(x, layout), oracle_cumsum(x, counts))
    before = [torch.cat([torch.ones(1, *features, dtype=x.dtype), c[:-1].cumprod(0)]) if len(c) else c for c in chunks]
    torch.testing.assert_close(segments.exclusive_cumprod(x, layout), torch.cat(before) if before else x)


@given(n_rays=st.integers(0, 5), s=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_uniform_layout_equals_the_same_samples_packed(n_rays: int, s: int) -> None:
    counts = [s] * n_rays
    dense, ragged, x = Layout(n_rays, s), packed(counts), values(counts, 2)
    mask = x[:, 0] > 0
    for op in (segments.sum, segments.mean, segments.maximum, segments.exclusive_cumsum, segments.exclusive_cumprod):
        torch.testing.assert_close(op(x, dense), op(x, ragged))
    assert torch.equal(segments.last_where(mask, dense), segments.last_where(mask, ragged))
    assert torch.equal(segments.local_index(dense, x.device), segments.local_index(ragged, x.device))
    assert torch.equal(segments.counts(dense, x.device), segments.counts(ragged, x.device))
    per_ray = values([n_rays], 3)
    assert torch.equal(segments.per_sample(per_ray, dense), segments.per_sample(per_ray, ragged))


@given(counts=rays, seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_last_where_marks_the_last_sample_of_each_ray_for_which_the_mask_holds(counts: list[int], seed: int) -> None:
    mask = torch.rand(sum(counts), generator=torch.Generator().manual_seed(seed)) > 0.5
    expected = torch.zeros_like(mask)
    start = 0
    for count in counts:
        held = [i for i in range(start, start + count) if mask[i]]
        if held:
            expected[held[-1]] = True
        start += count
    assert torch.equal(segments.last_where(mask, packed(counts)), expected)


@pytest.mark.parametrize("features", [(), (2,)])
@pytest.mark.parametrize("counts", [[3, 0, 4, 1], [0, 0], []])
def test_gradients_equal_finite_differences(counts: list[int], features: tuple[int, ...], backend: str) -> None:
    layout, x = packed(counts), values(counts, *features).requires_grad_()
    for op in (segments.sum, segments.mean, segments.maximum, segments.exclusive_cumsum, segments.exclusive_cumprod):
        assert torch.autograd.gradcheck(lambda x, op=op: op(x, layout), x)
        assert torch.autograd.gradgradcheck(lambda x, op=op: op(x, layout) ** 2, x)
    per_ray = values([len(counts)], *features).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: segments.per_sample(x, layout), per_ray)
    assert torch.autograd.gradgradcheck(lambda x: segments.per_sample(x, layout) ** 2, per_ray)


def test_a_scan_over_a_million_packed_samples_keeps_float32_accuracy(backend: str) -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(0, 513, (4096,), generator=generator)
    layout = Layout(4096, None, Packing.from_counts(counts))
    x = torch.rand(int(counts.sum()), generator=generator) * 0.1
    assert x.shape[0] > 1_000_000
    exact = segments.exclusive_cumsum(x.double(), layout)
    assert segments.exclusive_cumsum(x.double(), layout).dtype == torch.float64
    running = x.cumsum(0) - x
    naive = running - running[layout.packing.offsets[:-1].clamp_max(len(x) - 1)][layout.packing.ray_indices]
    assert (naive - exact).abs().max() > 1e-3
    torch.testing.assert_close(segments.exclusive_cumsum(x, layout).double(), exact, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(segments.sum(x, layout).double(), segments.sum(x.double(), layout), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_the_mean_of_nothing_is_zero(dtype: torch.dtype, backend: str) -> None:
    layout = packed([0, 2])
    x = torch.ones(2, dtype=dtype)
    for op in (segments.sum, segments.mean, segments.exclusive_cumsum, segments.exclusive_cumprod):
        assert op(x, layout).dtype == dtype
    assert segments.mean(x, layout).tolist() == [0.0, 1.0]
    nothing = torch.zeros(0, 3, requires_grad=True)
    segments.mean(nothing).sum().backward()
    assert segments.mean(nothing).tolist() == [0.0, 0.0, 0.0] and nothing.grad is not None


def test_the_width_of_padded_rows_is_only_a_bound() -> None:
    counts, x = torch.tensor([2, 0, 3]), torch.arange(5.0)
    tight, wide = (Layout(3, None, Packing.from_counts(counts, bound)) for bound in (3, 50))
    assert torch.equal(segments.exclusive_cumsum(x, tight), segments.exclusive_cumsum(x, wide))


def test_a_layout_of_neither_kind_is_refused() -> None:
    with pytest.raises(LayoutError, match="samples_per_ray or packing"):
        segments.per_sample(torch.zeros(2), Layout(2))
