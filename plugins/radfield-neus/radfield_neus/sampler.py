"""sampler:neus, which takes evenly spaced samples in the scene's sphere, and then adds samples near the surface.

Shapes: R rays, S samples per ray.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core import BuildContext, Field, HasSDF, Level, RayBundle, RaySamples, Sampler
from radfield_core.ops import stepfun
from radfield_neus.config import NeuSSamplerConfig


class NeuSSampler(Sampler):
    """Sampler of S = n_samples + n_importance intervals per ray (NeuS, section 3.3).

    The field is evaluated at the centers of the intervals.

    Args:
        config: options.
        ctx: context with the scene's bounds.
    """

    center: Tensor

    def __init__(self, config: NeuSSamplerConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.early_stop_eps = config.early_stop_eps
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Near and far limits [R] of the rays, as in the paper's code.

        Take the point of the ray nearest to the center. The limits lie one scene radius in front of it and one behind
        it.
        """
        middle = -((rays.origins - self.center) * rays.directions).sum(-1)
        near = (middle - self.radius).clamp_min(0.0)
        return near, torch.maximum(middle + self.radius, near)

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Take evenly spaced samples (with a random shift per ray in training), then add samples in rounds.

        Each round draws from weights computed with twice the sharpness of the previous round.
        """
        assert isinstance(field, HasSDF)
        config = self.config
        near, far = self.extent(rays)
        t = stepfun.spaced(torch.linspace(0, 1, config.n_samples, device=near.device, dtype=near.dtype), near, far)
        step = (far - near)[:, None] / config.n_samples
        if self.training and config.perturb:
            generator = self.generator("sampler.neus", near.device)
            shift = torch.rand(len(rays), 1, generator=generator, device=near.device, dtype=near.dtype) - 0.5
            t = (t + shift * step).clamp_min(0.0)
        if config.n_importance and len(rays):
            t = self._add(rays, t, field)
        last = t[:, -1:] + step
        return RaySamples.from_edges(rays, torch.cat([t, last], dim=1))

    def _add(self, rays: RayBundle, t: Tensor, field: HasSDF) -> Tensor:
        """Add samples to t [R, n_samples] in rounds. Return the sorted distances [R, S] of old and new samples."""
        config = self.config
        sdf = self._sdf(rays, t, field)
        per_round = config.n_importance // config.n_rounds
        for index in range(config.n_rounds):
            n = per_round if index + 1 < config.n_rounds else config.n_importance - per_round * (config.n_rounds - 1)
            if n == 0:
                continue
            weights = upsampling_weights(
                rays, t, sdf, self.center, self.radius, config.base_sharpness * 2**index / self.radius
            )
            u = (torch.arange(n, device=t.device, dtype=t.dtype) + 0.5) / n
            new = stepfun.invert_cdf(u.expand(len(rays), n), t, stepfun.nerf_cdf(weights), 1e-5)
            both, order = torch.cat([t, new], dim=1).sort(dim=1)
            if index + 1 < config.n_rounds:
                sdf = torch.cat([sdf, self._sdf(rays, new, field)], dim=1).gather(1, order)
            t = both
        return t

    @staticmethod
    def _sdf(rays: RayBundle, t: Tensor, field: HasSDF) -> Tensor:
        points = rays.origins[:, None] + rays.directions[:, None] * t[..., None]
        return field.sdf(points.view(-1, 3)).view(t.shape)


def upsampling_weights(
    rays: RayBundle, t: Tensor, sdf: Tensor, center: Tensor, radius: float, sharpness: float
) -> Tensor:
    """Rendering weights [R, S − 1] of intervals, for a fixed sharpness.

    The weights are computed from the signed distances at the edges of the intervals. The slope in an interval is the
    finite difference of the distance. If the slope of the previous interval is smaller, that slope is used instead.
    Positive slopes are set to 0, and so are all slopes outside the sphere (NeuS, section 3.3 and its code).

    Args:
        rays: the R rays.
        t: edges [R, S].
        sdf: signed distances [R, S] at the edges.
        center: center [3] of the sphere.
        radius: radius of the sphere.
        sharpness: sharpness 1/s of the logistic function.
    """
    points = rays.origins[:, None] + rays.directions[:, None] * t[..., None] - center
    inside = points.norm(dim=-1) < radius
    inside = inside[:, :-1] | inside[:, 1:]
    lengths = t[:, 1:] - t[:, :-1]
    slope = (sdf[:, 1:] - sdf[:, :-1]) / (lengths + 1e-5 * radius)
    previous = torch.cat([torch.zeros_like(slope[:, :1]), slope[:, :-1]], dim=1)
    slope = torch.minimum(slope, previous).clamp(-1e3, 0.0) * inside
    middle = 0.5 * (sdf[:, 1:] + sdf[:, :-1])
    half = 0.5 * slope * lengths
    phi_before, phi_after = torch.sigmoid((middle - half) * sharpness), torch.sigmoid((middle + half) * sharpness)
    alpha = (phi_before - phi_after + 1e-5) / (phi_before + 1e-5)
    transmitted = torch.cumprod(1.0 - alpha + 1e-7, dim=1)
    return alpha * torch.cat([torch.ones_like(transmitted[:, :1]), transmitted[:, :-1]], dim=1)
