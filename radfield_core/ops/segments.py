"""Sums, means and scans over the samples of each ray. R rays, N samples, S samples per ray, trailing features free.

Samples are flat, ordered by ray: x is [N] or [N, ...]. A `Layout` says which ray a sample belongs to; whoever reduces
along rays by these functions need not ask which kind of layout it is. No scan runs across rays, so float32 errors stay
those of one ray: packed samples are scanned in a padded [R, max_per_ray] view, or by a twin that starts afresh on every
ray.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.ops._packed import Twin
from radfield_core.ops.backend import Op
from radfield_core.ops.layout import Layout, LayoutError

PACKED = Op("compositing", {"cpu": {"numba": "radfield_core.ops._cpu"}, "cuda": {"triton": "radfield_core.ops._gpu"}})


def twin(layout: Layout, device: torch.device) -> Twin | None:
    """The accelerated twin for packed samples, or None where plain torch serves: a uniform layout, or no twin."""
    if layout.packing is None or (kernels := PACKED.pick(device)) is None:
        return None
    return Twin(kernels, layout.packing)


def counts(layout: Layout, device: torch.device) -> Tensor:
    """Number of samples on each ray [R] int64."""
    if layout.packing is not None:
        return layout.packing.counts
    return torch.full((layout.n_rays,), _uniform(layout), dtype=torch.int64, device=device)


def per_sample(x: Tensor, layout: Layout) -> Tensor:
    """Per-ray values [R, ...] repeated for each sample [N, ...]."""
    if (fast := twin(layout, x.device)) is not None and x.is_floating_point():
        return fast.per_sample(x)
    if layout.packing is not None:
        return x.index_select(0, layout.packing.ray_indices)
    s = _uniform(layout)
    return x.unsqueeze(1).expand(-1, s, *x.shape[1:]).reshape(layout.n_rays * s, *x.shape[1:])


def local_index(layout: Layout, device: torch.device) -> Tensor:
    """Position of each sample on its ray [N] int64: 0, 1, 2, …"""
    if layout.packing is not None:
        packing = layout.packing
        n = packing.ray_indices.shape[0]
        return torch.arange(n, device=device) - packing.offsets.index_select(0, packing.ray_indices)
    return torch.arange(_uniform(layout), device=device).repeat(layout.n_rays)


def sum(x: Tensor, layout: Layout) -> Tensor:
    """Sum over each ray [R, ...]; zero on a ray without samples."""
    if layout.packing is None:
        return _view(x, layout).sum(1)
    if (fast := twin(layout, x.device)) is not None:
        return fast.sum(x)
    return x.new_zeros(layout.n_rays, *x.shape[1:]).index_add(0, layout.packing.ray_indices, x)


def mean(x: Tensor, layout: Layout | None = None) -> Tensor:
    """Mean over each ray [R, ...], or without a layout over all rows [...]; the mean of nothing is zero."""
    if layout is None:
        return x.sum(0) / max(x.shape[0], 1)
    n = counts(layout, x.device).clamp_min(1).to(x.dtype)
    return sum(x, layout) / n.view(-1, *[1] * (x.dim() - 1))


def maximum(x: Tensor, layout: Layout, empty: float = 0.0) -> Tensor:
    """Largest value on each ray [R, ...]; `empty` on a ray without samples. Ties share the gradient."""
    result = x.new_full((layout.n_rays, *x.shape[1:]), empty)
    if layout.packing is None:
        return _view(x, layout).amax(1) if _uniform(layout) else result
    index = layout.packing.ray_indices.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    return result.scatter_reduce(0, index, x, "amax", include_self=False)


def exclusive_cumsum(x: Tensor, layout: Layout) -> Tensor:
    """Sum of the samples before each one on its ray [N, ...]; zero for the first."""
    if (fast := twin(layout, x.device)) is not None:
        return fast.exclusive_cumsum(x)
    rows = _rows(x, layout, 0.0)
    before = torch.cat([torch.zeros_like(rows[:, :1]), rows[:, :-1].cumsum(1)], 1)
    return _flat(before, layout)


def exclusive_cumprod(x: Tensor, layout: Layout) -> Tensor:
    """Product of the samples before each one on its ray [N, ...]; one for the first."""
    rows = _rows(x, layout, 1.0)
    before = torch.cat([torch.ones_like(rows[:, :1]), rows[:, :-1].cumprod(1)], 1)
    return _flat(before, layout)


def last_where(mask: Tensor, layout: Layout) -> Tensor:
    """Whether a sample is the last on its ray for which `mask` [N] holds: [N] bool."""
    position = torch.where(mask, local_index(layout, mask.device), -1)
    return mask & (position == per_sample(maximum(position, layout, empty=-1), layout))


def _uniform(layout: Layout) -> int:
    if layout.samples_per_ray is None:
        raise LayoutError("a layout needs one of samples_per_ray and packing")
    return layout.samples_per_ray


def _view(x: Tensor, layout: Layout) -> Tensor:
    """x [N, ...] as [R, S, ...], without a copy."""
    return x.reshape(layout.n_rays, _uniform(layout), *x.shape[1:])


def _rows(x: Tensor, layout: Layout, fill: float) -> Tensor:
    """x [N, ...] as one row per ray [R, W, ...]; rows of packed samples are filled up with `fill`."""
    if layout.packing is None:
        return _view(x, layout)
    slots, width = _slots(layout)
    padded = x.new_full((layout.n_rays * width, *x.shape[1:]), fill).index_copy(0, slots, x)
    return padded.view(layout.n_rays, width, *x.shape[1:])


def _flat(rows: Tensor, layout: Layout) -> Tensor:
    """The inverse of `_rows`."""
    flat = rows.reshape(rows.shape[0] * rows.shape[1], *rows.shape[2:])
    return flat if layout.packing is None else flat.index_select(0, _slots(layout)[0])


def _slots(layout: Layout) -> tuple[Tensor, int]:
    """Where each packed sample lies in the padded rows [N], and their width."""
    assert layout.packing is not None
    packing, width = layout.packing, layout.packing.max_per_ray
    if packing.offsets.device.type == "cpu" and layout.n_rays:
        width = int(packing.counts.max())
    return packing.ray_indices * width + local_index(layout, packing.ray_indices.device), width
