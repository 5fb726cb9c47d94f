"""Options of encoding:hash."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class HashConfig:
    """Multiresolution hash grid (Müller et al. 2022); defaults are the published sizes, a growth of 1.44727."""

    n_levels: int = option(16, help="number of levels, coarse to fine", min=1, max=32)
    n_features: Literal[1, 2, 4, 8] = option(2, help="trainable features per entry")
    log2_table_size: int = option(19, help="largest number of entries per level, as a power of 2", min=3, max=24)
    base_resolution: int = option(16, help="cells per side of the coarsest level", min=2, max=16384)
    finest_resolution: int = option(
        4096, help="cells per side of the finest level; levels between grow geometrically", min=2, max=16384
    )
    include_xyz: bool = option(False, help="prepend the position, scaled to [−1, 1], to the features")
    start_levels: int | None = option(
        None, help="levels in use at the start, for coarse-to-fine training; unset: all levels from the start", min=1
    )
    steps_per_level: int = option(1000, help="training steps between added levels, with start_levels", min=1)
