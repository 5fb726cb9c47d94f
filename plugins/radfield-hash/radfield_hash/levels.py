"""The geometry of a multiresolution grid: per level its scale, resolution and place in the one flat table.

As in tiny-cuda-nn (Müller et al. 2022, "Instant Neural Graphics Primitives", section 3). Level l of L has

    scale = base · growth^l − 1        resolution = ceil(scale) + 1        growth = (finest / base)^(1 / (L − 1))

A point x in [0, 1]³ lies at x·scale + 0.5 in units of its cells. Where resolution³ entries fit into 2^T the level is
dense and entry (i, j, k) is number (i + j·r + k·r²) mod size; otherwise it has 2^T entries and the number is a hash.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

PRIMES = (1, 2654435761, 805459861)


class Level(NamedTuple):
    """One level: `offset` and `size` count entries of the table; `hashed` or dense."""

    scale: float
    resolution: int
    offset: int
    size: int
    hashed: bool


class Grid(NamedTuple):
    """All levels, coarse to fine, and the number of features of an entry."""

    levels: tuple[Level, ...]
    n_features: int

    @property
    def n_entries(self) -> int:
        """Rows of the table [n_entries, F]."""
        return self.levels[-1].offset + self.levels[-1].size

    @property
    def out_dim(self) -> int:
        """Features of a point: L·F."""
        return len(self.levels) * self.n_features


def build(n_levels: int, n_features: int, log2_table_size: int, base_resolution: int, finest_resolution: int) -> Grid:
    """The grid whose first level has `base_resolution` and whose last has `finest_resolution` cells a side."""
    growth = (finest_resolution / base_resolution) ** (1 / max(n_levels - 1, 1))
    levels: list[Level] = []
    offset = 0
    for index in range(n_levels):
        scale = _float32(base_resolution * growth**index - 1)
        resolution = math.ceil(scale) + 1
        cells = resolution**3
        size = min(-(-cells // 8) * 8, 2**log2_table_size)
        levels.append(Level(scale, resolution, offset, size, cells > size))
        offset += size
    return Grid(tuple(levels), n_features)


def _float32(value: float) -> float:
    """The nearest float32: every implementation then uses one and the same scale, and 2047.0000000002 is 2047."""
    return struct.unpack("f", struct.pack("f", value))[0]
