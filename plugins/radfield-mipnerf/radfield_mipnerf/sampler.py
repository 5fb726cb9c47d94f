"""sampler:mip, the sampler of mip-NeRF.

Samples are adjacent intervals. Later levels draw new intervals from the blurred weights of the previous level.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core import BuildContext, Field, Level, RayBundle, RaySamples, Sampler
from radfield_core.ops import stepfun
from radfield_mipnerf.config import MipSamplerConfig


class MipSampler(Sampler):
    """S adjacent intervals per ray and level (mip-NeRF, sections 3 and 3.1).

    The first level has S + 1 evenly spaced edges. In training, each edge is moved randomly, by at most half the
    distance to a neighboring edge. Each later level draws S + 1 new edges from the previous level's blurred weights
    (equation 18).

    Args:
        config: options.
        ctx: context of the run, which tells whether rays are in normalized device coordinates (NDC).
    """

    def __init__(self, config: MipSamplerConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.n_levels = config.n_levels
        self.footprint = ("cylinder" if ctx.ndc else "cone") if config.ray_shape == "auto" else config.ray_shape

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return the intervals of one level. Their edges are random in training, and deterministic in evaluation."""
        edges = self.first_edges(rays) if prev is None else self.resample(prev, level)
        return RaySamples.from_edges(rays, edges, self.footprint)

    def first_edges(self, rays: RayBundle) -> Tensor:
        """Edges [R, S + 1] of the first level."""
        near, far = self.extent(rays)
        fractions = torch.linspace(0.0, 1.0, self.config.n_samples + 1, dtype=near.dtype, device=near.device)
        edges = stepfun.spaced(fractions, near, far, self.config.spacing).expand(len(rays), -1)
        return stepfun.stratify(edges, self.generator("mip/0", edges.device)) if self.training else edges

    def resample(self, prev: Level, level: int) -> Tensor:
        """Edges [R, S + 1] drawn from the blurred weights of the previous level."""
        edges, n = prev.samples.edges(), self.config.n_samples + 1
        weights = stepfun.blur_pool(prev.samples.dense(prev.weights), self.config.resample_padding)
        if self.training:
            u = stepfun.stratified_u(edges, n, self.generator(f"mip/{level}", edges.device))
        else:
            u = stepfun.even_u(edges, n, end=1.0 - torch.finfo(edges.dtype).eps)
        return stepfun.invert_cdf(u, edges, stepfun.mip_cdf(weights))
