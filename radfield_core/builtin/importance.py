"""Hierarchical sampling: stratified samples, and then additional samples where these have large weights.

Symbols in shapes: R rays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.builtin.config import ImportanceConfig
from radfield_core.interfaces import BuildContext, Field, Sampler
from radfield_core.ops import stepfun
from radfield_core.types import Level, RayBundle, RaySamples

_MIN_RISE = 1e-5  # as in NeRF: a bin counts as empty if the CDF rises by no more than this


class Importance(Sampler):
    """The sampler of NeRF, section 5.2.

    The first level has one sample in each stratum, that is, in each of `n_samples` ranges of t. The second level keeps
    these samples, and adds samples drawn from the distribution defined by the weights of the first level.
    """

    def __init__(self, config: ImportanceConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.n_levels = 2 if config.n_importance else 1

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return the samples of one level. Raises LayoutError if the samples of the previous level are packed."""
        _, far = self.extent(rays)
        t = self._stratified(rays, level) if prev is None else self._refined(prev, level)
        return RaySamples.from_points(rays, t, far)

    def _stratified(self, rays: RayBundle, level: int) -> Tensor:
        near, far = self.extent(rays)
        s = torch.linspace(0.0, 1.0, self.config.n_samples, dtype=near.dtype, device=near.device)
        t = stepfun.spaced(s, near, far, self.config.spacing)
        return stepfun.stratify(t, self._generator(level, t)) if self._random else t

    def _refined(self, prev: Level, level: int) -> Tensor:
        t, weights = prev.samples.dense(prev.samples.t_eval), prev.samples.dense(prev.weights).to(prev.samples.t_eval)
        midpoints = 0.5 * (t[:, 1:] + t[:, :-1])
        n = self.config.n_importance
        u = stepfun.random_u(t, n, self._generator(level, t)) if self._random else stepfun.even_u(t, n)
        drawn = stepfun.invert_cdf(u, midpoints, stepfun.nerf_cdf(weights[:, 1:-1]), _MIN_RISE)
        return torch.cat([t, drawn], 1).sort(1).values

    @property
    def _random(self) -> bool:
        return self.training and self.config.perturb

    def _generator(self, level: int, t: Tensor) -> torch.Generator:
        return self.generator(f"importance/{level}", t.device)
