"""The layout of samples: the assignment of N samples to R rays. All samples are stored in one list, ray by ray."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Packing:
    """The assignment of N samples to R rays that have different numbers of samples.

    Attributes:
        ray_indices: index of each sample's ray [N] int64, ascending.
        offsets: [R+1] int64. Ray r has the samples offsets[r]:offsets[r+1].
        max_per_ray: upper bound of the number of samples on one ray. Reading this number does not wait for the device.
    """

    ray_indices: Tensor
    offsets: Tensor
    max_per_ray: int

    @staticmethod
    def from_counts(counts: Tensor, max_per_ray: int | None = None, total: int | None = None) -> Packing:
        """Build the packing for a given number of samples on each ray.

        Args:
            counts: number of samples on each ray [R], any integer type.
            max_per_ray: upper bound of `counts`; None reads the largest count from the device and waits for it.
            total: sum of `counts`; None reads the sum from the device and waits for it.

        Example:
            >>> packing = Packing.from_counts(torch.tensor([2, 0, 3]))
            >>> packing.ray_indices
            tensor([0, 0, 2, 2, 2])
            >>> packing.offsets
            tensor([0, 2, 2, 5])
            >>> packing.max_per_ray
            3
        """
        counts = counts.to(torch.int64)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        rays = torch.arange(counts.shape[0], device=counts.device).repeat_interleave(counts, output_size=total)
        if max_per_ray is None:
            max_per_ray = int(counts.max()) if counts.numel() else 0
        return Packing(rays, offsets, max_per_ray)

    @property
    def counts(self) -> Tensor:
        """The number of samples on each ray [R] int64."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True, eq=False)
class Layout:
    """The assignment of samples to rays: uniform if `samples_per_ray` is given, or packed if `packing` is given.

    In a uniform layout, every ray has the same number of samples. In a packed layout, the numbers may differ.

    Attributes:
        n_rays: number of rays R.
        samples_per_ray: number of samples S on every ray; None for a packed layout.
        packing: assignment of samples to rays; None for a uniform layout.

    Example:
        >>> uniform = Layout(n_rays=2, samples_per_ray=3)
        >>> packed = Layout(n_rays=3, packing=Packing.from_counts(torch.tensor([2, 0, 3])))
    """

    n_rays: int
    samples_per_ray: int | None = None
    packing: Packing | None = None


class LayoutError(ValueError):
    """An operation does not support a layout, or the number of samples or rays in a tensor does not match the
    layout."""
