"""Features between rows [M, 2P], as encodings give them, and pairs level by level [P, M], as kernels work on them.

In rows, the pairs of one level lie far apart: written or read level by level, each would claim a line of the cache of
its own, which takes longer than to fetch the entries. So a chunk's features are turned, eight pairs of eight points at
a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from radfield_core.ops import inlined, kernel
from radfield_hash import lines, pair

NONE, TWO, EIGHT = np.uint64(0), np.uint64(2), np.uint64(8)


@kernel
def load_features(rows: Any, start: int, count: int, first: int, last: int, turned: Any) -> None:
    """Pairs first to last of the rows [count, 2P] from `start` on, as turned [P, chunk] pairs."""
    width, stride = uint64(rows.shape[1]), uint64(turned.shape[1])
    source, target = uint64(start) * width + TWO * uint64(first), uint64(first) * stride
    for i in range(NONE, uint64(count), EIGHT):
        points, pairs = min(EIGHT, uint64(count) - i), uint64(last - first)
        _transpose(rows, source + i * width, width, points, turned, target + TWO * i, stride, pairs, False)


@kernel
def store_features(turned: Any, start: int, count: int, rows: Any, streamed: bool) -> None:
    """The inverse of `load_features`, for all pairs; streamed past the cache, for which rows must fill whole lines."""
    width, stride = uint64(rows.shape[1]), uint64(turned.shape[1])
    for i in range(NONE, uint64(count), EIGHT):
        points, pairs = min(EIGHT, uint64(count) - i), uint64(turned.shape[0])
        target = (uint64(start) + i) * width
        _transpose(turned, TWO * i, stride, pairs, rows, target, width, points, streamed)


@inlined
def _transpose(
    source: Any, at: Any, stride: Any, n: Any, target: Any, to: Any, pitch: Any, m: Any, streamed: bool
) -> None:
    """Pairs [n, m] from number `at` of the source on, rows `stride` numbers apart, to the target's as [m, n]."""
    whole_n, whole_m = n - n % EIGHT, m - m % EIGHT
    for i in range(NONE, whole_n, EIGHT):
        for j in range(NONE, whole_m, EIGHT):
            here, there = at + i * stride + TWO * j, to + j * pitch + TWO * i
            if streamed:
                lines.stream(source, here, stride, target, there, pitch)
            else:
                lines.turn(source, here, stride, target, there, pitch)
    for j in range(m):
        for i in range(whole_n if j < whole_m else NONE, n):
            pair.store(target, to + j * pitch + TWO * i, pair.load(source, at + i * stride + TWO * j))
