"""Cell lookup in one level for blocks of points: entry indices, fractions within the cell, and corner weights.

A block has `BLOCK` points; the last block may be partly filled. A block's indices [8, BLOCK] and fractions [3, BLOCK]
are stored as flat arrays. So every loop here runs over neighboring numbers, and numba compiles it to SIMD. No operation
is fused or reordered. Therefore x·scale + 0.5 is rounded as in the reference, and a point on the border of two cells is
assigned to the same cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, uint32

from radfield_core.ops import inlined, kernel
from radfield_hash.levels import PRIMES

BLOCK = 64
B1, B2, B3, B4, B5, B6, B7 = (np.int64(k * BLOCK) for k in range(1, 8))
PRIME_Y, PRIME_Z = np.uint32(PRIMES[1]), np.uint32(PRIMES[2])
HALF, ONE = np.float32(0.5), np.float32(1.0)


@kernel
def load_points(x: Any, start: int, count: int, points: Any) -> None:
    """Copy `count` rows of x [M, 3], starting at row `start`, to points [3, …].

    Coordinates are clamped to [0, 1], and NaN becomes 0.
    """
    px, py, pz = points[0], points[1], points[2]
    rows = x[start : start + count]
    for i in range(count):
        px[i], py[i], pz[i] = _clamped(rows[i, 0]), _clamped(rows[i, 1]), _clamped(rows[i, 2])


@kernel
def _clamped(value: Any) -> Any:
    value = value if value > float32(0.0) else float32(0.0)
    return value if value < ONE else ONE


@kernel
def load_directions(x: Any, v: Any, start: int, count: int, directions: Any) -> None:
    """Copy `count` rows of v [M, 3], starting at row `start`, to directions [3, …].

    Components along axes on which the point was clamped are set to zero.
    """
    for k in range(3):
        row = directions[k]
        for i in range(count):
            value = x[start + i, k]
            row[i] = v[start + i, k] if value >= float32(0.0) and value <= ONE else float32(0.0)


@kernel
def store_gradient(x: Any, sums: Any, start: int, count: int, result: Any) -> None:
    """Copy sums [3, …] to `count` rows of result [M, 3], starting at row `start`.

    Components along axes on which the point was clamped are set to zero.
    """
    for i in range(count):
        for k in range(3):
            value = x[start + i, k]
            result[start + i, k] = sums[k, i] if value >= float32(0.0) and value <= ONE else float32(0.0)


@inlined
def locate(points: Any, start: int, levels: Any, level: int, scale: Any, pairs: Any, index: Any, fraction: Any) -> None:
    """Look up the cells of one block. Write the pair indices of the eight corners, and the fractions within the cell.

    Corners are numbered with x varying fastest. A pair index is the entry index times `pairs` = F/2, a power of two.
    The terms of the index are multiplied by this factor before they are combined for each corner, because this takes
    fewer multiplications. The compiler moves the branch on `hashed` out of the loop. Two functions, one per branch,
    would be slower, because numba would count references to the arrays.
    """
    px, py, pz = points[0, start : start + BLOCK], points[1, start : start + BLOCK], points[2, start : start + BLOCK]
    hashed, step = levels[level, 3] != 0, uint32(pairs)
    size, row = uint32(step * uint32(levels[level, 2])), uint32(step * uint32(levels[level, 0]))
    by_y = uint32(step * PRIME_Y) if hashed else row
    by_z = uint32(step * PRIME_Z) if hashed else uint32(row * (row // step))
    mask = uint32(size - step)
    for i in range(BLOCK):
        x, y, z = px[i] * scale + HALF, py[i] * scale + HALF, pz[i] * scale + HALF
        ix, iy, iz = int32(x), int32(y), int32(z)
        fraction[i], fraction[i + B1], fraction[i + B2] = x - float32(ix), y - float32(iy), z - float32(iz)
        x0, y0, z0 = uint32(uint32(ix) * step), uint32(uint32(iy) * by_y), uint32(uint32(iz) * by_z)
        x1, y1, z1 = uint32(x0 + step), uint32(y0 + by_y), uint32(z0 + by_z)
        if hashed:
            x0, x1 = x0 & mask, x1 & mask
            a, b, c, d = (y0 ^ z0) & mask, (y1 ^ z0) & mask, (y0 ^ z1) & mask, (y1 ^ z1) & mask
            index[i], index[i + B1], index[i + B2], index[i + B3] = x0 ^ a, x1 ^ a, x0 ^ b, x1 ^ b
            index[i + B4], index[i + B5], index[i + B6], index[i + B7] = x0 ^ c, x1 ^ c, x0 ^ d, x1 ^ d
        else:
            a, b, c, d = y0 + z0, y1 + z0, y0 + z1, y1 + z1
            index[i], index[i + B1] = _wrapped(x0 + a, size), _wrapped(x1 + a, size)
            index[i + B2], index[i + B3] = _wrapped(x0 + b, size), _wrapped(x1 + b, size)
            index[i + B4], index[i + B5] = _wrapped(x0 + c, size), _wrapped(x1 + c, size)
            index[i + B6], index[i + B7] = _wrapped(x0 + d, size), _wrapped(x1 + d, size)


@kernel
def _wrapped(total: Any, size: Any) -> Any:
    """Return total mod size, if total < 2·size.

    This is the minimum of total and total − size in unsigned arithmetic: if total < size, the difference wraps around
    to a large number, so the minimum is total.
    """
    index = uint32(total)
    return min(index, uint32(index - size))


@inlined
def value_weights(fraction: Any, weight: Any) -> None:
    """Write the trilinear weights w_c of the corners c to the flat array weight [8, BLOCK].

    The weight w_c is a product of one factor per axis k. The factor is f_k if c_k = 1, and 1 − f_k if c_k = 0.
    """
    for i in range(BLOCK):
        x1, y1, z1 = fraction[i], fraction[i + B1], fraction[i + B2]
        x0, y0, z0 = ONE - x1, ONE - y1, ONE - z1
        a, b, c, d = y0 * z0, y1 * z0, y0 * z1, y1 * z1
        weight[i], weight[i + B1], weight[i + B2], weight[i + B3] = x0 * a, x1 * a, x0 * b, x1 * b
        weight[i + B4], weight[i + B5], weight[i + B6], weight[i + B7] = x0 * c, x1 * c, x0 * d, x1 * d


@inlined
def direction_weights(fraction: Any, directions: Any, start: int, factor: Any, weight: Any) -> None:
    """Write the derivatives of the trilinear weights w_c along directions u to the flat array weight [8, BLOCK].

    The derivative of w_c is factor · Σ_k u_k ∂w_c/∂f_k.
    """
    ux, uy = directions[0, start : start + BLOCK], directions[1, start : start + BLOCK]
    uz = directions[2, start : start + BLOCK]
    for i in range(BLOCK):
        u, v, w = factor * ux[i], factor * uy[i], factor * uz[i]
        x1, y1, z1 = fraction[i], fraction[i + B1], fraction[i + B2]
        x0, y0, z0 = ONE - x1, ONE - y1, ONE - z1
        a, b, c, d = y0 * z0, y1 * z0, y0 * z1, y1 * z1
        sa, sb, sc, sd = -v * z0 - w * y0, v * z0 - w * y1, -v * z1 + w * y0, v * z1 + w * y1
        weight[i], weight[i + B1] = x0 * sa - u * a, x1 * sa + u * a
        weight[i + B2], weight[i + B3] = x0 * sb - u * b, x1 * sb + u * b
        weight[i + B4], weight[i + B5] = x0 * sc - u * c, x1 * sc + u * c
        weight[i + B6], weight[i + B7] = x0 * sd - u * d, x1 * sd + u * d
