"""Geometry of a multiresolution grid: the scale, resolution and table offset of each level.

The geometry is the same as in tiny-cuda-nn (Müller et al. 2022, "Instant Neural Graphics Primitives", section 3). The
levels are l = 0 … L − 1. Level l has

    scale = base · growth^l − 1        resolution = ceil(scale) + 1        growth = (finest / base)^(1 / (L − 1))

As in tiny-cuda-nn, growth^l is computed as exp2(l · log2(growth)), and every intermediate result is rounded to float32.
If base · growth^l is a whole number n, the scale may therefore be slightly larger than n − 1, and the resolution n + 1.

A point x in [0, 1]³ has the grid coordinates x·scale + 0.5. If resolution³ is at most 2^T, the level is dense: the
entry of vertex (i, j, k) has the index (i + j·r + k·r²) mod size, where r is the resolution. Otherwise, the level has
2^T entries, and the index is a hash of the vertex.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

PRIMES = (1, 2654435761, 805459861)


class Level(NamedTuple):
    """One level of a grid.

    `offset` is the level's first entry in the table, and `size` is its number of entries. `hashed` is False for a dense
    level.
    """

    scale: float
    resolution: int
    offset: int
    size: int
    hashed: bool


class Grid(NamedTuple):
    """A grid: its levels from coarse to fine, the number F of features per entry, and the float32 growth."""

    levels: tuple[Level, ...]
    n_features: int
    growth: float

    @property
    def n_entries(self) -> int:
        """Number of rows of the table [n_entries, F]."""
        return self.levels[-1].offset + self.levels[-1].size

    @property
    def out_dim(self) -> int:
        """Number L·F of features per point."""
        return len(self.levels) * self.n_features


def build(n_levels: int, n_features: int, log2_table_size: int, base_resolution: int, finest_resolution: int) -> Grid:
    """Build a grid. Cells per side grow geometrically from `base_resolution` to `finest_resolution`.

    Args:
        n_levels: number of levels L.
        n_features: number F of features per entry.
        log2_table_size: exponent T; a level has at most 2^T entries.
        base_resolution: cells per side of the coarsest level.
        finest_resolution: cells per side of the finest level.

    Example:
        >>> [(level.resolution, level.size, level.hashed) for level in build(3, 2, 12, 8, 32).levels]
        [(8, 512, False), (16, 4096, False), (32, 4096, True)]
    """
    growth = _float32((finest_resolution / base_resolution) ** (1 / max(n_levels - 1, 1)))
    log2_growth = _float32(math.log2(growth))
    levels: list[Level] = []
    offset = 0
    for index in range(n_levels):
        power = _float32(2.0 ** _float32(index * log2_growth))
        scale = _float32(_float32(power * base_resolution) - 1)
        resolution = math.ceil(scale) + 1
        cells = resolution**3
        size = min(-(-cells // 8) * 8, 2**log2_table_size)
        levels.append(Level(scale, resolution, offset, size, cells > size))
        offset += size
    return Grid(tuple(levels), n_features, growth)


def _float32(value: float) -> float:
    """Round to the nearest float32."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
