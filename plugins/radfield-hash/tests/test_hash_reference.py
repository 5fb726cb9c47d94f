"""The reference is compared with the published formulas in a nested loop, and with finite differences."""

from __future__ import annotations

import ctypes
import ctypes.util
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_hash import reference
from radfield_hash.levels import build


def number_written_out(vertex: tuple[int, int, int], resolution: int, size: int) -> int:
    """grid_index of tiny-cuda-nn in 32-bit arithmetic. The index is computed by strides if they fit into the level, and
    by a hash otherwise. It is taken modulo the level's size."""
    stride, index = 1, 0
    for coordinate in vertex:
        if stride > size:
            break
        index, stride = (index + coordinate * stride) % 2**32, stride * resolution
    if size < stride:
        index = 0
        for coordinate, prime in zip(vertex, (1, 2654435761, 805459861), strict=True):
            index ^= (coordinate * prime) % 2**32
    return index % size


def feature_written_out(point, level, entries, feature: int) -> float:
    position = [min(max(value, 0.0), 1.0) * level.scale + 0.5 for value in point]
    cell = [math.floor(value) for value in position]
    total = 0.0
    for corner in range(8):
        weight, vertex = 1.0, []
        for k in range(3):
            fraction, upper = position[k] - cell[k], corner >> k & 1
            weight *= fraction if upper else 1 - fraction
            vertex.append(cell[k] + upper)
        total += weight * entries[number_written_out(tuple(vertex), level.resolution, level.size)][feature]
    return total


POINT = st.tuples(*[st.one_of(st.floats(-0.3, 1.3), st.sampled_from([0.0, 0.5, 1.0, 1 / 3]))] * 3)


@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(POINT, max_size=4),
    n_levels=st.integers(1, 5),
    n_features=st.sampled_from([1, 2, 4]),
    log2_table_size=st.integers(3, 12),
    base=st.integers(2, 20),
    times=st.integers(1, 64),
)
def test_features_are_those_of_the_published_formulas(points, n_levels, n_features, log2_table_size, base, times):
    grid = build(n_levels, n_features, log2_table_size, base, base * times)
    table = torch.randn(grid.n_entries, n_features, dtype=torch.float64)
    expected = [
        [
            feature_written_out(point, level, table[level.offset : level.offset + level.size].tolist(), feature)
            for level in grid.levels
            for feature in range(n_features)
        ]
        for point in points
    ]
    x = torch.tensor(points, dtype=torch.float64).reshape(-1, 3)
    expected = torch.tensor(expected, dtype=torch.float64).reshape(len(points), grid.out_dim)
    torch.testing.assert_close(reference.encode(x, table, grid), expected, atol=1e-9, rtol=0)


def test_published_sizes_grow_by_the_published_factors():
    blender, surfaces = build(16, 2, 19, 16, 4096), build(16, 2, 19, 32, 2048)
    for grid, base, growth in ((blender, 16, 1.44727), (surfaces, 32, 1.31951)):
        for index, level in enumerate(grid.levels):
            assert level.scale == pytest.approx(base * growth**index - 1, rel=2e-4)
            assert level.resolution == math.ceil(level.scale) + 1
            assert level.hashed == (level.resolution**3 > 2**19)
    assert [level.hashed for level in blender.levels] == [False] * 5 + [True] * 11
    assert blender.levels[-1].resolution == 4096


def in_c(n_levels: int, base: int, finest: int) -> list[int]:
    """Resolutions computed as in tiny-cuda-nn's host code, `exp2f(level * log2f(growth)) * base - 1`, in C's float
    type."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    for name in ("exp2f", "log2f"):
        function = getattr(libm, name)
        function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    growth = np.float32((finest / base) ** (1 / max(n_levels - 1, 1)))
    log2_growth = np.float32(libm.log2f(growth))
    powers = [np.float32(libm.exp2f(np.float32(level) * log2_growth)) for level in range(n_levels)]
    return [int(np.ceil(power * np.float32(base) - np.float32(1))) + 1 for power in powers]


@pytest.mark.parametrize(
    "sizes",
    [(16, 32, 2048), (16, 16, 4096), (8, 16, 512), (8, 16, 256), (10, 16, 2048), (7, 3, 90), (1, 16, 16), (4, 4, 32)],
)
def test_resolutions_are_those_of_tiny_cuda_nn_where_a_level_is_whole(sizes):
    n_levels, base, finest = sizes
    assert [level.resolution for level in build(n_levels, 2, 24, base, finest).levels] == in_c(*sizes)


def test_resolutions_recorded_from_tiny_cuda_nn():
    """The grid is that of instant-nsr-pl for surfaces. Its base · growth^l is 128, 512 and 2048 on levels 5, 10 and
    15."""
    found = [level.resolution for level in build(16, 2, 24, 32, 2048).levels]
    assert [found[5], found[10], found[15]] == [129, 513, 2049]
    dense = build(16, 2, 24, 32, 2048).levels[5]
    assert not dense.hashed and dense.size == 129**3 + 7 and dense.size % 8 == 0


def test_levels_fill_the_table_without_gaps():
    grid = build(7, 2, 9, 3, 90)
    ends = [0]
    for level in grid.levels:
        assert level.offset == ends[-1]
        assert level.size % 8 == 0
        ends.append(level.offset + level.size)
    assert grid.n_entries == ends[-1]


@pytest.fixture
def smooth():
    """Return points and a table. At every level, the points are so far inside their cells that steps of 1e-6 stay in
    the cell."""
    grid = build(3, 2, 6, 2, 9)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(200, 3, generator=generator, dtype=torch.float64)
    clear = torch.ones(200, dtype=torch.bool)
    for level in grid.levels:
        fraction = (x * level.scale + 0.5) % 1
        clear &= ((fraction > 1e-3) & (fraction < 1 - 1e-3)).all(-1)
    outside = torch.tensor([[-0.2, 0.31, 0.62], [0.43, 1.7, 1.1]], dtype=torch.float64)
    points = torch.cat([x[clear][:4], outside]).requires_grad_()
    table = torch.randn(grid.n_entries, 2, generator=generator, dtype=torch.float64).requires_grad_()
    return points, table, grid


def test_first_and_second_derivatives_equal_finite_differences(smooth):
    x, table, grid = smooth
    assert torch.autograd.gradcheck(lambda x, table: reference.encode(x, table, grid), (x, table))
    assert torch.autograd.gradgradcheck(lambda x, table: reference.encode(x, table, grid), (x, table))


def test_outside_the_box_positions_are_clamped_and_have_no_gradient():
    grid = build(4, 2, 8, 4, 30)
    table = torch.randn(grid.n_entries, 2)
    x = torch.tensor([[1.5, 0.4, -3.0]], requires_grad=True)
    y = reference.encode(x, table, grid)
    torch.testing.assert_close(y, reference.encode(torch.tensor([[1.0, 0.4, 0.0]]), table, grid), atol=0, rtol=0)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient[0, 0] == 0
    assert gradient[0, 2] == 0
    assert gradient[0, 1] != 0
