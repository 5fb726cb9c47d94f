"""Distances along rays: spacing, stratification, and resampling of a step function through its CDF.

Results have no gradient, because samplers run under no_grad. Random numbers come from the generator that the caller
passes.

Symbols:

- R, S, B: numbers of rays, of samples per ray and of bins per ray.
- t: distances along rays [R, S], ascending.
- s: positions between near (s = 0) and far (s = 1).
- `edges`: ends of the bins [R, B+1].
- `weights`: height times width of a step function in each bin [R, B].
- `cdf`: cumulative distribution at the edges [R, B+1], which rises from 0 to 1.
- u: values in [0, 1) at which the CDF is inverted.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Spacing = Literal["linear", "disparity", "log"]
"""The quantity in which samples are evenly spaced: t, 1/t or log t."""


def spaced(s: Tensor, near: Tensor, far: Tensor, spacing: Spacing = "linear") -> Tensor:
    """Distances at the positions s between near and far.

    Args:
        s: positions [S] or [R, S] in [0, 1].
        near: near limits [R]. "disparity" and "log" raise them to at least 1e-4 · far.
        far: far limits [R].
        spacing: samples are even in t for "linear", in 1/t for "disparity" (NeRF, appendix A), in log t for "log".

    Returns:
        t [R, S]. s = 0 gives exactly near, and s = 1 gives exactly far.

    Example:
        >>> s, near, far = torch.linspace(0, 1, 3), torch.tensor([1.0]), torch.tensor([4.0])
        >>> spaced(s, near, far), spaced(s, near, far, "disparity"), spaced(s, near, far, "log")
        (tensor([[1.0000, 2.5000, 4.0000]]), tensor([[1.0000, 1.6000, 4.0000]]), tensor([[1., 2., 4.]]))
    """
    near, far = near[:, None], far[:, None]
    if spacing == "linear":
        return near * (1.0 - s) + far * s
    first = torch.maximum(near, 1e-4 * far)
    t = first * (far / first) ** s if spacing == "log" else 1.0 / ((1.0 - s) / first + s / far)
    return torch.where(far > 0, torch.minimum(torch.maximum(t, first), far), far)


def stratify(t: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one uniform random distance in each stratum.

    Each t has a stratum, whose ends are the midpoints to the neighboring t. The outermost strata end at their t.

    Args:
        t: distances [R, S].
        generator: source of the random numbers.

    Returns:
        [R, S], ascending.

    Example:
        >>> t = torch.tensor([[0.0, 2.0, 4.0]])
        >>> moved = stratify(t, torch.Generator().manual_seed(0))
        >>> bool(((moved >= torch.tensor([0.0, 1.0, 3.0])) & (moved <= torch.tensor([1.0, 3.0, 4.0]))).all())
        True
    """
    midpoints = 0.5 * (t[:, 1:] + t[:, :-1])
    lower = torch.cat([t[:, :1], midpoints], 1)
    upper = torch.cat([midpoints, t[:, -1:]], 1)
    return lower + (upper - lower) * _random(t, t.shape[1], generator)


def nerf_cdf(weights: Tensor, padding: float = 1e-5) -> Tensor:
    """CDF of weights + `padding`, normalized, from which NeRF draws its fine samples.

    Args:
        weights: [R, B].
        padding: added to every weight.

    Returns:
        [R, B+1], from 0 to 1.

    Example:
        >>> nerf_cdf(torch.tensor([[1.0, 3.0]]))
        tensor([[0.0000, 0.2500, 1.0000]])
    """
    padded = weights + padding
    return _cumulative(padded / padded.sum(-1, keepdim=True))


def mip_cdf(weights: Tensor, min_total: float = 1e-5) -> Tensor:
    """CDF of weights, normalized, from which mip-NeRF draws its fine samples.

    If a row has a sum below `min_total`, its weights are first increased by equal amounts to this sum.

    Args:
        weights: [R, B].
        min_total: smallest sum of a row.

    Returns:
        [R, B+1], from 0 to 1.

    Example:
        >>> mip_cdf(torch.tensor([[1.0, 3.0], [0.0, 0.0]]))
        tensor([[0.0000, 0.2500, 1.0000],
                [0.0000, 0.5000, 1.0000]])
    """
    missing = (min_total - weights.sum(-1, keepdim=True)).clamp_min(0.0)
    padded = weights + missing / weights.shape[-1]
    return _cumulative(padded / padded.sum(-1, keepdim=True))


