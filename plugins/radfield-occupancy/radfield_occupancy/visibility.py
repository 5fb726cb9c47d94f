"""Selection of visible samples. A ray ends where the samples along it have blocked nearly all light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import Field, HasDensity, RaySamples
from radfield_core.ops import Layout, LayoutError, Packing, segments

SLAB = 32
"""Number of consecutive samples of a ray that form a slab. The field evaluates one slab of each ray in one call."""


def visible(samples: RaySamples, field: Field, eps: float, alpha_threshold: float) -> RaySamples:
    """Keep the samples that have a transmittance T of at least `eps` and an opacity of at least `alpha_threshold`.

    The samples of a ray are evaluated slab by slab until T is below `eps`, so that little is computed behind a surface.
    If the density or opacity of a sample is NaN, this sample and all samples behind it are kept, so that the NaN
    appears in the loss and in images.

    Args:
        samples: packed samples [N].
        field: field. If it has a density, only the density is computed.
        eps: smallest transmittance.
        alpha_threshold: smallest opacity.

    Raises:
        LayoutError: the samples are not packed.
    """
    packing = samples.packing
    if packing is None:
        raise LayoutError("visible() requires packed samples")
    kept = torch.zeros(samples.n, dtype=torch.bool, device=samples.t_starts.device)
    counts, optical_depth = packing.counts, torch.zeros_like(samples.rays.near)
    limit = -math.log(eps) if eps > 0 else math.inf
    rays = torch.arange(len(samples.rays), device=counts.device)[counts > 0]
    done = 0
    while len(rays):
        here = (counts[rays] - done).clamp_max(SLAB)
        slab = Packing.from_counts(here, SLAB)
        layout = Layout(len(rays), None, slab)
        index = (packing.offsets[rays] + done)[slab.ray_indices] + segments.local_index(layout, here.device)
        part = RaySamples.packed(samples.rays[rays], samples.t_starts[index], samples.t_ends[index], slab)
        depths = _optical_depths(field, part).to(optical_depth.dtype)
        before = segments.exclusive_cumsum(depths, layout) + optical_depth[rays][slab.ray_indices]
        kept[index] = ~((before > limit) | (-(-depths).expm1() < alpha_threshold))
        optical_depth[rays] += segments.sum(depths, layout)
        done += SLAB
        rays = rays[~(optical_depth[rays] > limit) & (counts[rays] > done)]
    return subset(samples, kept, packing)


def _optical_depths(field: Field, samples: RaySamples) -> Tensor:
    """Return the optical depth −log(1 − α) of each sample [N]."""
    if isinstance(field, HasDensity):
        return field.density(samples.positions()) * samples.lengths
    outputs = field(samples)
    if outputs.density is not None:
        depths: Tensor = outputs.density * samples.lengths
        return depths
    largest = 1.0 - torch.finfo(samples.lengths.dtype).eps  # the optical depth of an opaque sample stays finite
    return -torch.log1p(-outputs.alpha.to(samples.lengths).clamp(max=largest))


def subset(samples: RaySamples, kept: Tensor, packing: Packing) -> RaySamples:
    """Return the packed samples for which `kept` [N] is True."""
    layout = Layout(len(samples.rays), None, packing)
    counts = segments.sum(kept.to(torch.int64), layout)
    starts = samples.t_starts[kept]
    smaller = Packing.from_counts(counts, packing.max_per_ray, total=starts.shape[0])
    return RaySamples.packed(samples.rays, starts, samples.t_ends[kept], smaller)
