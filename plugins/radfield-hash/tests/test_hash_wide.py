"""Eight points at a time: the same bits as one by one, and features turned as numpy turns them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding
from numba import config
from radfield_hash import cpu, kernels, lanes, memory
from radfield_hash.levels import build
from radfield_hash.turned import load_features, store_features

needs_lanes = pytest.mark.skipif(not lanes.usable(), reason="this processor does not gather in one instruction")


@needs_lanes
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 140),
    sizes=st.tuples(
        st.integers(1, 5), st.sampled_from((2, 4, 8)), st.integers(3, 10), st.integers(2, 9), st.integers(9, 60)
    ),
    seed=st.integers(0, 2**31),
    odd=st.sampled_from((0.0, 1.0, -0.5, 1.5, np.nan, np.inf, 0.49999997)),
)
def test_values_are_those_of_one_point_at_a_time(n: int, sizes: Any, seed: int, odd: float) -> None:
    from radfield_hash import wide

    grid, generator = build(*sizes), torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, generator=generator)
    x[::3, 1] = odd
    table = torch.rand(grid.n_entries, grid.n_features, generator=generator).sub_(0.5)
    expected, eight = (_values(kernel, x, table, grid) for kernel in (kernels.values, wide.values))
    np.testing.assert_array_equal(eight, expected)


def _values(kernel: Any, x: torch.Tensor, table: torch.Tensor, grid: Any) -> Any:
    y = np.full((x.shape[0], grid.out_dim), 77.0, np.float32)
    kernel(x.numpy(), y, cpu._room(grid, 64), table.numpy().reshape(-1), *cpu._geometry(grid), False)
    return y


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (config, "CPU_NAME", "generic"),
        (config, "CPU_FEATURES", "+sse2"),
        (config, "ENABLE_AVX", 0),
        (binding, "get_host_cpu_name", lambda: "znver5"),
        (binding, "get_host_cpu_features", lambda: {"avx512f": True}),
    ],
)
def test_only_where_one_instruction_gathers(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: object
) -> None:
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    monkeypatch.setattr(config, "ENABLE_AVX", 1)
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "sapphirerapids")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: {"avx512f": True, "avx512fp16": True})
    assert lanes.usable.__wrapped__()
    monkeypatch.setattr(module, name, value)
    assert not lanes.usable.__wrapped__()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 30), pairs=st.integers(1, 20), start=st.integers(0, 5), data=st.data())
def test_features_are_turned_and_back(count: int, pairs: int, start: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, pairs - 1))
    last = data.draw(st.integers(first, pairs))
    rows = np.random.default_rng(0).random((start + count + 2, 2 * pairs), np.float32)
    turned = np.full((pairs, 2 * (count + 8)), -1.0, np.float32)
    load_features(rows, start, count, first, last, turned)
    expected = rows[start : start + count].reshape(count, pairs, 2).transpose(1, 0, 2).reshape(pairs, 2 * count)
    np.testing.assert_array_equal(turned[first:last, : 2 * count], expected[first:last])
    assert (turned[:first] == -1).all() and (turned[last:] == -1).all() and (turned[:, 2 * count :] == -1).all()

    turned[:, : 2 * count] = expected
    back = np.full_like(rows, -1.0)
    store_features(turned, start, count, back, False)
    np.testing.assert_array_equal(back[start : start + count], rows[start : start + count])
    assert (back[:start] == -1).all() and (back[start + count :] == -1).all()


@pytest.mark.parametrize(("n_levels", "streamed"), [(8, True), (16, True), (12, False), (1, False)])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("threads_as_they_were")
def test_what_outgrows_the_cache_is_written_past_it(
    monkeypatch: pytest.MonkeyPatch, n_levels: int, streamed: bool, threads: int
) -> None:
    torch.set_num_threads(threads)
    grid, x = build(n_levels, 2, 8, 4, 40), torch.rand(259, 3)
    table = torch.rand(grid.n_entries, 2)
    expected = cpu._KERNELS.values(x, table, grid)
    assert not memory.outgrows_cache(expected)
    monkeypatch.setattr(memory, "MAPPED_BYTES", 0)
    large = cpu._KERNELS.values(x, table, grid)
    assert memory.outgrows_cache(large) == streamed and large.data_ptr() % 64 == 0
    assert torch.equal(large, expected)
