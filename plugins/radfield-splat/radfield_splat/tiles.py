"""Kernels that sort projected Gaussians by distance and list, for each tile, those that it may show.

A pair is a Gaussian and a tile that its bounding box meets. Pairs are ordered by tile and, within a tile, by distance.
Symbols in shapes: N Gaussians, M drawn Gaussians, T tiles, P pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfield_core.ops import kernel
from radfield_splat.projection import ROW, tile_range

Array = NDArray[Any]

_DIGIT = 11


@kernel
def drawn(n_tiles: Array, ids: Array) -> int:
    """Write the indices of the Gaussians that meet any tile to `ids`. Return their number M."""
    count = 0
    for i in range(len(n_tiles)):
        ids[count] = i
        count += n_tiles[i] > 0
    return count


@kernel
def by_distance(ids: Array, distances: Array, order: Array) -> None:
    """Write `ids` to `order`, sorted by distance. Equal distances keep their order. This is a radix sort.

    Args:
        ids: indices [M] int32; overwritten.
        distances: bits of the distances of all Gaussians, as uint32 [16N]; element 9 of each row.
        order: result [M] int32.
    """
    n = len(ids)
    keys, other_keys = np.empty(n, np.uint32), np.empty(n, np.uint32)
    for m in range(n):
        keys[m] = distances[ids[m] * ROW + 9]
    source, target = ids, order
    for digit in range(3):
        shift = np.uint32(digit * _DIGIT)
        counts = np.zeros(1 << _DIGIT, np.int64)
        for m in range(n):
            counts[(keys[m] >> shift) & np.uint32((1 << _DIGIT) - 1)] += 1
        total = 0
        for bucket in range(1 << _DIGIT):
            size = counts[bucket]
            counts[bucket] = total
            total += size
        for m in range(n):
            bucket = (keys[m] >> shift) & np.uint32((1 << _DIGIT) - 1)
            place = counts[bucket]
            counts[bucket] = place + 1
            other_keys[place] = keys[m]
            target[place] = source[m]
        keys, other_keys = other_keys, keys
        source, target = target, source


@kernel
def count_pairs(rows: Array, order: Array, start: int, stop: int, width: int, height: int, counts: Array) -> int:
    """Count the pairs of the Gaussians `order[start:stop]` in each tile. Return their number.

    Args:
        rows: projected Gaussians [16N].
        order: indices of the drawn Gaussians [M], nearest first.
        start: first of the `order` to count.
        stop: end of the `order` to count.
        width: columns of the image.
        height: rows of the image.
        counts: result: number of these pairs in each tile [T].
    """
    across = (width + 15) // 16
    counts[:] = 0
    total = 0
    for m in range(start, stop):
        left, right, top, bottom = tile_range(rows, order[m] * ROW, float(width), float(height))
        total += (right - left) * (bottom - top)
        for row in range(top, bottom):
            for column in range(left, right):
                counts[row * across + column] += 1
    return total


@kernel
def list_pairs(
    rows: Array,
    order: Array,
    start: int,
    stop: int,
    width: int,
    height: int,
    place: int,
    cursor: Array,
    first: Array,
    pairs: Array,
    places: Array,
) -> None:
    """List the pairs of the Gaussians `order[start:stop]`.

    Args:
        rows: projected Gaussians [16N].
        order: indices of the drawn Gaussians [M], nearest first.
        start: first of the `order` to list.
        stop: end of the `order` to list.
        width: columns of the image.
        height: rows of the image.
        place: number of pairs of the Gaussians before `start`.
        cursor: place of the first of these pairs in each tile [T]; overwritten.
        first: result: number of pairs of the Gaussians before each one [N]; unchanged for others.
        pairs: result: index of each pair's Gaussian [P].
        places: result: the pairs of each Gaussian [P].
    """
    across = (width + 15) // 16
    for m in range(start, stop):
        i = order[m]
        first[i] = place
        left, right, top, bottom = tile_range(rows, i * ROW, float(width), float(height))
        for row in range(top, bottom):
            for column in range(left, right):
                tile = row * across + column
                pair = cursor[tile]
                cursor[tile] = pair + 1
                pairs[pair] = i
                places[place] = pair
                place += 1
