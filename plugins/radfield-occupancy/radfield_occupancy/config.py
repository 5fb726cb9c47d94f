"""Options of sampler:occupancy."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class OccupancyConfig:
    """Options of the occupancy grid and of ray marching (instant-ngp, appendices C and E)."""

    resolution: int = option(128, help="number of cells per side of the grid; must be a multiple of 8", min=8, max=512)
    n_levels: int = option(1, help="number of nested grids; each is twice as wide as the one inside it", min=1, max=12)
    contraction: Literal["none", "sphere"] = option(
        "none",
        help='contraction of space; "sphere" maps all of space into the grid (mip-NeRF 360); needs cone_angle > 0',
    )
    num_samples: int = option(
        1024,
        help="number of steps along the diagonal of the scene's box; this determines the length of a step",
        min=1,
        max=8192,
    )
    step: float | None = option(
        None,
        help="length of a step in scene units; by default, the diagonal of the scene's box divided by num_samples",
        min=0,
        exclusive_min=True,
    )
    cone_angle: float = option(
        0.0,
        help="growth of the steps: at the distance t from the camera, a step is at least cone_angle · t long",
        min=0,
        max=1,
    )
    max_samples_per_ray: int = option(
        1024,
        help="largest number of samples per ray; if there are more, those nearest to the camera are kept",
        min=1,
        max=8192,
    )
    threshold: float = option(
        0.01, help="a cell counts as occupied if one marching step in it has at least this opacity", min=0, max=1
    )
    decay: float = option(
        0.95, help="factor by which each update of a cell multiplies its stored opacity", min=0, max=1
    )
    update_every: int = option(16, help="number of training steps between two updates of the grid", min=1)
    warmup_steps: int = option(
        256, help="number of training steps at the start of the run in which updates evaluate every cell", min=0
    )
    early_stop: Literal["never", "render", "always"] = option(
        "render",
        help='when to drop samples behind opaque surfaces: "never", "always", or only in rendering ("render")',
    )
    early_stop_eps: float = option(
        1e-4, help="transmittance below which the remaining samples of a ray are dropped", min=0, max=1
    )
    alpha_threshold: float = option(
        0.0, help="opacity below which a sample is dropped; used only when early_stop is active", min=0, max=1
    )
