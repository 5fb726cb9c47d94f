"""Kernels that composite projected Gaussians in tiles of 16×16 pixels, and their backward pass.

A tile consists of 16 blocks of 4×4 pixels. One vector holds a number for each pixel of a block. Block b has the column
b % 4 and the row b // 4 of the tile, and lane l has the column l % 4 and the row l // 4 of its block.

For each pair of a Gaussian and a tile, the forward pass stores a mask: bit b is set if the Gaussian contributes to
block b. The backward pass visits only these blocks and computes each alpha again. It goes front to back as well: the
sum behind a Gaussian is the total of the pixel minus the sum up to the Gaussian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfield_core.ops import inlined, kernel
from radfield_splat.lanes import (
    absolute,
    bits,
    broadcast,
    exp2,
    load,
    lowest,
    maximum,
    minimum,
    store,
    sums,
    where,
)
from radfield_splat.projection import ROW

Array = NDArray[Any]
Lanes = Any

_PIXELS = 256
_ALPHA_MIN, _ALPHA_MAX, _TRANSMITTANCE_MIN = 1 / 255, 0.99, 1e-4


@inlined
def _aligned(size: int) -> Array:
    """Return an uninitialized float32 array that starts at a cache line. Vectors that cross lines are slow."""
    array = np.empty(size + 16, np.float32)
    begin = (-(array.ctypes.data // 4)) % 16
    return array[begin : begin + size]


@inlined
def _coordinates(columns: Array, lines: Array, lefts: Array, tops: Array) -> None:
    """Write the coordinates of all pixels and blocks relative to their tile."""
    for block in range(16):
        lefts[block], tops[block] = 4 * (block % 4), 4 * (block // 4)
        for lane in range(16):
            columns[16 * block + lane] = 4 * (block % 4) + lane % 4
            lines[16 * block + lane] = 4 * (block // 4) + lane // 4


@inlined
def _touched(rows: Array, row: int, x: float, y: float, lefts: Lanes, tops: Lanes) -> int:
    """Return the blocks in which the exponent reaches −cut, as bits.

    The exponent is concave, so it is largest at the mean or on the edges of a block that face the mean.
    """
    a, b, c = rows[row + 2], rows[row + 3], rows[row + 4]
    left, top = lefts - x, tops - y
    right, bottom = left + 3.0, top + 3.0
    dx, dy = minimum(maximum(left, 0.0), right), minimum(maximum(top, 0.0), bottom)
    on_x = minimum(maximum(rows[row + 13] * dx, top), bottom)
    on_y = minimum(maximum(rows[row + 14] * dy, left), right)
    best = maximum(dx * (a * dx + b * on_x) + c * on_x * on_x, on_y * (a * on_y + b * dy) + c * dy * dy)
    blocks: int = bits(best >= rows[row + 15])
    return blocks


@kernel
def composite_tiles(
    rows: Array,
    starts: Array,
    pairs: Array,
    first: int,
    last: int,
    width: int,
    height: int,
    background: Array,
    masks: Array,
    rgb: Array,
    depth: Array,
    opacity: Array,
    median: Array,
) -> None:
    """Composite the tiles from `first` to `last`.

    Args:
        rows: projected Gaussians [16N].
        starts: first pair of each tile [T + 1].
        pairs: index of each pair's Gaussian [P].
        first: first tile.
        last: end of the tiles.
        width: columns of the image.
        height: rows of the image.
        background: color of each pixel [3·H·W], or one color [3].
        masks: result: blocks to which each pair contributes [P].
        rgb: result [3·H·W].
        depth: result [H·W].
        opacity: result [H·W].
        median: result: distance at which the opacity reaches ½, or infinity [H·W].
    """
    across = (width + 15) // 16
    columns, lines = _aligned(_PIXELS), _aligned(_PIXELS)
    corner_x, corner_y = np.empty(16, np.float32), np.empty(16, np.float32)
    _coordinates(columns, lines, corner_x, corner_y)
    lefts, tops = load(corner_x, 0), load(corner_y, 0)
    state = _aligned(6 * _PIXELS)  # transmittance, red, green, blue, depth and median of each pixel
    longest = 1
    for tile in range(first, last):
        longest = max(longest, starts[tile + 1] - starts[tile])
    touched, chosen = np.empty(longest, np.uint64), np.empty(longest + 1, np.uint32)
    step = 0 if len(background) == 3 else 3
    for tile in range(first, last):
        x0, y0 = 16 * (tile % across), 16 * (tile // across)
        begin, n = starts[tile], np.uint64(starts[tile + 1] - starts[tile])
        for k in range(n):
            row = pairs[begin + k] * ROW
            x, y = rows[row] - np.float32(x0), rows[row + 1] - np.float32(y0)
            touched[k] = np.uint64(_touched(rows, row, x, y, lefts, tops))
            masks[begin + k] = 0
        for block in range(16):
            # List the block's pairs without a branch, because the processor could not predict it.
            bit = np.uint64(1 << block)
            size = np.uint64(0)
            for k in range(n):
                chosen[size] = k
                size += np.uint64((touched[k] & bit) != 0)
            dx0, dy0 = load(columns, 16 * block) + x0, load(lines, 16 * block) + y0
            # The transmittance becomes negative when a pixel ends.
            light, zero = broadcast(1.0), broadcast(0.0)
            sum_r, sum_g, sum_b, sum_d, middle = zero, zero, zero, zero, broadcast(np.inf)
            for k in range(size):
                pair = begin + np.int64(chosen[k])
                row = pairs[pair] * ROW
                dx, dy = dx0 - rows[row], dy0 - rows[row + 1]
                exponent = dx * (rows[row + 2] * dx + rows[row + 3] * dy) + rows[row + 4] * dy * dy
                alpha = minimum(rows[row + 5] * exp2(exponent), _ALPHA_MAX)
                taken = where(alpha >= _ALPHA_MIN, light * alpha, 0.0)
                behind = light - taken
                goes_on = behind >= _TRANSMITTANCE_MIN
                weight = where(goes_on, taken, 0.0)
                middle = where((light > 0.5) & (behind <= 0.5), rows[row + 9], middle)
                light = where(goes_on, behind, -absolute(light))
                sum_r, sum_g = sum_r + weight * rows[row + 6], sum_g + weight * rows[row + 7]
                sum_b, sum_d = sum_b + weight * rows[row + 8], sum_d + weight * rows[row + 9]
                if bits(weight > 0.0):
                    masks[pair] |= np.uint16(bit)
                elif not bits(light > 0.0):
                    break
            store(state, 16 * block, absolute(light))
            store(state, 16 * block + _PIXELS, sum_r)
            store(state, 16 * block + 2 * _PIXELS, sum_g)
            store(state, 16 * block + 3 * _PIXELS, sum_b)
            store(state, 16 * block + 4 * _PIXELS, sum_d)
            store(state, 16 * block + 5 * _PIXELS, middle)
        for line in range(min(16, height - y0)):
            for column in range(min(16, width - x0)):
                at = 16 * (4 * (line // 4) + column // 4) + 4 * (line % 4) + column % 4
                pixel = (y0 + line) * width + x0 + column
                left = state[at]
                opacity[pixel] = np.float32(1.0) - left
                depth[pixel] = state[at + 4 * _PIXELS]
                median[pixel] = state[at + 5 * _PIXELS]
                for channel in range(3):
                    behind_all = left * background[step * pixel + channel]
                    rgb[3 * pixel + channel] = state[at + (channel + 1) * _PIXELS] + behind_all


@kernel
def composite_tiles_backward(
    rows: Array,
    starts: Array,
    pairs: Array,
    masks: Array,
    first: int,
    last: int,
    width: int,
    height: int,
    background: Array,
    rgb: Array,
    depth: Array,
    opacity: Array,
    by_rgb: Array,
    by_depth: Array,
    by_opacity: Array,
    totals: Array,
) -> None:
    """Sum the gradients of each pair in the tiles from `first` to `last`.

    Let e be the exponent of a Gaussian's alpha (natural logarithm), and g the gradient of the loss for e at a pixel.
    The sums over the pixels of a tile are Σ g, Σ g dx, Σ g dy, Σ g dx², Σ g dx dy, Σ g dy², the gradients for red,
    green and blue, and for the distance.

    Args:
        rows: projected Gaussians [16N].
        starts: first pair of each tile [T + 1].
        pairs: index of each pair's Gaussian [P].
        masks: blocks to which each pair contributes [P].
        first: first tile.
        last: end of the tiles.
        width: columns of the image.
        height: rows of the image.
        background: color of each pixel [3·H·W], or one color [3].
        rgb: the image [3·H·W].
        depth: [H·W].
        opacity: [H·W].
        by_rgb: gradient of the loss for the image [3·H·W].
        by_depth: [H·W], or [1] if it is 0.
        by_opacity: [H·W], or [1] if it is 0.
        totals: result: sums [16P]; unchanged for pairs that contribute to no block.
    """
    across = (width + 15) // 16
    columns, lines = _aligned(_PIXELS), _aligned(_PIXELS)
    corner_x, corner_y = np.empty(16, np.float32), np.empty(16, np.float32)
    _coordinates(columns, lines, corner_x, corner_y)
    # For each pixel: transmittance, sum over the Gaussians behind, and the gradients for r, g, b, depth and opacity.
    state = _aligned(7 * _PIXELS)
    step = 0 if len(background) == 3 else 3
    depth_step, opacity_step = int(len(by_depth) > 1), int(len(by_opacity) > 1)
    for tile in range(first, last):
        x0, y0 = 16 * (tile % across), 16 * (tile // across)
        state[:_PIXELS] = 1.0
        state[_PIXELS:] = 0.0
        for line in range(min(16, height - y0)):
            for column in range(min(16, width - x0)):
                at = 16 * (4 * (line // 4) + column // 4) + 4 * (line % 4) + column % 4
                pixel = (y0 + line) * width + x0 + column
                by_d, by_o = by_depth[depth_step * pixel], by_opacity[opacity_step * pixel]
                behind_all, total = np.float32(0.0), by_d * depth[pixel] + by_o * opacity[pixel]
                for channel in range(3):
                    gradient = by_rgb[3 * pixel + channel]
                    color = background[step * pixel + channel]
                    behind_all += gradient * color
                    total += gradient * (rgb[3 * pixel + channel] - color)
                    state[at + (2 + channel) * _PIXELS] = gradient
                state[at + _PIXELS] = total
                state[at + 5 * _PIXELS] = by_d
                state[at + 6 * _PIXELS] = by_o - behind_all
        for pair in range(starts[tile], starts[tile + 1]):
            blocks = int(masks[pair])
            if not blocks:
                continue
            row = pairs[pair] * ROW
            x, y = rows[row] - np.float32(x0), rows[row + 1] - np.float32(y0)
            a, b, c, strength = rows[row + 2], rows[row + 3], rows[row + 4], rows[row + 5]
            red, green, blue, distance = rows[row + 6], rows[row + 7], rows[row + 8], rows[row + 9]
            zero = broadcast(0.0)
            s, s_x, s_y, s_xx, s_xy, s_yy = zero, zero, zero, zero, zero, zero
            s_r, s_g, s_b, s_d = zero, zero, zero, zero
            while blocks:
                at = 16 * lowest(blocks)
                blocks &= blocks - 1
                dx, dy = load(columns, at) - x, load(lines, at) - y
                alpha = minimum(strength * exp2(dx * (a * dx + b * dy) + c * dy * dy), _ALPHA_MAX)
                light = load(state, at)
                # The new state is computed for all lanes: a store of some lanes would delay the next load.
                seen = where(alpha >= _ALPHA_MIN, alpha, 0.0)
                taken = light * seen
                behind = light - taken
                goes_on = behind >= _TRANSMITTANCE_MIN
                weight = where(goes_on, taken, 0.0)
                store(state, at, where(goes_on, behind, -absolute(light)))
                g_r, g_g = load(state, at + 2 * _PIXELS), load(state, at + 3 * _PIXELS)
                g_b, g_d = load(state, at + 4 * _PIXELS), load(state, at + 5 * _PIXELS)
                value = g_r * red + g_g * green + g_b * blue + g_d * distance + load(state, at + 6 * _PIXELS)
                rest = load(state, at + _PIXELS) - weight * value
                store(state, at + _PIXELS, rest)
                g = where(goes_on & (alpha < _ALPHA_MAX), weight * value - rest * seen / (1.0 - seen), 0.0)
                g_x, g_y = g * dx, g * dy
                s, s_x, s_y = s + g, s_x + g_x, s_y + g_y
                s_xx, s_xy, s_yy = s_xx + g_x * dx, s_xy + g_x * dy, s_yy + g_y * dy
                s_r, s_g, s_b, s_d = s_r + weight * g_r, s_g + weight * g_g, s_b + weight * g_b, s_d + weight * g_d
            store(totals, pair * ROW, sums((s, s_x, s_y, s_xx, s_xy, s_yy, s_r, s_g, s_b, s_d)))


@kernel
def sum_pairs(
    ids: Array,
    start: int,
    stop: int,
    first: Array,
    n_tiles: Array,
    places: Array,
    masks: Array,
    totals: Array,
    out: Array,
) -> None:
    """Sum the totals of each Gaussian's pairs, in the order of the tiles.

    Args:
        ids: indices of the drawn Gaussians [M].
        start: first of the `ids` to process.
        stop: end of the `ids` to process.
        first: number of pairs of the Gaussians before each one [N].
        n_tiles: number of pairs of each Gaussian [N].
        places: the pairs of each Gaussian [P].
        masks: blocks to which each pair contributes [P].
        totals: sums of each pair [16P].
        out: result [16N].
    """
    for m in range(start, stop):
        i = ids[m]
        total = broadcast(0.0)
        for k in range(first[i], first[i] + n_tiles[i]):
            pair = places[k]
            if masks[pair]:
                total = total + load(totals, pair * ROW)
        store(out, i * ROW, total)
