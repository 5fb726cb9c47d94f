"""The four numba kernels of the encoding, on arrays: values, table gradient, position gradient and second derivatives.

All take contiguous float32 arrays of points x [M, 3] and features [M, L·F], the flat table [n_entries · F], and of the
grid: levels [L, 4] (resolution, offset, size, hashed), scales [L] and F (even). Features are treated in pairs.

`room` is for a chunk's features, turned to pairs level by level [L·F/2, chunk + PAD], and for its points, directions
and sums [3, chunk + BLOCK], because blocks are located whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from radfield_core.ops import kernel
from radfield_hash import lines, pair
from radfield_hash.cells import (
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
    store_inside,
    value_weights,
)  # fmt: skip
from radfield_hash.turned import load_features, store_features

TWO = np.uint64(2)
PAD = 8  # so that a point's pairs do not all fall into one set of the cache
LINE = np.uint64(16)  # numbers, which a level has a multiple of
ZERO = np.float32(0.0)


@kernel
def values(x: Any, y: Any, room: Any, table: Any, levels: Any, scales: Any, n_features: int, streamed: bool) -> None:
    """Features y [M, L·F], written, and if streamed past the cache."""
    turned, points, _, _ = room
    chunk = turned.shape[1] // 2 - PAD
    number, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, number, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = turned[(level * n_features + p) // 2, 2 * begin :]
                    _interpolate(entries, number, fraction, size, features)
        store_features(turned, start, count, y, streamed)
        spread_nan(x, y, start, start + count)


@kernel
def table_gradient(
    x: Any, v: Any, g: Any, directed: bool, room: Any, sums: Any, apart: bool, table: Any, levels: Any, scales: Any,
    n_features: int, first: int, last: int,
) -> None:  # fmt: skip
    """Σ w_c g, or if directed Σ ⟨v, ∂w_c/∂x⟩ g, written to the table's levels first to last; of at least one point.

    `sums` is the table itself or, if apart, zeros for the largest level: then a level's sums are streamed to the table,
    and zeros remain. For this all points must be one chunk.
    """
    turned, points, directions, _ = room
    chunk = turned.shape[1] // 2 - PAD
    number, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    weight = np.empty(8 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_features(g, start, count, first * n_features // 2, last * n_features // 2, turned)
        if directed:
            load_directions(x, v, start, count, directions)
        for level in range(first, last):
            place, size = n_features * levels[level, 1], n_features * levels[level, 2]
            if start == 0 and not apart:
                _clear(table, place, size)
            entries = sums[0 if apart else place :]
            for begin in range(0, count, BLOCK):
                locate(points, begin, levels, level, scales[level], n_features // 2, number, fraction)
                if directed:
                    direction_weights(fraction, directions, begin, scales[level], weight)
                else:
                    value_weights(fraction, weight)
                for p in range(0, n_features, 2):
                    features = turned[(level * n_features + p) // 2, 2 * begin :]
                    _scatter(entries[p:], number, weight, min(BLOCK, count - begin), features)
            if apart:
                _stream_out(sums, size, table, place)


@kernel
def position_gradient(
    x: Any, g: Any, result: Any, room: Any, table: Any, levels: Any, scales: Any, n_features: int
) -> None:
    """∂⟨g, y⟩/∂x [M, 3], written."""
    turned, points, _, sums = room
    chunk = turned.shape[1] // 2 - PAD
    number, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_features(g, start, count, 0, g.shape[1] // 2, turned)
        sums[:] = ZERO
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, number, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = turned[(level * n_features + p) // 2, 2 * begin :]
                    _slopes(entries, number, fraction, scales[level], size, features, sums[:, begin:])
        store_inside(x, sums, start, count, result)


@kernel
def second(
    x: Any, g: Any, v: Any, by_g: Any, by_x: Any, room: Any, table: Any, levels: Any, scales: Any, n_features: int
) -> None:
    """Gradients by g [M, L·F] and by x [M, 3] of ⟨v, ∂⟨g, y⟩/∂x⟩, written."""
    turned, points, directions, sums = room
    chunk = turned.shape[1] // 2 - PAD
    number, fraction = np.empty(8 * BLOCK, np.uint32), np.empty(3 * BLOCK, np.float32)
    for start in range(0, x.shape[0], chunk):
        count = min(chunk, x.shape[0] - start)
        load_points(x, start, count, points)
        load_directions(x, v, start, count, directions)
        load_features(g, start, count, 0, g.shape[1] // 2, turned)
        sums[:] = ZERO
        for level in range(levels.shape[0]):
            for begin in range(0, count, BLOCK):
                size = min(BLOCK, count - begin)
                locate(points, begin, levels, level, scales[level], n_features // 2, number, fraction)
                for p in range(0, n_features, 2):
                    entries = table[n_features * levels[level, 1] + p :]
                    features = turned[(level * n_features + p) // 2, 2 * begin :]
                    _bend(
                        entries, number, fraction, scales[level], size, features, directions[:, begin:],
                        sums[:, begin:],
                    )  # fmt: skip
        store_features(turned, start, count, by_g, False)
        store_inside(x, sums, start, count, by_x)


@kernel
def _clear(table: Any, start: int, count: int) -> None:
    for i in range(start, start + count):
        table[i] = ZERO


@kernel
def _stream_out(sums: Any, size: int, table: Any, place: int) -> None:
    for i in range(uint64(0), uint64(size), LINE):
        lines.stream_out(sums, i, table, uint64(place) + i)


@kernel
def _entry(entries: Any, number: Any, place: Any) -> Any:
    return pair.load(entries, uint64(number[place]) * TWO)


@kernel
def _lerp(a: Any, b: Any, t: Any) -> Any:
    return pair.add(a, pair.scale(pair.sub(b, a), t))


@kernel
def _along_z(entries: Any, number: Any, i: int) -> Any:
    """Per edge along z: the entry at its start, and the difference to that at its end; edges by (y, x)."""
    a, b, c, d = (
        _entry(entries, number, i),
        _entry(entries, number, i + B1),
        _entry(entries, number, i + B2),
        _entry(entries, number, i + B3),
    )
    return (
        a, pair.sub(_entry(entries, number, i + B4), a), b, pair.sub(_entry(entries, number, i + B5), b),
        c, pair.sub(_entry(entries, number, i + B6), c), d, pair.sub(_entry(entries, number, i + B7), d),
    )  # fmt: skip


@kernel
def _interpolate(entries: Any, number: Any, fraction: Any, size: int, features: Any) -> None:
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, number, i)
        a, b = pair.add(a, pair.scale(za, fz)), pair.add(b, pair.scale(zb, fz))
        c, d = pair.add(c, pair.scale(zc, fz)), pair.add(d, pair.scale(zd, fz))
        pair.store(features, uint64(2 * i), _lerp(_lerp(a, c, fy), _lerp(b, d, fy), fx))


@kernel
def _scatter(entries: Any, number: Any, weight: Any, size: int, features: Any) -> None:
    for i in range(size):
        g = pair.load(features, uint64(2 * i))
        for c in range(8):
            at = uint64(number[i + c * BLOCK]) * TWO
            pair.store(entries, at, pair.add(pair.load(entries, at), pair.scale(g, weight[i + c * BLOCK])))


@kernel
def _slopes(entries: Any, number: Any, fraction: Any, scale: Any, size: int, features: Any, sums: Any) -> None:
    """Adds scale · ∂⟨g, pair⟩/∂f to the sums."""
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, number, i)
        a, b = pair.add(a, pair.scale(za, fz)), pair.add(b, pair.scale(zb, fz))
        c, d = pair.add(c, pair.scale(zc, fz)), pair.add(d, pair.scale(zd, fz))
        g = pair.scale(pair.load(features, uint64(2 * i)), scale)
        sums[0, i] += pair.dot(g, _lerp(pair.sub(b, a), pair.sub(d, c), fy))
        sums[1, i] += pair.dot(g, _lerp(pair.sub(c, a), pair.sub(d, b), fx))
        sums[2, i] += pair.dot(g, _lerp(_lerp(za, zb, fx), _lerp(zc, zd, fx), fy))


@kernel
def _bend(
    entries: Any, number: Any, fraction: Any, scale: Any, size: int, features: Any, directions: Any, sums: Any
) -> None:
    """Writes scale · Σ_k u_k ∂pair/∂f_k to the slopes, and adds scale² · Σ_k u_k ∂²⟨g, pair⟩/∂f_j∂f_k to the sums."""
    for i in range(size):
        fx, fy, fz = fraction[i], fraction[i + B1], fraction[i + B2]
        ux, uy, uz = scale * directions[0, i], scale * directions[1, i], scale * directions[2, i]
        a, za, b, zb, c, zc, d, zd = _along_z(entries, number, i)
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
    """Makes the features of points that have a NaN NaN."""
    for i in range(start, stop):
        total = x[i, 0] + x[i, 1] + x[i, 2]
        if total != total and (x[i, 0] != x[i, 0] or x[i, 1] != x[i, 1] or x[i, 2] != x[i, 2]):
            y[i] = np.nan
