"""Sums, means and scans over the samples of each ray.

Symbols: R rays, N samples, S samples per ray. The values of all samples are in one tensor x, ordered by ray. Its shape
is [N], or [N, ...] with any further dimensions. A `Layout` assigns samples to rays. Every function takes both kinds of
layout, uniform and packed.

No sum or scan runs across rays, so the rounding error does not grow with the number of rays. A kernel scans the packed
samples of each ray separately. If there is no such kernel, plain torch copies the samples to a padded table [R,
max_per_ray] and scans its rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.ops._packed import kernels_for
from radfield_core.ops.layout import Layout, LayoutError


def counts(layout: Layout, device: torch.device) -> Tensor:
    """Return the number of samples on each ray [R] int64.

    Example:
        >>> counts(Layout(3, samples_per_ray=4), torch.device("cpu"))
        tensor([4, 4, 4])
    """
    if layout.packing is not None:
        return layout.packing.counts
    return torch.full((layout.n_rays,), _samples_per_ray(layout), dtype=torch.int64, device=device)


def per_sample(x: Tensor, layout: Layout) -> Tensor:
    """Repeat the value of each ray for all samples of the ray.

    Args:
        x: values of rays [R, ...].
        layout: assignment of samples to rays.

    Returns:
        Values of samples [N, ...], with gradient to x.

    Example:
        >>> from radfield_core.ops import Packing
        >>> per_sample(torch.tensor([7.0, 8.0, 9.0]), Layout(3, packing=Packing.from_counts(torch.tensor([1, 0, 2]))))
        tensor([7., 9., 9.])
    """
    if (kernels := kernels_for(layout, x.device)) is not None and x.is_floating_point():
        return kernels.per_sample(x)
    if layout.packing is not None:
        return x.index_select(0, layout.packing.ray_indices)
    s = _samples_per_ray(layout)
    return x.unsqueeze(1).expand(-1, s, *x.shape[1:]).reshape(layout.n_rays * s, *x.shape[1:])


def local_index(layout: Layout, device: torch.device) -> Tensor:
    """Return the index of each sample among the samples of its ray [N] int64: 0, 1, 2, …

    Example:
        >>> from radfield_core.ops import Packing
        >>> local_index(Layout(2, packing=Packing.from_counts(torch.tensor([3, 2]))), torch.device("cpu"))
        tensor([0, 1, 2, 0, 1])
    """
    if layout.packing is not None:
        packing = layout.packing
        n = packing.ray_indices.shape[0]
        return torch.arange(n, device=device) - packing.offsets.index_select(0, packing.ray_indices)
    return torch.arange(_samples_per_ray(layout), device=device).repeat(layout.n_rays)


def sum(x: Tensor, layout: Layout) -> Tensor:
    """Return the sum of x over the samples of each ray. The sum for a ray without samples is 0.

    Args:
        x: values of samples [N, ...].
        layout: assignment of samples to rays.

    Returns:
        [R, ...].

    Example:
        >>> sum(torch.tensor([1.0, 2.0, 3.0, 4.0]), Layout(2, samples_per_ray=2))
        tensor([3., 7.])
    """
    if layout.packing is None:
        return _by_ray(x, layout).sum(1)
    if (kernels := kernels_for(layout, x.device)) is not None:
        return kernels.sum(x)
    return x.new_zeros(layout.n_rays, *x.shape[1:]).index_add(0, layout.packing.ray_indices, x)


def mean(x: Tensor, layout: Layout | None = None) -> Tensor:
    """Return the mean of x over the samples of each ray, or over all samples. Without samples the mean is 0, not NaN.

    Args:
        x: values of samples [N, ...].
        layout: assignment of samples to rays; None takes the mean over all samples.

    Returns:
        [R, ...]; if `layout` is None, [...].

    Example:
        >>> mean(torch.tensor([1.0, 2.0, 3.0, 4.0]), Layout(2, samples_per_ray=2))
        tensor([1.5000, 3.5000])
        >>> mean(torch.empty(0))
        tensor(0.)
    """
    if layout is None:
        return x.sum(0) / max(x.shape[0], 1)
    n = counts(layout, x.device).clamp_min(1).to(x.dtype)
    return sum(x, layout) / n.view(-1, *[1] * (x.dim() - 1))


def maximum(x: Tensor, layout: Layout, empty: float = 0.0) -> Tensor:
    """Return the largest value of x on each ray. Several samples that have this value share the gradient.

    Args:
        x: values of samples [N, ...].
        layout: assignment of samples to rays.
        empty: result for a ray without samples.

    Returns:
        [R, ...].

    Example:
        >>> maximum(torch.tensor([1.0, 5.0, 3.0, 2.0]), Layout(2, samples_per_ray=2))
        tensor([5., 3.])
    """
    result = x.new_full((layout.n_rays, *x.shape[1:]), empty)
    if layout.packing is None:
        return _by_ray(x, layout).amax(1) if _samples_per_ray(layout) else result
    index = layout.packing.ray_indices.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    return result.scatter_reduce(0, index, x, "amax", include_self=False)


def exclusive_cumsum(x: Tensor, layout: Layout) -> Tensor:
    """Return, for each sample, the sum of x over the earlier samples of its ray. For the first sample, the sum is 0.

    Args:
        x: values of samples [N, ...].
        layout: assignment of samples to rays.

    Returns:
        [N, ...].

    Example:
        >>> exclusive_cumsum(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), Layout(2, samples_per_ray=3))
        tensor([0., 1., 3., 0., 4., 9.])
    """
    if (kernels := kernels_for(layout, x.device)) is not None:
        return kernels.exclusive_cumsum(x)
    rows = _padded_rows(x, layout, 0.0)
    before = torch.cat([torch.zeros_like(rows[:, :1]), rows[:, :-1].cumsum(1)], 1)
    return _flat(before, layout)


def exclusive_cumprod(x: Tensor, layout: Layout) -> Tensor:
    """Return, for each sample, the product of x over the earlier samples of its ray. For the first one, it is 1.

    Args:
        x: values of samples [N, ...].
        layout: assignment of samples to rays.

    Returns:
        [N, ...].

    Example:
        >>> exclusive_cumprod(torch.tensor([2.0, 3.0, 4.0, 5.0]), Layout(2, samples_per_ray=2))
        tensor([1., 2., 1., 4.])
    """
    rows = _padded_rows(x, layout, 1.0)
    before = torch.cat([torch.ones_like(rows[:, :1]), rows[:, :-1].cumprod(1)], 1)
    return _flat(before, layout)


def last_where(mask: Tensor, layout: Layout) -> Tensor:
    """For each ray, find the last of its samples whose `mask` is True.

    Args:
        mask: [N] bool.
        layout: assignment of samples to rays.

    Returns:
        [N] bool: True for the samples found, and False for all others. If no sample of a ray has a True `mask`, the
        result is False for all samples of this ray.

    Example:
        >>> last_where(torch.tensor([True, True, False, False, False, False]), Layout(2, samples_per_ray=3))
        tensor([False,  True, False, False, False, False])
    """
    index = torch.where(mask, local_index(layout, mask.device), -1)
    return mask & (index == per_sample(maximum(index, layout, empty=-1), layout))


def _samples_per_ray(layout: Layout) -> int:
    if layout.samples_per_ray is None:
        raise LayoutError("a layout needs samples_per_ray or packing")
    return layout.samples_per_ray


def _by_ray(x: Tensor, layout: Layout) -> Tensor:
    """Reshape the values x [N, ...] to [R, S, ...]. Every ray must have the same number of samples, S."""
    return x.reshape(layout.n_rays, _samples_per_ray(layout), *x.shape[1:])


def _padded_rows(x: Tensor, layout: Layout, fill: float) -> Tensor:
    """Return the values x [N, ...] with one row per ray [R, W, ...]. Shorter rows are filled up with `fill`."""
    if layout.packing is None:
        return _by_ray(x, layout)
    slots, width = _slots(layout)
    padded = x.new_full((layout.n_rays * width, *x.shape[1:]), fill).index_copy(0, slots, x)
    return padded.view(layout.n_rays, width, *x.shape[1:])


def _flat(rows: Tensor, layout: Layout) -> Tensor:
    """Invert `_padded_rows`: return the values [N, ...] that fill the rows, without padding."""
    flat = rows.reshape(rows.shape[0] * rows.shape[1], *rows.shape[2:])
    return flat if layout.packing is None else flat.index_select(0, _slots(layout)[0])


def _slots(layout: Layout) -> tuple[Tensor, int]:
    """Return the index of each packed sample in the flattened padded rows [N], and the width of the rows."""
    assert layout.packing is not None
    packing, width = layout.packing, layout.packing.max_per_ray
    if packing.offsets.device.type == "cpu" and layout.n_rays:
        width = int(packing.counts.max())  # exact; on a GPU, reading it would wait for the device
    return packing.ray_indices * width + local_index(layout, packing.ray_indices.device), width
