"""Background outside the scene's sphere, in the inverted-sphere parametrization of NeRF++ (Zhang et al. 2020).

A point at distance r from the center is given by its direction x/r and its inverse distance 1/r.

Shapes: N samples, M points, R rays, F features, S samples per ray.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from radfield_core import (
    BuildContext,
    Encoding,
    Field,
    FieldOutputs,
    Level,
    RayBundle,
    RaySamples,
    Sampler,
    with_appearance,
)
from radfield_core.ops.networks import SkipMlp
from radfield_neus.config import InvertedSphereFieldConfig, InvertedSphereSamplerConfig

FARTHEST = 1e4
"""Length, in scene radii, of the sampled part of each ray. In effect, the last sample is at infinity.

The length is finite, because an interval with an infinite end has no midpoint.
"""


class InvertedSphereField(Field):
    """Density and color, computed by an MLP.

    The MLP reads (x/r, 1/r), where r is the distance from the center. Both x and r are in scene radii.

    Args:
        config: options.
        ctx: context with the scene's bounds; builds the encodings.
    """

    center: Tensor

    def __init__(self, config: InvertedSphereFieldConfig, ctx: BuildContext):
        super().__init__()
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius
        self.encoding = ctx.encoding(config.encoding, in_dim=4)
        self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        self.appearance_encoding: Encoding | None = None
        if config.appearance_encoding is not None:
            self.appearance_encoding = ctx.encoding(config.appearance_encoding, in_dim=1)
        seen_dim = self.direction_encoding.out_dim
        seen_dim += 0 if self.appearance_encoding is None else self.appearance_encoding.out_dim
        self.trunk = SkipMlp(
            self.encoding.out_dim, config.width, config.n_layers, config.width + 1, skip_layer=config.skip_layer
        )
        self.head = SkipMlp(config.width + seen_dim, config.width // 2, 1, 3)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Density [N] (per scene unit) and rgb [N, 3] of all samples."""
        raw, features = self._trunk(samples.positions())
        encoded = self.direction_encoding(samples.rays.viewdirs)
        seen = samples.per_sample(with_appearance(encoded, self.appearance_encoding, samples.rays.image_ids))
        rgb = torch.sigmoid(self.head(torch.cat([features, seen], dim=-1)))
        return FieldOutputs(rgb=rgb, density=F.softplus(raw) / self.radius)

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] (per scene unit) at x [M, 3]."""
        return F.softplus(self._trunk(x)[0]) / self.radius

    def _trunk(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density [M] and features [M, F] at x [M, 3]."""
        x = (x - self.center) / self.radius
        r = x.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        out = self.trunk(self.encoding(torch.cat([x / r, 1.0 / r], dim=-1)))
        return out[:, 0], out[:, 1:]


class InvertedSphereSampler(Sampler):
    """S intervals per ray behind the foreground, evenly spaced in inverse distance, out to `FARTHEST` scene radii.

    The first interval starts at the ray's near limit, which is where the foreground ends.

    Args:
        config: options.
        ctx: context with the scene's bounds.
    """

    def __init__(self, config: InvertedSphereSamplerConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.radius = ctx.bounds.radius

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Near and far limits [R] of the rays. The far limit is `FARTHEST` scene radii beyond the near limit."""
        return rays.near, rays.near + self.radius * FARTHEST

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return intervals with the edges t = near + radius (1/u − 1), where u decreases evenly from 1 to nearly 0.

        If sampler:neus renders the foreground, the point at the distance near − radius is the point of the ray nearest
        to the center. So 1/u is the distance from this point, in scene radii. In training, the inner edges are moved
        randomly by up to half a step if `perturb` is set.
        """
        n = self.config.n_samples
        u = torch.linspace(1.0, 1.0 / (1.0 + FARTHEST), n + 1, device=rays.near.device, dtype=rays.near.dtype)
        u = u.expand(len(rays), n + 1)
        if self.training and self.config.perturb:
            generator = self.generator("sampler.inverted-sphere", u.device)
            jitter = torch.rand(len(rays), n - 1, generator=generator, device=u.device, dtype=u.dtype)
            moved = u[:, 1:-1] + (jitter - 0.5) * (u[:, 1:-1] - u[:, 2:])
            u = torch.cat([u[:, :1], moved, u[:, -1:]], dim=1)
        return RaySamples.from_edges(rays, rays.near[:, None] + self.radius * (1.0 / u - 1.0))
