"""Hierarchical sampling: stratified points, then more of them where the level before found weight."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.builtin.config import ImportanceConfig
from radfield_core.interfaces import BuildContext, Field, Sampler
from radfield_core.ops import stepfun
from radfield_core.types import Level, RayBundle, RaySamples

_NARROWEST = 1e-5


class Importance(Sampler):
    """NeRF, section 5.2: one point in each stratum; then the union of these and points drawn from the weights."""

    def __init__(self, config: ImportanceConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.n_levels = 2 if config.n_importance else 1

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Samples of a level; level 0 is stratified, later ones add to the samples before, which must be dense."""
        _, far = self.extent(rays)
        t = self._stratified(rays, level) if prev is None else self._refined(prev, level)
        return RaySamples.from_points(rays, t, far)

    def _stratified(self, rays: RayBundle, level: int) -> Tensor:
        near, far = self.extent(rays)
        shares = torch.linspace(0.0, 1.0, self.config.n_samples, dtype=near.dtype, device=near.device)
        t = stepfun.spaced(shares, near, far, self.config.spacing)
        return stepfun.stratify(t, self._numbers(level, t)) if self._random else t

    def _refined(self, prev: Level, level: int) -> Tensor:
        t, weights = prev.samples.dense(prev.samples.t_eval), prev.samples.dense(prev.weights).to(prev.samples.t_eval)
        middles = 0.5 * (t[:, 1:] + t[:, :-1])
        n = self.config.n_importance
        u = stepfun.random_u(t, n, self._numbers(level, t)) if self._random else stepfun.even_u(t, n)
        drawn = stepfun.invert_cdf(u, middles, stepfun.nerf_cdf(weights[:, 1:-1]), _NARROWEST)
        return torch.cat([t, drawn], 1).sort(1).values

    @property
    def _random(self) -> bool:
        return self.training and self.config.perturb

    def _numbers(self, level: int, t: Tensor) -> torch.Generator:
        return self.generator(f"importance/{level}", t.device)