def blur_pool(weights: Tensor, padding: float = 0.01) -> Tensor:
    """Weights widened before resampling (mip-NeRF, equation 18).

    With w_{-1} = w_0 and w_B = w_{B-1}: ½ (max(w_{i-1}, w_i) + max(w_i, w_{i+1})) + padding.

    Args:
        weights: [R, B].
        padding: added to every weight.

    Returns:
        [R, B].

    Example:
        >>> blur_pool(torch.tensor([[0.0, 0.0, 1.0, 0.0]]), padding=0.0)
        tensor([[0.0000, 0.5000, 1.0000, 0.5000]])
    """
    padded = torch.cat([weights[:, :1], weights, weights[:, -1:]], 1)
    larger = torch.maximum(padded[:, :-1], padded[:, 1:])
    return 0.5 * (larger[:, :-1] + larger[:, 1:]) + padding


def random_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n independent uniform values u per row, as NeRF does.

    Args:
        like: tensor [R, ...] whose number of rows, dtype and device the result takes.
        n: number of values per row.
        generator: source of the random numbers.

    Returns:
        [R, n] in [0, 1), unsorted.

    Example:
        >>> random_u(torch.zeros(2, 1), 5, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
    """
    return _random(like, n, generator)


def stratified_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n ascending values u per row, one in each n-th of [0, 1), as mip-NeRF does: i/n + U(0, 1/n − ε).

    Args:
        like: tensor [R, ...] whose number of rows, dtype and device the result takes.
        n: number of values per row.
        generator: source of the random numbers.

    Returns:
        [R, n] in [0, 1).

    Example:
        >>> u = stratified_u(torch.zeros(2, 1), 4, torch.Generator().manual_seed(0))
        >>> (4 * u).floor()
        tensor([[0., 1., 2., 3.],
                [0., 1., 2., 3.]])
    """
    width = 1.0 / n - torch.finfo(like.dtype).eps
    return torch.arange(n, dtype=like.dtype, device=like.device) / n + width * _random(like, n, generator)


def even_u(like: Tensor, n: int, end: float = 1.0) -> Tensor:
    """Space n values u per row evenly from 0 to `end`, which is 1 in NeRF and 1 − ε in mip-NeRF.

    Args:
        like: tensor [R, ...] whose number of rows, dtype and device the result takes.
        n: number of values per row.
        end: last value.

    Returns:
        [R, n].

    Example:
        >>> even_u(torch.zeros(1, 1), 3)
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    u = torch.linspace(0.0, end, n, dtype=like.dtype, device=like.device)
    return u.expand(like.shape[0], n)


def invert_cdf(u: Tensor, edges: Tensor, cdf: Tensor, min_rise: float = 0.0) -> Tensor:
    """Distances at which a piecewise linear CDF takes the values u.

    Args:
        u: values [R, n] in [0, 1].
        edges: ends of the bins [R, B+1].
        cdf: CDF at the edges [R, B+1], from 0 to 1.
        min_rise: a bin in which the CDF rises by no more than this is treated as if it rose by 1, which puts the sample
            at its start. NeRF uses 1e-5 to keep samples out of empty bins. With 0 the inverse is exact.

    Returns:
        t [R, n], in the order of u.

    Example:
        >>> edges, cdf = torch.tensor([[2.0, 4.0, 6.0]]), torch.tensor([[0.0, 0.25, 1.0]])
        >>> invert_cdf(torch.tensor([[0.125, 0.625]]), edges, cdf)
        tensor([[3., 5.]])
    """
    last = cdf.shape[1] - 1
    found = torch.searchsorted(cdf.contiguous(), u.contiguous(), right=True)
    below, above = (found - 1).clamp(0, last), found.clamp_max(last)
    cdf_below, cdf_above = cdf.gather(1, below), cdf.gather(1, above)
    rise = cdf_above - cdf_below
    rise = torch.where(rise > min_rise, rise, torch.ones_like(rise))
    edge_below, edge_above = edges.gather(1, below), edges.gather(1, above)
    return edge_below + ((u - cdf_below) / rise).clamp(0.0, 1.0) * (edge_above - edge_below)


def _cumulative(pdf: Tensor) -> Tensor:
    """CDF [R, B+1] of probabilities [R, B]. In spite of rounding, the last value is exactly 1."""
    ends = torch.zeros_like(pdf[:, :1])
    return torch.cat([ends, pdf[:, :-1].cumsum(-1).clamp_max(1.0), ends + 1.0], 1)


def _random(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape[0], n, dtype=like.dtype, device=like.device, generator=generator)
