"""Which samples are seen: marching on only while light is left, by the field's density, without gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import HasDensity, RaySamples
from radfield_core.ops import Layout, LayoutError, Packing, segments, volume

SLAB = 32


def visible(samples: RaySamples, field: HasDensity, eps: float, alpha_threshold: float) -> RaySamples:
    """The samples of a packed set that light reaches (T ≥ eps) and that are no thinner than alpha_threshold.

    Rays are walked slab by slab and left as soon as they are opaque, so density is never asked for behind a surface. A
    density that is NaN stays in view, with all behind it, so that the loss and the picture show what is wrong.
    """
    packing = samples.packing
    if packing is None:
        raise LayoutError("visible() takes packed samples")
    kept = torch.zeros(samples.n, dtype=torch.bool, device=samples.t_starts.device)
    counts, depth = packing.counts, torch.zeros_like(samples.rays.near)
    limit = -math.log(eps) if eps > 0 else math.inf
    rays = torch.arange(len(samples.rays), device=counts.device)[counts > 0]
    done = 0
    while len(rays):
        here = (counts[rays] - done).clamp_max(SLAB)
        slab = Packing.from_counts(here, SLAB)
        layout = Layout(len(rays), None, slab)
        index = (packing.offsets[rays] + done)[slab.ray_indices] + segments.local_index(layout, here.device)
        x = torch.addcmul(
            samples.rays.origins[rays][slab.ray_indices], samples.rays.directions[rays][slab.ray_indices],
            samples.t_eval[index][:, None],
        )  # fmt: skip
        density, lengths = field.density(x).to(depth.dtype), samples.lengths[index]
        before = segments.exclusive_cumsum(density * lengths, layout) + depth[rays][slab.ray_indices]
        kept[index] = ~((before > limit) | (volume.alpha_from_density(density, lengths) < alpha_threshold))
        depth[rays] += segments.sum(density * lengths, layout)
        done += SLAB
        rays = rays[~(depth[rays] > limit) & (counts[rays] > done)]
    return subset(samples, kept, packing)


def subset(samples: RaySamples, kept: Tensor, packing: Packing) -> RaySamples:
    """The samples for which `kept` [N] holds, packed."""
    layout = Layout(len(samples.rays), None, packing)
    counts = segments.sum(kept.to(torch.int64), layout)
    starts = samples.t_starts[kept]
    smaller = Packing.from_counts(counts, packing.max_per_ray, total=starts.shape[0])
    return RaySamples.packed(samples.rays, starts, samples.t_ends[kept], smaller)
