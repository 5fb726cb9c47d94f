"""Options of sampler:occupancy."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class OccupancyConfig:
    """Occupancy grid and ray marching (instant-ngp, appendices C and E)."""

    resolution: int = option(128, help="cells per side of the grid, a multiple of 8", min=8, max=512)
    n_levels: int = option(1, help="number of nested grids, each twice as wide as the one inside it", min=1, max=12)
    contraction: Literal["none", "sphere"] = option(
        "none", help="contraction of space: sphere maps all of space into the grid (mip-NeRF 360); needs cone_angle > 0"
    )
    num_samples: int = option(1024, help="steps along the diagonal of the scene's box", min=1)
    step: float | None = option(
        None, help="length of a step in scene units; unset: diagonal / num_samples", min=0, exclusive_min=True
    )
    cone_angle: float = option(
        0.0, help="growth of steps with distance t: a step is at least cone_angle · t long", min=0, max=1
    )
    max_samples_per_ray: int = option(1024, help="largest number of samples per ray; the nearest are kept", min=1)
    threshold: float = option(0.01, help="opacity of one step from which a cell counts as occupied", min=0, max=1)
    decay: float = option(0.95, help="factor on a cell's stored opacity at each update of the cell", min=0, max=1)
    update_every: int = option(16, help="training steps between updates of the grid", min=1)
    warmup_steps: int = option(256, help="training steps during which an update evaluates every cell", min=0)
    early_stop: Literal["never", "render", "always"] = option(
        "render", help="when to drop samples behind opaque surfaces: never, only in rendering, or also in training"
    )
    early_stop_eps: float = option(1e-4, help="transmittance below which a ray's samples are dropped", min=0, max=1)
    alpha_threshold: float = option(
        0.0, help="opacity below which a sample is dropped, where early_stop applies", min=0, max=1
    )
