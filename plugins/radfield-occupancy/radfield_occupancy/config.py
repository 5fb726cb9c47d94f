"""Options of sampler:occupancy."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class OccupancyConfig:
    """Occupancy grid and marching (Instant-NGP, appendix C and E)."""

    resolution: int = option(128, help="cells per side of the grid, a multiple of 8", min=8, max=512)
    n_levels: int = option(1, help="nested grids, each twice as wide as the one before", min=1, max=12)
    contraction: Literal["none", "sphere"] = option(
        "none", help="sphere brings all of space into the grid, as in mip-NeRF 360; needs cone_angle"
    )
    num_samples: int = option(1024, help="steps along the diagonal of the scene's box", min=1)
    step: float | None = option(
        None, help="length of a step in scene units; unset takes diagonal / num_samples", min=0, exclusive_min=True
    )
    cone_angle: float = option(0.0, help="steps are at least cone_angle · t long: growing with t", min=0, max=1)
    max_samples_per_ray: int = option(1024, help="samples kept on one ray, nearest first", min=1)
    threshold: float = option(0.01, help="opacity of a step from which any cell counts as occupied", min=0, max=1)
    decay: float = option(0.95, help="what a cell's memory is multiplied by at each visit", min=0, max=1)
    update_every: int = option(16, help="steps between updates of the grid", min=1)
    warmup_steps: int = option(256, help="steps during which every cell is visited at each update", min=0)
    early_stop: Literal["never", "render", "always"] = option(
        "render", help="when to look at densities first and drop samples behind what is already opaque"
    )
    early_stop_eps: float = option(1e-4, help="transmittance under which what follows is dropped", min=0, max=1)
    alpha_threshold: float = option(
        0.0, help="opacity under which a sample is dropped when densities are looked at", min=0, max=1
    )
