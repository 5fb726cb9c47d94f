"""The AVX-512 kernel gives the same bits as the plain kernel, and is chosen only on processors on which it is
faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from llvmlite import binding
from numba import config
from radfield_hash import cpu, kernels
from radfield_hash.levels import build
from radfield_hash.simd import lanes

needs_avx512 = pytest.mark.skipif(
    not binding.get_host_cpu_features().get("avx512f", False), reason="this processor has no AVX-512"
)


@needs_avx512
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
    from radfield_hash import values_avx512

    grid, generator = build(*sizes), torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, generator=generator)
    x[::3, 1] = odd
    table = torch.rand(grid.n_entries, grid.n_features, generator=generator).sub_(0.5)
    expected, eight = (_values(kernel, x, table, grid) for kernel in (kernels.values, values_avx512.values))
    np.testing.assert_array_equal(eight, expected)


def _values(kernel: Any, x: torch.Tensor, table: torch.Tensor, grid: Any) -> Any:
    y = np.full((x.shape[0], grid.out_dim), 77.0, np.float32)
    kernel(x.numpy(), y, cpu._workspace(grid, 64), table.numpy().reshape(-1), *cpu._geometry(grid), False)
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
def test_it_is_chosen_only_where_gathering_is_fast(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: object
) -> None:
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    monkeypatch.setattr(config, "ENABLE_AVX", 1)
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "sapphirerapids")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: {"avx512f": True, "avx512fp16": True})
    assert lanes.faster.__wrapped__()
    monkeypatch.setattr(module, name, value)
    assert not lanes.faster.__wrapped__()
