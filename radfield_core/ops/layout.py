"""The layout of flat samples: which sample belongs to which ray."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Packing:
    """A different number of samples on every ray.

    ray_indices [N] int64, ascending. offsets [R+1] int64: ray r owns the samples offsets[r]:offsets[r+1].
    max_per_ray: an upper bound of the samples on one ray that is known without waiting for the device.
    """

    ray_indices: Tensor
    offsets: Tensor
    max_per_ray: int

    @staticmethod
    def from_counts(counts: Tensor, max_per_ray: int | None = None, total: int | None = None) -> Packing:
        """The packing of `counts` [R] samples per ray. Bound and total that are not given are read back."""
        counts = counts.to(torch.int64)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        rays = torch.arange(counts.shape[0], device=counts.device).repeat_interleave(counts, output_size=total)
        if max_per_ray is None:
            max_per_ray = int(counts.max()) if counts.numel() else 0
        return Packing(rays, offsets, max_per_ray)

    @property
    def counts(self) -> Tensor:
        """Samples on each ray [R] int64."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True, eq=False)
class Layout:
    """Which sample belongs to which of `n_rays` rays; exactly one of samples_per_ray and packing is set."""

    n_rays: int
    samples_per_ray: int | None = None
    packing: Packing | None = None


class LayoutError(ValueError):
    """What was asked needs the other layout of samples, or does not fit their number."""
