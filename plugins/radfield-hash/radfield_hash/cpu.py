"""The encoding on a CPU, compiled by numba: kernels of `reference`, same derivatives, float32.

Points are taken in large chunks; within a chunk level by level, so that one level's table is in use at a time; within a
level in blocks, of which first all entry numbers are computed and then all entries fetched. The gradient by the table
is summed by one thread per level in the order of the points: no atomics, and the same bits every time.
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

from radfield_hash import autograd, kernels, lanes, reference
from radfield_hash.levels import Grid
from radfield_hash.memory import LINE, empty, outgrows_cache, room

# Of features, per thread. The more points in a chunk, the more of a level's table stays in cache from one to the next.
CHUNK_BYTES = 1 << 25


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Features [M, L·F] of x [M, 3] from the table [n_entries, F]. Other dtypes than float32 run the reference."""
    if x.dtype != torch.float32 or table.dtype != torch.float32:
        return reference.encode(x, table, grid)
    return autograd.encode(x, table, grid, _KERNELS)


def warm_up() -> None:
    """Compile or load the kernels that every training step uses, and run them on one point."""
    reference.check(encode, "cpu")


class _Numba:
    """The four kernels on tensors; see `autograd.Kernels`."""

    def values(self, x: Tensor, table: Tensor, grid: Grid) -> Tensor:
        y = empty(x.shape[0], grid.out_dim)
        arrays, entries, geometry = _arrays(x, y), _flat(table), _geometry(grid)
        kernel, streamed = _values(), outgrows_cache(y) and grid.out_dim % LINE == 0
        _parallel(
            lambda rows: kernel(*_cut(arrays, rows), _room(grid, rows[1] - rows[0]), entries, *geometry, streamed),
            _point_ranges(x.shape[0]),
        )
        return y

    def table_gradient(self, x: Tensor, g: Tensor, grid: Grid, v: Tensor | None = None) -> Tensor:
        result = empty(grid.n_entries, grid.n_features)
        if not x.shape[0]:
            return result.zero_()
        arrays, entries, geometry = _arrays(x, x if v is None else v, g), _flat(result), _geometry(grid)
        directed, apart = v is not None, outgrows_cache(result) and x.shape[0] <= _chunk(grid)

        def run(levels: tuple[int, int]) -> None:
            chunk, sums = _room(grid, x.shape[0]), _sums(grid) if apart else entries
            kernels.table_gradient(*arrays, directed, chunk, sums, apart, entries, *geometry, *levels)

        _parallel(run, _levels(grid))
        return result

    def position_gradient(self, x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> Tensor:
        p = empty(x.shape[0], 3)
        arrays, entries, geometry = _arrays(x, g, p), _flat(table), _geometry(grid)
        _parallel(
            lambda rows: kernels.position_gradient(
                *_cut(arrays, rows), _room(grid, rows[1] - rows[0]), entries, *geometry
            ),
            _point_ranges(x.shape[0]),
        )
        return p

    def second(self, x: Tensor, table: Tensor, g: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        by_g, by_x = empty(*g.shape), empty(*x.shape)
        arrays, entries, geometry = _arrays(x, g, v, by_g, by_x), _flat(table), _geometry(grid)
        _parallel(
            lambda rows: kernels.second(*_cut(arrays, rows), _room(grid, rows[1] - rows[0]), entries, *geometry),
            _point_ranges(x.shape[0]),
        )
        return by_g, by_x


_KERNELS = _Numba()


@cache
def _values() -> Any:
    """The kernel of the values that is faster here; the other is not even compiled."""
    if lanes.usable():
        from radfield_hash import wide

        return wide.values
    return kernels.values


def _room(grid: Grid, n: int) -> tuple[Any, ...]:
    """Room for a chunk of up to n points; see `kernels`."""
    chunk = max(1, min(n, _chunk(grid)))
    vectors = (3, chunk + kernels.BLOCK)
    return (
        room("features", grid.out_dim // 2, 2 * (chunk + kernels.PAD)),
        room("points", *vectors), room("directions", *vectors), room("sums", *vectors),
    )  # fmt: skip


def _chunk(grid: Grid) -> int:
    """How many points are taken at a time, at most."""
    return CHUNK_BYTES // (4 * grid.out_dim)


def _sums(grid: Grid) -> Any:
    """Zeros for the gradient of the largest level; see `kernels.table_gradient`."""
    return room("sums of a level", max(level.size for level in grid.levels) * grid.n_features)


def _arrays(*tensors: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _flat(table: Tensor) -> Any:
    return table.detach().numpy().reshape(-1)


def _cut(arrays: tuple[Any, ...], rows: tuple[int, int]) -> tuple[Any, ...]:
    return tuple(array[slice(*rows)] for array in arrays)


@cache
def _geometry(grid: Grid) -> tuple[Any, Any, int]:
    """What kernels take of a grid: resolution, offset, size, hashed [L, 4]; scales [L]; F."""
    rows = [(level.resolution, level.offset, level.size, level.hashed) for level in grid.levels]
    scales = np.array([level.scale for level in grid.levels], np.float32)
    return np.array(rows, np.int64), scales, grid.n_features


def _point_ranges(n: int) -> list[tuple[int, int]]:
    """The points, cut into one range per thread."""
    parts = max(1, min(torch.get_num_threads(), n // kernels.BLOCK))
    bounds = [n * part // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def _levels(grid: Grid) -> list[tuple[int, int]]:
    """The levels, together for one thread or one by one for several."""
    n = len(grid.levels)
    return [(0, n)] if torch.get_num_threads() == 1 else [(level, level + 1) for level in reversed(range(n))]


def _parallel(run: Callable[[tuple[int, int]], object], parts: Iterable[tuple[int, int]]) -> None:
    """Run all parts, on as many threads as torch has been given; kernels release the GIL."""
    threads = torch.get_num_threads()
    if threads == 1:
        for part in parts:
            run(part)
    else:
        list(_pool(threads).map(run, parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="radfield-hash")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
