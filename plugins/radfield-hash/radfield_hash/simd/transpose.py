"""Transposition of features between rows and pairs.

The encoding's output has one row per point: [M, 2P]. In it, the features of one level are far apart, in different rows.
A kernel that wrote directly to the rows would touch one cache line per point, which takes longer than fetching the
entries. Instead, kernels work level by level on transposed pairs [P, M]. When all levels are done, all features of a
chunk of points are transposed, in blocks of eight pairs by eight points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from radfield_core.ops import inlined, kernel
from radfield_hash.simd import cache_line, pair

ZERO, TWO, EIGHT = np.uint64(0), np.uint64(2), np.uint64(8)


@kernel
def load_features(rows: Any, start: int, count: int, first: int, last: int, pairs: Any) -> None:
    """Copy pairs first … last − 1 of each row to the transposed pairs [P, chunk].

    The copy covers `count` rows, starting at row `start`.
    """
    width, stride = uint64(rows.shape[1]), uint64(pairs.shape[1])
    source, target = uint64(start) * width + TWO * uint64(first), uint64(first) * stride
    for i in range(ZERO, uint64(count), EIGHT):
        n_points, n_pairs = min(EIGHT, uint64(count) - i), uint64(last - first)
        _transpose(rows, source + i * width, width, n_points, pairs, target + TWO * i, stride, n_pairs, False)


@kernel
def store_features(pairs: Any, start: int, count: int, rows: Any, streamed: bool) -> None:
    """Copy all transposed pairs [P, chunk] to `count` rows, starting at row `start`.

    If `streamed` is set, the writes bypass the cache. Rows must then consist of whole cache lines.
    """
    width, stride = uint64(rows.shape[1]), uint64(pairs.shape[1])
    for i in range(ZERO, uint64(count), EIGHT):
        n_points, n_pairs = min(EIGHT, uint64(count) - i), uint64(pairs.shape[0])
        target = (uint64(start) + i) * width
        _transpose(pairs, TWO * i, stride, n_pairs, rows, target, width, n_points, streamed)


@inlined
def _transpose(
    source: Any, start: Any, stride: Any, n: Any, target: Any, target_start: Any, target_stride: Any, m: Any,
    streamed: bool,
) -> None:  # fmt: skip
    """Transpose the pairs [n, m] of `source` to pairs [m, n] of `target`.

    Starts and strides are in units of float32 values.
    """
    whole_n, whole_m = n - n % EIGHT, m - m % EIGHT
    for i in range(ZERO, whole_n, EIGHT):
        for j in range(ZERO, whole_m, EIGHT):
            here, there = start + i * stride + TWO * j, target_start + j * target_stride + TWO * i
            if streamed:
                cache_line.transpose_streamed(source, here, stride, target, there, target_stride)
            else:
                cache_line.transpose(source, here, stride, target, there, target_stride)
    for j in range(m):
        for i in range(whole_n if j < whole_m else ZERO, n):
            value = pair.load(source, start + i * stride + TWO * j)
            pair.store(target, target_start + j * target_stride + TWO * i, value)
