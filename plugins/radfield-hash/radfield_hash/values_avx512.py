"""Values of the encoding, computed for eight points at a time with AVX-512.

The values equal those of `kernels.values` to the last bit. A gather is one instruction that loads from eight addresses.
On processors with fast gathers (see `simd.lanes.faster`), this module takes 0.75 to 0.9 of the time of
`kernels.values`. On other processors, eight single loads are as fast. simd/README.md has more details.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32, uint64

from radfield_core.ops import kernel
from radfield_hash.cell_lookup import HALF, PRIME_Y, PRIME_Z, load_points
from radfield_hash.kernels import PAD, TWO, spread_nan
from radfield_hash.simd import lanes
from radfield_hash.simd.transpose import store_features

EIGHT = np.uint64(8)


@kernel
def values(
    x: Any, y: Any, workspace: Any, table: Any, levels: Any, scales: Any, n_features: int, streamed: bool
) -> None:
    """Write the features of x to y [M, L·F]. The arguments are the same as for `kernels.values`."""
    pairs, points, _, _ = workspace
    chunk = pairs.shape[1] // 2 - PAD
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        for level in range(levels.shape[0]):
            _level(points, count, levels, level, scales[level], n_features, table, pairs)
        store_features(pairs, start, count, y, streamed)
        spread_nan(x, y, start, start + count)


@kernel
def _level(
    points: Any, count: int, levels: Any, level: int, scale: Any, n_features: int, table: Any, pairs: Any
) -> None:
    """Write the transposed pairs of one level.

    Indices are computed as in `cell_lookup.locate`, and sums are in the same order as in `kernels._interpolate`. If the
    number of points is not a multiple of eight, the loop computes a few additional points, for which the workspace has
    space.
    """
    step, half, scales = uint32(n_features // 2), lanes.broadcast(HALF), lanes.broadcast(scale)
    hashed, row = levels[level, 3] != 0, uint32(step * uint32(levels[level, 0]))
    by_y = lanes.broadcast(uint32(step * PRIME_Y) if hashed else row)
    by_z = lanes.broadcast(uint32(step * PRIME_Z) if hashed else uint32(row * (row // step)))
    one, size = lanes.broadcast(step), lanes.broadcast(uint32(step * uint32(levels[level, 2])))
    mask, entries = size - one, uint64(n_features * levels[level, 1])
    stride, pair_stride = uint64(points.shape[1]), uint64(pairs.shape[1])
    target = uint64(level * n_features // 2) * pair_stride
    for i in range(uint64(0), uint64(count), EIGHT):
        x, y = lanes.load(points, i) * scales + half, lanes.load(points, i + stride) * scales + half
        z = lanes.load(points, i + TWO * stride) * scales + half
        ix, iy, iz = lanes.to_int(x), lanes.to_int(y), lanes.to_int(z)
        fx, fy = lanes.repeat(x - lanes.to_float(ix)), lanes.repeat(y - lanes.to_float(iy))
        fz = lanes.repeat(z - lanes.to_float(iz))
        x0, y0, z0 = ix * one, iy * by_y, iz * by_z
        n0, n1, n2, n3, n4, n5, n6, n7 = _corners(x0, x0 + one, y0, y0 + by_y, z0, z0 + by_z, hashed, mask, size)
        for p in range(uint64(0), uint64(n_features), TWO):
            at = entries + p
            e = _lerp(lanes.gather(table, at, n0), lanes.gather(table, at, n4), fz)
            f = _lerp(lanes.gather(table, at, n1), lanes.gather(table, at, n5), fz)
            g = _lerp(lanes.gather(table, at, n2), lanes.gather(table, at, n6), fz)
            h = _lerp(lanes.gather(table, at, n3), lanes.gather(table, at, n7), fz)
            lanes.store(pairs, target + (p // TWO) * pair_stride + TWO * i, _lerp(_lerp(e, g, fy), _lerp(f, h, fy), fx))


@kernel
def _corners(x0: Any, x1: Any, y0: Any, y1: Any, z0: Any, z1: Any, hashed: bool, mask: Any, size: Any) -> Any:
    """Return the pair indices of the eight corners, ordered with x varying fastest.

    The arguments x0 … z1 are the terms of the index at the two ends of the cell along each axis.
    """
    if hashed:
        x0, x1 = x0 & mask, x1 & mask
        a, b, c, d = (y0 ^ z0) & mask, (y1 ^ z0) & mask, (y0 ^ z1) & mask, (y1 ^ z1) & mask
        return x0 ^ a, x1 ^ a, x0 ^ b, x1 ^ b, x0 ^ c, x1 ^ c, x0 ^ d, x1 ^ d
    a, b, c, d = y0 + z0, y1 + z0, y0 + z1, y1 + z1
    return (
        _wrapped(x0 + a, size), _wrapped(x1 + a, size), _wrapped(x0 + b, size), _wrapped(x1 + b, size),
        _wrapped(x0 + c, size), _wrapped(x1 + c, size), _wrapped(x0 + d, size), _wrapped(x1 + d, size),
    )  # fmt: skip


@kernel
def _lerp(a: Any, b: Any, t: Any) -> Any:
    return a + (b - a) * t


@kernel
def _wrapped(total: Any, size: Any) -> Any:
    """Return total mod size, computed as in `cell_lookup._wrapped`."""
    return lanes.minimum(total, total - size)
