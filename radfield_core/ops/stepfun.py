"""Choice of distances along rays: evenly spaced, stratified, or drawn from a step function by inverting its CDF.

A CDF is a cumulative distribution function. Results have no gradient, because samplers run under no_grad. Random
numbers come from the generator that the caller passes.

Symbols:

- R: number of rays; S: number of samples per ray; B: number of bins per ray.
- t: distances along rays [R, S], ascending.
- s: positions between near (s = 0) and far (s = 1).
- `edges`: ends of the bins [R, B+1].
- `weights`: for each bin, the height of a step function times the width of the bin [R, B].
- `cdf`: CDF at the edges [R, B+1], which rises from 0 to 1.
- u: values in [0, 1) at which the CDF is inverted.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Spacing = Literal["linear", "disparity", "log"]
"""The quantity in which samples are evenly spaced: t ("linear"), 1/t ("disparity") or log t ("log")."""


def spaced(s: Tensor, near: Tensor, far: Tensor, spacing: Spacing = "linear") -> Tensor:
    """Convert positions s between near and far to distances t.

    Args:
        s: positions [S] or [R, S] in [0, 1].
        near: near limits [R]. For "disparity" and "log", limits below 1e-4 · far are raised to 1e-4 · far.
        far: far limits [R].
        spacing: quantity that is linear in s: t for "linear", 1/t for "disparity" (NeRF, appendix A), log t for "log".

    Returns:
        t [R, S]. The position s = 0 gives exactly near, and s = 1 gives exactly far.

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

    There is one stratum for each t. It begins at the midpoint between t and the previous t, and ends at the midpoint
    between t and the next t. The first stratum begins at the first t, and the last stratum ends at the last t.

    Args:
        t: distances [R, S].
        generator: source of the random numbers.

    Returns:
        Random distances [R, S], ascending.

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
    """Add `padding` to the weights, normalize them, and return their CDF. NeRF draws its fine samples from this CDF.

    Args:
        weights: [R, B].
        padding: added to every weight.

    Returns:
        CDF [R, B+1], from 0 to 1.

    Example:
        >>> nerf_cdf(torch.tensor([[1.0, 3.0]]))
        tensor([[0.0000, 0.2500, 1.0000]])
    """
    padded = weights + padding
    return _cumulative(padded / padded.sum(-1, keepdim=True))


def mip_cdf(weights: Tensor, min_total: float = 1e-5) -> Tensor:
    """Normalize the weights and return their CDF. Mip-NeRF draws its fine samples from this CDF.

    If the sum of a ray's weights is below `min_total`, the same amount is first added to each weight, so that the sum
    becomes `min_total`.

    Args:
        weights: [R, B].
        min_total: smallest sum of a ray's weights.

    Returns:
        CDF [R, B+1], from 0 to 1.

    Example:
        >>> mip_cdf(torch.tensor([[1.0, 3.0], [0.0, 0.0]]))
        tensor([[0.0000, 0.2500, 1.0000],
                [0.0000, 0.5000, 1.0000]])
    """
    missing = (min_total - weights.sum(-1, keepdim=True)).clamp_min(0.0)
    padded = weights + missing / weights.shape[-1]
    return _cumulative(padded / padded.sum(-1, keepdim=True))


def blur_pool(weights: Tensor, padding: float = 0.01) -> Tensor:
    """Widen the peaks of the weights, before samples are drawn from them (mip-NeRF, equation 18).

    The result is ½ (max(w_{i-1}, w_i) + max(w_i, w_{i+1})) + padding, where w_{-1} = w_0 and w_B = w_{B-1}.

    Args:
        weights: [R, B].
        padding: added to every weight.

    Returns:
        Widened weights [R, B].

    Example:
        >>> blur_pool(torch.tensor([[0.0, 0.0, 1.0, 0.0]]), padding=0.0)
        tensor([[0.0000, 0.5000, 1.0000, 0.5000]])
    """
    padded = torch.cat([weights[:, :1], weights, weights[:, -1:]], 1)
    larger = torch.maximum(padded[:, :-1], padded[:, 1:])
    return 0.5 * (larger[:, :-1] + larger[:, 1:]) + padding


def random_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n independent uniform values u per ray, as NeRF does.

    Args:
        like: tensor [R, ...]. The result has the same R, dtype and device.
        n: number of values per ray.
        generator: source of the random numbers.

    Returns:
        Values u [R, n] in [0, 1), not sorted.

    Example:
        >>> random_u(torch.zeros(2, 1), 5, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
    """
    return _random(like, n, generator)


def stratified_u(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n ascending values u per ray, as mip-NeRF does.

    The range [0, 1) is divided into n equal parts. Each part i gets one random value, i/n + U(0, 1/n − ε).

    Args:
        like: tensor [R, ...]. The result has the same R, dtype and device.
        n: number of values per ray.
        generator: source of the random numbers.

    Returns:
        Values u [R, n] in [0, 1).

    Example:
        >>> u = stratified_u(torch.zeros(2, 1), 4, torch.Generator().manual_seed(0))
        >>> (4 * u).floor()
        tensor([[0., 1., 2., 3.],
                [0., 1., 2., 3.]])
    """
    width = 1.0 / n - torch.finfo(like.dtype).eps
    return torch.arange(n, dtype=like.dtype, device=like.device) / n + width * _random(like, n, generator)


def even_u(like: Tensor, n: int, end: float = 1.0) -> Tensor:
    """Return n evenly spaced values u per ray, from 0 to `end`.

    Args:
        like: tensor [R, ...]. The result has the same R, dtype and device.
        n: number of values per ray.
        end: last value: 1 in NeRF, 1 − ε in mip-NeRF.

    Returns:
        Values u [R, n].

    Example:
        >>> even_u(torch.zeros(1, 1), 3)
        tensor([[0.0000, 0.5000, 1.0000]])
    """
    u = torch.linspace(0.0, end, n, dtype=like.dtype, device=like.device)
    return u.expand(like.shape[0], n)


def invert_cdf(u: Tensor, edges: Tensor, cdf: Tensor, min_rise: float = 0.0) -> Tensor:
    """Return the distances at which a piecewise linear CDF has the values u.

    Args:
        u: values [R, n] in [0, 1].
        edges: ends of the bins [R, B+1].
        cdf: CDF at the edges [R, B+1], from 0 to 1.
        min_rise: a bin in which the CDF rises by at most `min_rise` counts as empty. Its rise is taken to be 1, which
            puts its samples at the start of the bin. NeRF uses 1e-5. With 0 the inverse is exact.

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
    """Return the CDF [R, B+1] of probabilities [R, B]. In spite of rounding, the last value is exactly 1."""
    ends = torch.zeros_like(pdf[:, :1])
    return torch.cat([ends, pdf[:, :-1].cumsum(-1).clamp_max(1.0), ends + 1.0], 1)


def _random(like: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape[0], n, dtype=like.dtype, device=like.device, generator=generator)
