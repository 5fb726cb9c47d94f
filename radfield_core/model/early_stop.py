"""Early stop: evaluating a field only at the samples that light reaches. Symbols in shapes: R rays, N samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from radfield_core.ops import segments
from radfield_core.ops.layout import Layout, Packing
from radfield_core.types import FieldOutputs, RaySamples

FIRST_SLAB = 8
"""Number of samples per ray in the first slab. A slab is a range of successive samples that are evaluated together.
Each later slab has half as many samples as all slabs before it together."""


def evaluate_visible(evaluate: Callable[[RaySamples], FieldOutputs], samples: RaySamples, eps: float) -> FieldOutputs:
    """Evaluate a field at the samples of each ray until the transmittance is below `eps`.

    The samples of a ray are evaluated in slabs, from near to far. At the samples that are not evaluated, all outputs
    are 0, so that their weights are 0. This changes a pixel by less than `eps`. If an opacity is NaN, the ray does not
    stop, so that the NaN shows in the image.

    Args:
        evaluate: returns the outputs of the field at samples. An output must depend on its own sample only.
        samples: N samples, in any layout.
        eps: smallest transmittance at which a slab is evaluated.

    Returns:
        The outputs at all N samples.
    """
    counts, offsets = _counts_and_offsets(samples)
    log_light, limit = torch.zeros_like(samples.rays.near), math.log(eps)
    pieces: list[tuple[Tensor, FieldOutputs]] = []
    alive, done = (counts > 0).nonzero()[:, 0], 0
    while len(alive) or not pieces:
        size = max(FIRST_SLAB, done // 2)
        slab, index = _slab(samples, alive, (counts[alive] - done).clamp(0, size), offsets[alive] + done, size)
        outputs = evaluate(slab)
        pieces.append((index, outputs))
        log_light = log_light.index_add(
            0, alive, segments.sum(_log_transmitted(outputs, slab).to(log_light), slab.layout)
        )
        done += size
        alive = alive[~(log_light[alive] < limit) & (counts[alive] > done)]
    return _joined(pieces, samples.n)


def _counts_and_offsets(samples: RaySamples) -> tuple[Tensor, Tensor]:
    """Return the number of samples and the index of the first sample of each ray, both [R]."""
    if samples.packing is not None:
        return samples.packing.counts, samples.packing.offsets
    rays = torch.arange(len(samples.rays), device=samples.t_starts.device)
    n = samples.samples_per_ray
    assert n is not None
    return torch.full_like(rays, n), rays * n


def _slab(samples: RaySamples, rays: Tensor, counts: Tensor, starts: Tensor, size: int) -> tuple[RaySamples, Tensor]:
    """Return some consecutive samples of each of the rays, and their indices among all samples.

    Args:
        samples: all samples.
        rays: numbers of the rays.
        counts: number of samples to take from each of these rays.
        starts: index of the first sample to take from each of these rays.
        size: largest of the counts.
    """
    packing = Packing.from_counts(counts, size)
    within = segments.local_index(Layout(len(rays), None, packing), rays.device)
    index = starts[packing.ray_indices] + within
    t = (samples.t_starts[index], samples.t_ends[index], samples.t_eval[index])
    return RaySamples(samples.rays[rays], *t, None, packing, samples.footprint), index


def _log_transmitted(outputs: FieldOutputs, samples: RaySamples) -> Tensor:
    """Return the logarithm of the share of light that each sample transmits [N]."""
    lengths = samples.lengths
    if outputs.density is not None:
        return -outputs.density.to(lengths.dtype) * lengths
    assert outputs.alpha is not None
    return torch.where(lengths > 0, torch.log1p(-outputs.alpha.to(lengths.dtype)), 0.0)


def _joined(pieces: list[tuple[Tensor, FieldOutputs]], n: int) -> FieldOutputs:
    """Return the outputs at all n samples. The outputs of samples that are in no piece are 0."""
    index = torch.cat([piece for piece, _ in pieces])

    def joined(parts: list[Tensor]) -> Tensor:
        values = torch.cat(parts)
        return values.new_zeros(n, *values.shape[1:]).index_copy(0, index, values)

    def optional(parts: list[Tensor | None]) -> Tensor | None:
        tensors = [part for part in parts if part is not None]
        return joined(tensors) if tensors else None

    found = [outputs for _, outputs in pieces]
    return FieldOutputs(
        rgb=optional([each.rgb for each in found]),
        density=optional([each.density for each in found]),
        alpha=optional([each.alpha for each in found]),
        sdf=optional([each.sdf for each in found]),
        gradients=optional([each.gradients for each in found]),
        normals=optional([each.normals for each in found]),
        extras={name: joined([each.extras[name] for each in found]) for name in found[0].extras},
    )
