"""Options of encoding:hash."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class HashConfig:
    """Options of the multiresolution hash grid (Müller et al. 2022).

    The defaults are published sizes. With them, the resolution grows by a factor of 1.44727 from level to level.
    """

    n_levels: int = option(16, help="number of levels of the grid", min=1, max=32)
    n_features: Literal[1, 2, 4, 8] = option(2, help="number of trainable features per entry")
    log2_table_size: int = option(19, help="log2 of the largest number of entries per level", min=3, max=24)
    base_resolution: int = option(16, help="cells per side of the coarsest level", min=2, max=16384)
    finest_resolution: int = option(
        4096, help="cells per side of the finest level; the levels between grow geometrically", min=2, max=16384
    )
    include_xyz: bool = option(False, help="put the position, scaled to [−1, 1], before the features")
    start_levels: int | None = option(
        None,
        help="number of levels used at the start of coarse-to-fine training; by default, all levels are used",
        min=1,
    )
    start_step: int = option(
        0, help="training step at which coarse-to-fine training starts to add levels, if start_levels is set", min=0
    )
    steps_per_level: int = option(
        1000, help="number of training steps after which the next level is added, if start_levels is set", min=1
    )
