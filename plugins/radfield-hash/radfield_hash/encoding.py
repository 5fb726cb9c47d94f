"""encoding:hash. It interpolates the features of a position between the entries of a multiresolution grid.

Shapes: M points, L levels, F features per entry.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radfield_core import BuildContext, Encoding, Step, UsageError
from radfield_core.ops import Op
from radfield_hash import levels, reference
from radfield_hash.config import HashConfig

OP = Op(
    "hash encoding",
    {
        "cpu": {"numba": "radfield_hash.cpu"},
        "cuda": {"triton": "radfield_hash.gpu", "tinycudann": "radfield_hash.tcnn"},
    },
)
INITIAL_RANGE = 1e-4
"""Initial entries are drawn uniformly between minus and plus this value, as in tiny-cuda-nn."""


def encode(x: Tensor, table: Tensor, grid: levels.Grid) -> Tensor:
    """Return the features [M, L·F] of positions x [M, 3] in [0, 1]³, computed from the table [n_entries, F].

    The active backend computes the features. `reference.encode` defines them. Half precision is converted to float32.
    The kernels support only float32, and the 11 bits of a half-precision position are too few to find a cell on a fine
    level. The features have the dtype of x or of the table, whichever is wider.
    """
    dtype = torch.promote_types(x.dtype, table.dtype)
    if dtype != torch.float64:
        x, table = x.to(torch.float32), table.to(torch.float32)
    features: Tensor = (OP.pick(x.device) or reference).encode(x, table, grid)
    return features.to(dtype)


class HashEncoding(Encoding):
    """Encoding of positions by trainable features of a multiresolution grid.

    The grid covers the scene's bounds, center ± radius. Positions outside are clamped to the bounds. The features are
    differentiable to any order with respect to the position and to `table` [n_entries, F]. In coarse-to-fine training,
    the features of a level are zero until the level is in use.

    Args:
        config: options.
        ctx: context with the scene's bounds.
        in_dim: number of coordinates; must be 3.

    Raises:
        UsageError: `in_dim` is not 3, or the sizes contradict each other.
    """

    center: Tensor
    active_levels: Tensor
    feature_levels: Tensor
    cell_sizes: Tensor

    def __init__(self, config: HashConfig, ctx: BuildContext, *, in_dim: int = 3):
        super().__init__()
        _check(config, in_dim)
        self.config = config
        self.grid = levels.build(
            config.n_levels, config.n_features, config.log2_table_size, config.base_resolution, config.finest_resolution
        )
        self.in_dim = in_dim
        self.out_dim = self.grid.out_dim + in_dim * config.include_xyz
        self.radius = float(ctx.bounds.radius)
        self.register_buffer("center", ctx.bounds.center.detach().clone(), persistent=False)
        self.register_buffer("active_levels", torch.tensor(config.start_levels or config.n_levels), persistent=False)
        feature_levels = torch.arange(config.n_levels).repeat_interleave(config.n_features)
        self.register_buffer("feature_levels", feature_levels, persistent=False)
        sizes = torch.tensor([2.0 * self.radius / (level.scale + 1.0) for level in self.grid.levels])
        self.register_buffer("cell_sizes", sizes, persistent=False)
        self.table = nn.Parameter(
            torch.empty(self.grid.n_entries, config.n_features).uniform_(-INITIAL_RANGE, INITIAL_RANGE)
        )

    def begin_step(self, step: Step) -> None:
        """If `start_levels` is set, use one more level after every `steps_per_level` steps, counted from
        `start_step`."""
        if self.config.start_levels is not None:
            steps = max(0, step.index - self.config.start_step)
            active = self.config.start_levels + steps // self.config.steps_per_level
            self.active_levels.fill_(min(active, self.config.n_levels))

    def cell_size(self) -> Tensor:
        """Return the side of the region, divided by the cells per side of the finest level in use."""
        return self.cell_sizes[self.active_levels - 1]

    def scalars(self) -> dict[str, Tensor]:
        """Return the number of levels in use, for the log. The result is empty if this number never changes."""
        return {} if self.config.start_levels is None else {"active_levels": self.active_levels}

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the features [M, out_dim] of x [M, 3], which are points or the means of Gaussians. The covariances
        `cov` are ignored."""
        unit = (x - self.center) / self.radius
        features = encode((unit + 1) / 2, self.table, self.grid)
        if self.config.start_levels is not None:
            features = features * (self.feature_levels < self.active_levels)
        return torch.cat([unit, features], -1) if self.config.include_xyz else features


def _check(config: HashConfig, in_dim: int) -> None:
    if in_dim != 3:
        raise UsageError(
            f"encoding:hash takes 3 coordinates, not {in_dim}",
            path="encoding",
            hint="Use encoding:hash for positions only, and encoding:sh or encoding:frequency for directions",
        )
    if config.finest_resolution < config.base_resolution:
        raise UsageError(
            f"the finest level has {config.finest_resolution} cells per side, fewer than the coarsest level's "
            f"{config.base_resolution}",
            path="encoding.finest_resolution",
            hint=f"Set finest_resolution={config.base_resolution} or more in this encoding",
        )
    if config.start_levels is not None and config.start_levels > config.n_levels:
        raise UsageError(
            f"start_levels is {config.start_levels}, but the grid has only n_levels = {config.n_levels} levels",
            path="encoding.start_levels",
            hint=f"Set start_levels={config.n_levels} or less in this encoding, or leave it unset",
        )
