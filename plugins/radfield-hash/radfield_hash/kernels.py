"""The four numba kernels of the encoding: values, table gradient, position gradient and second derivatives.

All four kernels take contiguous float32 arrays: points x [M, 3], features [M, L·F] and the flat table [n_entries · F].
The grid is given as levels [L, 4] (resolution, offset, size, hashed), scales [L] and F. F must be even, because
features are processed in pairs.

A chunk is a number of points that are processed together. `workspace` holds the data of one chunk: features as
transposed pairs [L·F/2, chunk + PAD], and points, directions and sums each as [3, chunk + BLOCK], because cells are
looked up in whole blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from radfield_core.ops import kernel
from radfield_hash.cell_lookup import (
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B7,
    BLOCK,
    direction_weights,
    load_directions,
    load_points,
    locate,
    store_gradient,
    value_weights,
)
from radfield_hash.simd import cache_line, pair
from radfield_hash.simd.transpose import load_features, store_features

TWO = np.uint64(2)
PAD = 8  # without padding, all pairs of a point could fall into the same set of the cache
LINE = np.uint64(16)  # number of float32 values in a cache line; it divides the size of each level
ZERO = np.float32(0.0)


@kernel
def values(
    x: Any, y: Any, workspace: Any, table: Any, levels: Any, scales: Any, n_features: int, streamed: bool
) -> None:
    """Write the features of x to y [M, L·F]. If `streamed` is set, the writes bypass the cache."""
    pairs, points, _, _ = workspace
    chunk = pairs.shape[1] // 2 - PAD
    index, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, index, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = pairs[(level * n_features + p) // 2, 2 * begin :]
                    _interpolate(entries, index, fraction, size, features)
        store_features(pairs, start, count, y, streamed)
        spread_nan(x, y, start, start + count)


@kernel
def table_gradient(
    x: Any, v: Any, g: Any, directed: bool, workspace: Any, sums: Any, separate: bool, table: Any, levels: Any,
    scales: Any, n_features: int, first: int, last: int,
) -> None:  # fmt: skip
    """Write the gradient of levels first … last − 1 to the table.

    The gradient is Σ w_c g, or Σ ⟨v, ∂w_c/∂x⟩ g if `directed` is set. There must be at least one point.

    The gradient of a level is summed in the array `sums`, which is usually the table itself. If `separate` is set,
    `sums` is an array of zeros as large as the largest level. The sums of each level are then streamed to the table and
    reset to zero. In this case, all points must be in one chunk.
    """
    pairs, points, directions, _ = workspace
    chunk = pairs.shape[1] // 2 - PAD
    index, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    weight = np.empty(8 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_features(g, start, count, first * n_features // 2, last * n_features // 2, pairs)
        if directed:
            load_directions(x, v, start, count, directions)
        for level in range(first, last):
            offset, size = n_features * levels[level, 1], n_features * levels[level, 2]
            if start == 0 and not separate:
                _clear(table, offset, size)
            entries = sums[0 if separate else offset :]
            for begin in range(0, count, BLOCK):
                locate(points, begin, levels, level, scales[level], n_features // 2, index, fraction)
                if directed:
                    direction_weights(fraction, directions, begin, scales[level], weight)
                else:
                    value_weights(fraction, weight)
                for p in range(0, n_features, 2):
                    features = pairs[(level * n_features + p) // 2, 2 * begin :]
                    _scatter(entries[p:], index, weight, min(BLOCK, count - begin), features)
            if separate:
                _stream_out(sums, size, table, offset)


@kernel
def position_gradient(
    x: Any, g: Any, result: Any, workspace: Any, table: Any, levels: Any, scales: Any, n_features: int
) -> None:
    """Write the gradient ∂⟨g, y⟩/∂x to result [M, 3]."""
    pairs, points, _, sums = workspace
    chunk = pairs.shape[1] // 2 - PAD
    index, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_features(g, start, count, 0, g.shape[1] // 2, pairs)
        sums[:] = ZERO
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, index, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = pairs[(level * n_features + p) // 2, 2 * begin :]
                    _add_slopes(entries, index, fraction, scales[level], size, features, sums[:, begin:])
        store_gradient(x, sums, start, count, result)


@kernel
def second(
    x: Any, g: Any, v: Any, by_g: Any, by_x: Any, workspace: Any, table: Any, levels: Any, scales: Any, n_features: int
) -> None:
    """Write the gradients of ⟨v, ∂⟨g, y⟩/∂x⟩ with respect to g and x to by_g [M, L·F] and by_x [M, 3]."""
    pairs, points, directions, sums = workspace
    chunk = pairs.shape[1] // 2 - PAD
    index, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_directions(x, v, start, count, directions)
        load_features(g, start, count, 0, g.shape[1] // 2, pairs)
        sums[:] = ZERO
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, index, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = pairs[(level * n_features + p) // 2, 2 * begin :]
                    along, total = directions[:, begin:], sums[:, begin:]
                    _second_derivatives(entries, index, fraction, scales[level], size, features, along, total)
        store_features(pairs, start, count, by_g, False)
        store_gradient(x, sums, start, count, by_x)


@kernel
def _clear(table: Any, start: int, count: int) -> None:
    for i in range(start, start + count):
        table[i] = ZERO


@kernel
def _stream_out(sums: Any, size: int, table: Any, offset: int) -> None:
    for i in range(uint64(0), uint64(size), LINE):
        cache_line.move_streamed(sums, i, table, uint64(offset) + i)


@kernel
def _entry(entries: Any, index: Any, i: Any) -> Any:
    return pair.load(entries, uint64(index[i]) * TWO)


@kernel
def _lerp(a: Any, b: Any, t: Any) -> Any:
    return pair.add(a, pair.scale(pair.sub(b, a), t))


@kernel
def _along_z(entries: Any, index: Any, i: int) -> Any:
    """Return the pairs a and b − a for each of the four cell edges along z.

    Here a is the entry at the start of the edge, and b is the entry at its end. Edges are ordered with x varying
    fastest.
    """
    a, b = _entry(entries, index, i), _entry(entries, index, i + B1)
    c, d = _entry(entries, index, i + B2), _entry(entries, index, i + B3)
    return (
        a, pair.sub(_entry(entries, index, i + B4), a), b, pair.sub(_entry(entries, index, i + B5), b),
        c, pair.sub(_entry(entries, index, i + B6), c), d, pair.sub(_entry(entries, index, i + B7), d),
    )  # fmt: skip


@kernel
def _interpolate(entries: Any, index: Any, fraction: Any, size: int, features: Any) -> None:
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, index, i)
        a, b = pair.add(a, pair.scale(za, fz)), pair.add(b, pair.scale(zb, fz))
        c, d = pair.add(c, pair.scale(zc, fz)), pair.add(d, pair.scale(zd, fz))
        pair.store(features, uint64(2 * i), _lerp(_lerp(a, c, fy), _lerp(b, d, fy), fx))


@kernel
def _scatter(entries: Any, index: Any, weight: Any, size: int, features: Any) -> None:
    for i in range(size):
        g = pair.load(features, uint64(2 * i))
        for c in range(8):
            at = uint64(index[i + c * BLOCK]) * TWO
            pair.store(entries, at, pair.add(pair.load(entries, at), pair.scale(g, weight[i + c * BLOCK])))


@kernel
def _add_slopes(entries: Any, index: Any, fraction: Any, scale: Any, size: int, features: Any, sums: Any) -> None:
    """Add scale · ∂⟨g, pair⟩/∂f to `sums`. Here f are the fractions within the cell."""
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, index, i)
        a, b = pair.add(a, pair.scale(za, fz)), pair.add(b, pair.scale(zb, fz))
        c, d = pair.add(c, pair.scale(zc, fz)), pair.add(d, pair.scale(zd, fz))
        g = pair.scale(pair.load(features, uint64(2 * i)), scale)
        sums[0, i] += pair.dot(g, _lerp(pair.sub(b, a), pair.sub(d, c), fy))
        sums[1, i] += pair.dot(g, _lerp(pair.sub(c, a), pair.sub(d, b), fx))
        sums[2, i] += pair.dot(g, _lerp(_lerp(za, zb, fx), _lerp(zc, zd, fx), fy))


@kernel
def _second_derivatives(
    entries: Any, index: Any, fraction: Any, scale: Any, size: int, features: Any, directions: Any, sums: Any
) -> None:
    """Compute second derivatives along directions u, with respect to the fractions f within the cell.

    `features` holds pairs of g. Each pair is replaced by scale · Σ_k u_k ∂pair/∂f_k. The term scale² · Σ_k u_k ∂²⟨g,
    pair⟩/∂f_j∂f_k is added to row j of `sums`.
    """
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        ux, uy, uz = scale * directions[0, i], scale * directions[1, i], scale * directions[2, i]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, index, i)
        a, b = pair.add(a, pair.scale(za, fz)), pair.add(b, pair.scale(zb, fz))
        c, d = pair.add(c, pair.scale(zc, fz)), pair.add(d, pair.scale(zd, fz))
        x0, x1, y0 = pair.sub(b, a), pair.sub(d, c), pair.sub(c, a)
        z0, z1 = _lerp(za, zb, fx), _lerp(zc, zd, fx)
        by_x, by_y, by_z = _lerp(x0, x1, fy), _lerp(y0, pair.sub(d, b), fx), _lerp(z0, z1, fy)
        slope = pair.add(pair.add(pair.scale(by_x, ux), pair.scale(by_y, uy)), pair.scale(by_z, uz))
        g = pair.scale(pair.load(features, uint64(2 * i)), scale)
        xy = pair.dot(g, pair.sub(x1, x0))
        xz = pair.dot(g, _lerp(pair.sub(zb, za), pair.sub(zd, zc), fy))
        yz = pair.dot(g, pair.sub(z1, z0))
        pair.store(features, uint64(2 * i), slope)
        sums[0, i] += uy * xy + uz * xz
        sums[1, i] += ux * xy + uz * yz
        sums[2, i] += ux * xz + uy * yz


@kernel
def spread_nan(x: Any, y: Any, start: int, stop: int) -> None:
    """For each of the points start … stop − 1 that has a NaN coordinate, set all features to NaN."""
    for i in range(start, stop):
        total = x[i, 0] + x[i, 1] + x[i, 2]
        if total != total and (x[i, 0] != x[i, 0] or x[i, 1] != x[i, 1] or x[i, 2] != x[i, 2]):
            y[i] = np.nan
