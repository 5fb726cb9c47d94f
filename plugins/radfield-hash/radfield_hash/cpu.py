"""CPU backend of the encoding, compiled by numba. It computes the same values and derivatives as the torch reference.

All numbers are float32. Points are processed in large chunks. A chunk is processed level by level, so that only one
level's part of the table is in use at a time. Within a level, points are processed in blocks: all entry indices of a
block are computed before the entries are fetched. One thread sums the table gradient of a level in the order of the
points. So the sum needs no atomics, and is the same to the last bit in every run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_hash import autograd, kernels, reference
from radfield_hash.buffers import LINE, empty, outgrows_cache, workspace
from radfield_hash.cell_lookup import BLOCK
from radfield_hash.levels import Grid
from radfield_hash.simd import lanes

# Memory per thread for the features of a chunk. In a larger chunk, more points use a level while it is in the cache.
CHUNK_BYTES = 1 << 25


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Return the features [M, L·F] of positions x [M, 3], computed from the table [n_entries, F].

    If x or the table is float64, the torch reference computes the features.
    """
    if x.dtype != torch.float32 or table.dtype != torch.float32:
        return reference.encode(x, table, grid)
    return autograd.encode(x, table, grid, _KERNELS)


def warm_up() -> None:
    """Self-test: run the kernels of a training step on a single point. This also compiles the kernels or loads them
    from the cache.
    """
    reference.check(encode, "cpu")


class _Numba:
    """The four numba kernels, applied to tensors. See `autograd.Kernels`."""

    def values(self, x: Tensor, table: Tensor, grid: Grid) -> Tensor:
        y = empty(x.shape[0], grid.out_dim)
        arrays, entries, geometry = _arrays(x, y), _flat(table), _geometry(grid)
        kernel, streamed = _values(), outgrows_cache(y) and grid.out_dim % LINE == 0
        _parallel(
            lambda rows: kernel(
                *_slices(arrays, rows), _workspace(grid, rows[1] - rows[0]), entries, *geometry, streamed
            ),
            _point_ranges(x.shape[0]),
        )
        return y

    def table_gradient(self, x: Tensor, g: Tensor, grid: Grid, v: Tensor | None = None) -> Tensor:
        result = empty(grid.n_entries, grid.n_features)
        if not x.shape[0]:
            return result.zero_()
        arrays, entries, geometry = _arrays(x, x if v is None else v, g), _flat(result), _geometry(grid)
        directed, separate = v is not None, outgrows_cache(result) and x.shape[0] <= _chunk(grid)

        def run(levels: tuple[int, int]) -> None:
            chunk, sums = _workspace(grid, x.shape[0]), _level_sums(grid) if separate else entries
            kernels.table_gradient(*arrays, directed, chunk, sums, separate, entries, *geometry, *levels)

        _parallel(run, _level_ranges(grid))
        return result

    def position_gradient(self, x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> Tensor:
        p = empty(x.shape[0], 3)
        arrays, entries, geometry = _arrays(x, g, p), _flat(table), _geometry(grid)
        _parallel(
            lambda rows: kernels.position_gradient(
                *_slices(arrays, rows), _workspace(grid, rows[1] - rows[0]), entries, *geometry
            ),
            _point_ranges(x.shape[0]),
        )
        return p

    def second(self, x: Tensor, table: Tensor, g: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        by_g, by_x = empty(*g.shape), empty(*x.shape)
        arrays, entries, geometry = _arrays(x, g, v, by_g, by_x), _flat(table), _geometry(grid)
        _parallel(
            lambda rows: kernels.second(
                *_slices(arrays, rows), _workspace(grid, rows[1] - rows[0]), entries, *geometry
            ),
            _point_ranges(x.shape[0]),
        )
        return by_g, by_x


_KERNELS = _Numba()


@cache
def _values() -> Any:
    """Return one of two kernels for values: the faster one on this processor. The other is not compiled."""
    if lanes.faster():
        from radfield_hash import values_avx512

        return values_avx512.values
    return kernels.values


def _workspace(grid: Grid, n: int) -> tuple[Any, ...]:
    """Return this thread's workspace for a chunk of up to n points. Module `kernels` describes the workspace."""
    chunk = max(1, min(n, _chunk(grid)))
    pairs = workspace("pairs", grid.out_dim // 2, 2 * (chunk + kernels.PAD))
    return pairs, *(workspace(name, 3, chunk + BLOCK) for name in ("points", "directions", "sums"))


def _chunk(grid: Grid) -> int:
    """Return the largest number of points in a chunk."""
    return CHUNK_BYTES // (4 * grid.out_dim)


def _level_sums(grid: Grid) -> Any:
    """Return an array of zeros that is large enough for the gradient of any level. See `kernels.table_gradient`."""
    return workspace("level sums", max(level.size for level in grid.levels) * grid.n_features)


def _arrays(*tensors: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _flat(table: Tensor) -> Any:
    return table.detach().numpy().reshape(-1)


def _slices(arrays: tuple[Any, ...], rows: tuple[int, int]) -> tuple[Any, ...]:
    return tuple(array[slice(*rows)] for array in arrays)


@cache
def _geometry(grid: Grid) -> tuple[Any, Any, int]:
    """Return the arguments that describe the grid to the kernels: levels [L, 4], scales [L] and F.

    A row of `levels` holds resolution, offset, size and hashed.
    """
    rows = [(level.resolution, level.offset, level.size, level.hashed) for level in grid.levels]
    scales = np.array([level.scale for level in grid.levels], np.float32)
    return np.array(rows, np.int64), scales, grid.n_features


def _point_ranges(n: int) -> list[tuple[int, int]]:
    """Divide n points into ranges, one range per thread."""
    parts = max(1, min(torch.get_num_threads(), n // BLOCK))
    bounds = [n * part // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def _level_ranges(grid: Grid) -> list[tuple[int, int]]:
    """Divide the levels into ranges: one range for a single thread, or one range per level for several threads."""
    n = len(grid.levels)
    return [(0, n)] if torch.get_num_threads() == 1 else [(level, level + 1) for level in reversed(range(n))]


def _parallel(run: Callable[[tuple[int, int]], object], parts: Iterable[tuple[int, int]]) -> None:
    """Run all parts on as many threads as torch uses. Kernels run in parallel, because they release the GIL."""
    threads = torch.get_num_threads()
    if threads == 1:
        for part in parts:
            run(part)
    else:
        list(_pool(threads).map(run, parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="radfield-hash")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child process has no threads, so it needs a new pool
