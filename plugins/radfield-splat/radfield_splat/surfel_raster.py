"""Kernels that composite projected disks in tiles of 16×16 pixels, and their backward pass.

Tiles, blocks and lanes are those of module `raster`, and so are the masks of pairs and the order front to back. The
rays of the pixels are given in the order of tiles: 768 numbers for each tile, first all x, then all y, then all z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfield_core.ops import inlined, kernel
from radfield_splat.lanes import absolute, bits, broadcast, exp2, load, lowest, minimum, store, sums, where
from radfield_splat.projection import ROW
from radfield_splat.surfel_projection import DISK

Array = NDArray[Any]
Lanes = Any

CHANNELS = 9
"""Sums of a pixel: red, green, blue; distance; normal (3); nearness and its square, less that of the first disk."""

_PIXELS = 256
_ALPHA_MIN, _ALPHA_MAX, _TRANSMITTANCE_MIN = 1 / 255, 0.99, 1e-4
_EXPONENT = -0.5 * 1.4426950408889634


@inlined
def _aligned(size: int) -> Array:
    """Return an uninitialized float32 array that starts at a cache line. Vectors that cross lines are slow."""
    array = np.empty(size + 16, np.float32)
    begin = (-(array.ctypes.data // 4)) % 16
    return array[begin : begin + size]


@inlined
def _coordinates(columns: Array, lines: Array) -> None:
    """Write the coordinates of all pixels relative to their tile."""
    for at in range(256):
        block, lane = at // 16, at % 16
        columns[at], lines[at] = 4 * (block % 4) + lane % 4, 4 * (block // 4) + lane // 4


@inlined
def _touched(rows: Array, row: int, x0: int, y0: int, lefts: Lanes, tops: Lanes) -> int:
    """Return the blocks of a tile that the bounding box of a disk meets, as bits."""
    x, y = rows[row] - np.float32(x0), rows[row + 1] - np.float32(y0)
    half_x, half_y = rows[row + 10], rows[row + 11]
    on_x = (lefts <= x + half_x) & (lefts >= x - half_x - np.float32(3.0))
    on_y = (tops <= y + half_y) & (tops >= y - half_y - np.float32(3.0))
    blocks: int = bits(on_x & on_y)
    return blocks


@inlined
def _met(
    disks: Array, i: int, x: Lanes, y: Lanes, z: Lanes, px: Lanes, py: Lanes, near: float, sharpness: float
) -> tuple[Lanes, ...]:
    """Return what 16 pixels see of a disk.

    Returns:
        The mask of the rays that meet the disk itself; u, v, t and 1/(n · d), which are meaningful only there; u² + v²,
        or the same of the filtered center; the distance; the offsets of the pixels from the center; and those of the
        rays from its direction.
    """
    x, y, z = x - disks[i + 10], y - disks[i + 11], z - disks[i + 12]
    slope = disks[i + 6] * (x + disks[i + 10]) + disks[i + 7] * (y + disks[i + 11]) + disks[i + 8] * (z + disks[i + 12])
    inverse = 1.0 / slope
    u = (disks[i] * x + disks[i + 1] * y + disks[i + 2] * z) * inverse
    v = (disks[i + 3] * x + disks[i + 4] * y + disks[i + 5] * z) * inverse
    t = disks[i + 9] * inverse
    dx, dy = px - disks[i + 13], py - disks[i + 14]
    squared, filtered = u * u + v * v, sharpness * (dx * dx + dy * dy)
    met = (squared <= filtered) & (t > near)
    return met, u, v, t, inverse, where(met, squared, filtered), where(met, t, disks[i + 19]), dx, dy, x, y, z


@kernel
def composite_disks(
    rows: Array,
    disks: Array,
    starts: Array,
    pairs: Array,
    rays: Array,
    first: int,
    last: int,
    width: int,
    height: int,
    near: float,
    low_pass: float,
    size: float,
    masks: Array,
    images: Array,
    opacity: Array,
    median: Array,
    origin: Array,
) -> None:
    """Composite the tiles from `first` to `last`. `raster.composite_tiles` describes the other arguments.

    Args:
        rows: bounding boxes [16N].
        disks: projected disks [DISK·N].
        rays: directions of the pixels [768T].
        near: smallest t.
        low_pass: variance of the filter in pixels².
        size: size of the scene; the nearness of a disk is size/t.
        images: result [CHANNELS·H·W], without background.
        opacity: result [H·W].
        median: result [H·W].
        origin: result [H·W]: nearness of the first disk, which is subtracted from the others.
    """
    across = (width + 15) // 16
    columns, lines = _aligned(_PIXELS), _aligned(_PIXELS)
    _coordinates(columns, lines)
    corner_x, corner_y = np.empty(16, np.float32), np.empty(16, np.float32)
    for block in range(16):
        corner_x[block], corner_y[block] = 4 * (block % 4), 4 * (block // 4)
    lefts, tops = load(corner_x, 0), load(corner_y, 0)
    state = _aligned((CHANNELS + 3) * _PIXELS)
    nearest_t, sharpness, unit = np.float32(near), np.float32(1.0 / low_pass), np.float32(size)
    for tile in range(first, last):
        x0, y0 = 16 * (tile % across), 16 * (tile // across)
        begin, end = starts[tile], starts[tile + 1]
        for pair in range(begin, end):
            masks[pair] = np.uint16(_touched(rows, pairs[pair] * ROW, x0, y0, lefts, tops))
        for block in range(16):
            bit = 1 << block
            px, py = load(columns, 16 * block) + x0, load(lines, 16 * block) + y0
            at = 768 * tile + 16 * block
            rx, ry, rz = load(rays, at), load(rays, at + _PIXELS), load(rays, at + 2 * _PIXELS)
            # The transmittance becomes negative when a pixel ends.
            light, zero = broadcast(1.0), broadcast(0.0)
            s_r, s_g, s_b, s_t, s_x, s_y, s_z, s_1, s_2 = zero, zero, zero, zero, zero, zero, zero, zero, zero
            middle, nearest = broadcast(np.float32(np.inf)), zero
            for pair in range(begin, end):
                if not int(masks[pair]) & bit:
                    continue
                i = pairs[pair] * DISK
                met = _met(disks, i, rx, ry, rz, px, py, nearest_t, sharpness)
                t = met[6]
                alpha = minimum(disks[i + 15] * exp2(_EXPONENT * met[5]), _ALPHA_MAX)
                behind = light - light * alpha
                seen = alpha >= _ALPHA_MIN
                counts = seen & (behind >= _TRANSMITTANCE_MIN)
                weight = where(counts, light * alpha, 0.0)
                nearness = unit / t
                nearest = where(counts & (light >= 1.0), nearness, nearest)
                middle = where(counts & (light > 0.5) & (behind <= 0.5), t, middle)
                light = where(counts, behind, where(seen, -absolute(light), light))
                apart = nearness - nearest
                s_r, s_g, s_b = (
                    s_r + weight * disks[i + 16], s_g + weight * disks[i + 17], s_b + weight * disks[i + 18]
                )  # fmt: skip
                s_x, s_y, s_z = s_x + weight * disks[i + 6], s_y + weight * disks[i + 7], s_z + weight * disks[i + 8]
                s_t, s_1, s_2 = s_t + weight * t, s_1 + weight * apart, s_2 + weight * apart * apart
                if not bits(counts):
                    masks[pair] = np.uint16(int(masks[pair]) & ~bit)
                    if not bits(light > 0.0):
                        for later in range(pair + 1, end):
                            masks[later] = np.uint16(int(masks[later]) & ~bit)
                        break
            at = 16 * block
            store(state, at, s_r)
            store(state, at + _PIXELS, s_g)
            store(state, at + 2 * _PIXELS, s_b)
            store(state, at + 3 * _PIXELS, s_t)
            store(state, at + 4 * _PIXELS, s_x)
            store(state, at + 5 * _PIXELS, s_y)
            store(state, at + 6 * _PIXELS, s_z)
            store(state, at + 7 * _PIXELS, s_1)
            store(state, at + 8 * _PIXELS, s_2)
            store(state, at + 9 * _PIXELS, absolute(light))
            store(state, at + 10 * _PIXELS, middle)
            store(state, at + 11 * _PIXELS, nearest)
        for line in range(min(16, height - y0)):
            for column in range(min(16, width - x0)):
                at = 16 * (4 * (line // 4) + column // 4) + 4 * (line % 4) + column % 4
                pixel = (y0 + line) * width + x0 + column
                for channel in range(CHANNELS):
                    images[CHANNELS * pixel + channel] = state[at + channel * _PIXELS]
                opacity[pixel] = np.float32(1.0) - state[at + 9 * _PIXELS]
                median[pixel], origin[pixel] = state[at + 10 * _PIXELS], state[at + 11 * _PIXELS]


@kernel
def composite_disks_backward(
    disks: Array,
    starts: Array,
    pairs: Array,
    masks: Array,
    rays: Array,
    first: int,
    last: int,
    width: int,
    height: int,
    near: float,
    low_pass: float,
    size: float,
    images: Array,
    opacity: Array,
    origin: Array,
    by_images: Array,
    by_opacity: Array,
    shapes: Array,
    others: Array,
) -> None:
    """Sum the gradients of each pair in the tiles from `first` to `last`.

    Args:
        disks: see `composite_disks`, as are all arguments up to `origin`.
        by_images: gradient of the loss for the images [CHANNELS·H·W].
        by_opacity: [H·W].
        shapes: result [16P]: gradients for A (3), B (3), n (3) and n · P; the sums of the gradients for A · d and for
            B · d; the gradients for the column and the row of the center, for the distance, and for the logarithm of
            the opacity. Unchanged for pairs that contribute to no block, like `others`.
        others: result [16P]: gradients for red, green and blue.
    """
    across = (width + 15) // 16
    columns, lines = _aligned(_PIXELS), _aligned(_PIXELS)
    _coordinates(columns, lines)
    # Transmittance, remaining total, gradients for the channels and the opacity, and the origin.
    state = _aligned((CHANNELS + 4) * _PIXELS)
    nearest_t, sharpness, unit = np.float32(near), np.float32(1.0 / low_pass), np.float32(size)
    for tile in range(first, last):
        x0, y0 = 16 * (tile % across), 16 * (tile // across)
        state[:_PIXELS] = 1.0
        state[_PIXELS:] = 0.0
        for line in range(min(16, height - y0)):
            for column in range(min(16, width - x0)):
                at = 16 * (4 * (line // 4) + column // 4) + 4 * (line % 4) + column % 4
                pixel = (y0 + line) * width + x0 + column
                total = by_opacity[pixel] * opacity[pixel]
                for channel in range(CHANNELS):
                    gradient = by_images[CHANNELS * pixel + channel]
                    total += gradient * images[CHANNELS * pixel + channel]
                    state[at + (2 + channel) * _PIXELS] = gradient
                state[at + _PIXELS] = total
                state[at + (2 + CHANNELS) * _PIXELS] = by_opacity[pixel]
                state[at + (3 + CHANNELS) * _PIXELS] = origin[pixel]
        for pair in range(starts[tile], starts[tile + 1]):
            blocks = int(masks[pair])
            if not blocks:
                continue
            i = pairs[pair] * DISK
            zero = broadcast(0.0)
            a0, a1, a2, b0, b1, b2, n0, n1, n2 = zero, zero, zero, zero, zero, zero, zero, zero, zero
            plane, sum_a, sum_b, to_x, to_y, distance, s = zero, zero, zero, zero, zero, zero, zero
            red, green, blue = zero, zero, zero
            while blocks:
                at = 16 * lowest(blocks)
                blocks &= blocks - 1
                px, py, ray = load(columns, at) + x0, load(lines, at) + y0, 768 * tile + at
                rx, ry, rz = load(rays, ray), load(rays, ray + _PIXELS), load(rays, ray + 2 * _PIXELS)
                met, u, v, t, inverse, squared, depth, dx, dy, ex, ey, ez = _met(
                    disks, i, rx, ry, rz, px, py, nearest_t, sharpness
                )
                alpha = minimum(disks[i + 15] * exp2(_EXPONENT * squared), _ALPHA_MAX)
                light = load(state, at)
                behind = light - light * alpha
                seen = alpha >= _ALPHA_MIN
                counts = seen & (behind >= _TRANSMITTANCE_MIN)
                weight = where(counts, light * alpha, 0.0)
                store(state, at, where(counts, behind, where(seen, -absolute(light), light)))
                nearness = unit / depth
                apart = nearness - load(state, at + 12 * _PIXELS)
                g_r, g_g, g_b = (
                    load(state, at + 2 * _PIXELS), load(state, at + 3 * _PIXELS), load(state, at + 4 * _PIXELS)
                )  # fmt: skip
                g_t, g_1, g_2 = (
                    load(state, at + 5 * _PIXELS), load(state, at + 9 * _PIXELS), load(state, at + 10 * _PIXELS)
                )  # fmt: skip
                g_x, g_y, g_z = (
                    load(state, at + 6 * _PIXELS), load(state, at + 7 * _PIXELS), load(state, at + 8 * _PIXELS)
                )  # fmt: skip
                value = g_r * disks[i + 16] + g_g * disks[i + 17] + g_b * disks[i + 18] + g_t * depth
                value += g_x * disks[i + 6] + g_y * disks[i + 7] + g_z * disks[i + 8]
                value += apart * (g_1 + g_2 * apart) + load(state, at + 11 * _PIXELS)
                rest = load(state, at + _PIXELS) - weight * value
                store(state, at + _PIXELS, rest)
                g = where(counts & (alpha < _ALPHA_MAX), weight * value - rest * alpha / (1.0 - alpha), 0.0)
                g_t = weight * (g_t - (g_1 + 2.0 * g_2 * apart) * nearness / depth)
                # Where the ray meets the disk itself, the gradient goes to its plane, elsewhere to its center.
                u, v, t, inverse = where(met, u, 0.0), where(met, v, 0.0), where(met, t, 0.0), where(met, inverse, 0.0)
                by_a, by_b = -g * u * inverse, -g * v * inverse
                by_slope = (g * (u * u + v * v) - g_t * t) * inverse
                a0, a1, a2 = a0 + by_a * ex, a1 + by_a * ey, a2 + by_a * ez
                b0, b1, b2 = b0 + by_b * ex, b1 + by_b * ey, b2 + by_b * ez
                n0, n1, n2 = (
                    n0 + by_slope * rx + weight * g_x, n1 + by_slope * ry + weight * g_y,
                    n2 + by_slope * rz + weight * g_z,
                )  # fmt: skip
                plane, sum_a, sum_b = plane + g_t * inverse, sum_a + by_a, sum_b + by_b
                to_center = where(met, 0.0, g) * sharpness
                to_x, to_y, distance = to_x + to_center * dx, to_y + to_center * dy, distance + where(met, 0.0, g_t)
                s, red, green, blue = s + g, red + weight * g_r, green + weight * g_g, blue + weight * g_b
            store(
                shapes, pair * ROW,
                sums((a0, a1, a2, b0, b1, b2, n0, n1, n2, plane, sum_a, sum_b, to_x, to_y, distance, s)),
            )  # fmt: skip
            store(others, pair * ROW, sums((red, green, blue)))
