"""Distances along rays: spacing, stratification, and resampling of a step function through its CDF.

Symbols: R rays, S samples per ray, B bins. t are distances along rays [R, S], ascending; `edges` [R, B+1] are the ends
of bins, and `weights` [R, B] are the heights times widths of a step function on them; s in [0, 1] is the position
between near (0) and far (1); `cdf` [R, B+1] rises from 0 to 1, and u in [0, 1) are the values at which it is inverted.
Results carry no gradient, because samplers run under no_grad. Random numbers come from the generator that the caller
passes.
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
        near: [R]. "disparity" and "log" use at least 1e-4 · far.
        far: [R].
        spacing: "linear" is even in t, "disparity" in 1/t (NeRF, appendix A), "log" in log t.

    Returns:
        t [R, S]; s = 0 gives near, and s = 1 gives far, exactly.

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
    """One uniform random distance in each stratum: between the midpoints to both neighbors, or the outermost t.

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
    """CDF of weights + `padding`, normalized, as NeRF samples its fine level.

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
    """CDF of weights, normalized, as mip-NeRF: a row with a sum below `min_total` is first raised evenly to it.

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
    """n independent uniform u per row, as in NeRF.

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
    """n ascending u per row, one in each n-th of [0, 1), as in mip-NeRF: i/n + U(0, 1/n − ε).

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
    """n evenly spaced u per row, from 0 to `end`: 1 in NeRF, 1 − ε in mip-NeRF.

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
            at its start. NeRF uses 1e-5 to keep samples out of empty bins; 0 inverts exactly.

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
    """CDF [R, B+1] of probabilities [R, B]; ends with exactly 1, whatever the rounding."""
    ends = torch.zeros_like(pdf[:, :1])
    return torch.cat([ends, pdf[:, :-1].cumsum(-1).clamp_max(1.0), ends + 1.0], 1)


def _random(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape[0], n, dtype=like.dtype, device=like.device, generator=generator)
