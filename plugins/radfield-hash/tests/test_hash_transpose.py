"""Features are transposed as by numpy, and streaming stores change no bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_hash import buffers, cpu, kernels
from radfield_hash.levels import build
from radfield_hash.simd.transpose import load_features, store_features


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 30), pairs=st.integers(1, 20), start=st.integers(0, 5), data=st.data())
def test_features_are_transposed_and_back(count: int, pairs: int, start: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, pairs - 1))
    last = data.draw(st.integers(first, pairs))
    rows = np.random.default_rng(0).random((start + count + 2, 2 * pairs), np.float32)
    transposed = np.full((pairs, 2 * (count + 8)), -1.0, np.float32)
    load_features(rows, start, count, first, last, transposed)
    expected = rows[start : start + count].reshape(count, pairs, 2).transpose(1, 0, 2).reshape(pairs, 2 * count)
    np.testing.assert_array_equal(transposed[first:last, : 2 * count], expected[first:last])
    assert (
        (transposed[:first] == -1).all()
        and (transposed[last:] == -1).all()
        and (transposed[:, 2 * count :] == -1).all()
    )

    transposed[:, : 2 * count] = expected
    back = np.full_like(rows, -1.0)
    store_features(transposed, start, count, back, False)
    np.testing.assert_array_equal(back[start : start + count], rows[start : start + count])
    assert (back[:start] == -1).all() and (back[start + count :] == -1).all()


@pytest.fixture(params=[1, 2])
def _threads(request: pytest.FixtureRequest, threads_as_they_were: None) -> None:
    torch.set_num_threads(request.param)


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize(("n_levels", "streamed"), [(8, True), (16, True), (12, False), (1, False)])
def test_features_that_outgrow_the_cache_are_the_same(
    monkeypatch: pytest.MonkeyPatch, n_levels: int, streamed: bool
) -> None:
    grid, x = build(n_levels, 2, 8, 4, 40), torch.rand(259, 3)
    table = torch.rand(grid.n_entries, 2)
    calls, kernel = _recorded(cpu._values())
    monkeypatch.setattr(cpu, "_values", lambda: kernel)
    expected = cpu._KERNELS.values(x, table, grid)
    assert not any(call[-1] for call in calls)
    calls.clear()
    monkeypatch.setattr(buffers, "MAPPED_BYTES", 0)
    large = cpu._KERNELS.values(x, table, grid)
    assert torch.equal(large, expected) and large.data_ptr() % 64 == 0
    assert all(call[-1] == streamed for call in calls)


def _recorded(kernel: Any) -> tuple[list[Any], Any]:
    """Return a list, and a kernel that appends the arguments of each call to the list."""
    calls: list[Any] = []

    def call(*arguments: Any) -> None:
        calls.append(arguments)
        kernel(*arguments)

    return calls, call


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("n_features", [2, 4, 8])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("chunks", [1, 3])
def test_gradients_that_outgrow_the_cache_are_the_same(
    monkeypatch: pytest.MonkeyPatch, n_features: int, directed: bool, chunks: int
) -> None:
    grid, x = build(5, n_features, 8, 3, 40), torch.rand(259, 3)
    g, v = torch.randn(259, grid.out_dim), torch.randn(259, 3) if directed else None
    monkeypatch.setattr(cpu, "CHUNK_BYTES", -(-259 // chunks) * 4 * grid.out_dim)
    expected = cpu._KERNELS.table_gradient(x, g, grid, v)
    calls, kernel = _recorded(kernels.table_gradient)
    monkeypatch.setattr(kernels, "table_gradient", kernel)
    monkeypatch.setattr(buffers, "MAPPED_BYTES", 0)
    for _ in range(2):
        assert torch.equal(cpu._KERNELS.table_gradient(x, g, grid, v), expected)
    sums, separate = calls[-1][5:7]
    assert separate == (chunks == 1)
    assert not separate or (sums.size == max(level.size for level in grid.levels) * n_features and not sums.any())
