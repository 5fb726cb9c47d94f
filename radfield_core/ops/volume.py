"""Volume rendering along rays. σ density [N], δ lengths [N], α opacity of an interval, T transmittance, w weights.

Discrete form of Max (1995) as in NeRF, equation 3: α = 1 − exp(−σδ), T = exp(−Σ_before σδ), w = T α. Samples are flat,
ordered by ray and then by t; see `segments` for layouts. Everything is float32 or wider, and float64 stays float64.
An interval of length zero has no opacity. Gradients of any order, except through the packed twins' weights: these have
first derivatives only and say so.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.ops import segments
from radfield_core.ops.layout import Layout

FAR_LENGTH = 1e10


def alpha_from_density(density: Tensor, lengths: Tensor) -> Tensor:
    """Opacity of each interval [N]: 1 − exp(−σδ), without cancellation where σδ is small."""
    return -torch.expm1(-density * lengths)


def transmittance_from_density(density: Tensor, lengths: Tensor, layout: Layout) -> Tensor:
    """Share of light that reaches the start of each interval [N]: exp(−Σ_before σδ)."""
    return torch.exp(-segments.exclusive_cumsum(density * lengths, layout))


def transmittance_from_alpha(alpha: Tensor, layout: Layout) -> Tensor:
    """Share of light that reaches the start of each interval [N]: Π_before (1 − α)."""
    return segments.exclusive_cumprod(1.0 - alpha, layout)


def weights_from_density(density: Tensor, lengths: Tensor, layout: Layout, opaque_far: bool = False) -> Tensor:
    """Weights [N], w = T (1 − exp(−σδ)).

    opaque_far: the last interval of each ray counts as 1e10 long, as in NeRF's code: whatever density it has stops the
    light, also where the last sample lies on the far limit itself. A ray of empty intervals stays empty.
    """
    if opaque_far:
        last = segments.last_where(torch.ones_like(lengths, dtype=torch.bool), layout)
        crosses = segments.per_sample(segments.maximum(lengths, layout) > 0, layout)
        lengths = torch.where(last & crosses, FAR_LENGTH, lengths)
    if (fast := segments.twin(layout, density.device)) is not None:
        return fast.weights_from_density(density, lengths)
    return transmittance_from_density(density, lengths, layout) * alpha_from_density(density, lengths)


def weights_from_alpha(alpha: Tensor, layout: Layout) -> Tensor:
    """Weights [N], w = T α, for fields that give the opacity itself (NeuS)."""
    if (fast := segments.twin(layout, alpha.device)) is not None:
        return fast.weights_from_alpha(alpha)
    return transmittance_from_alpha(alpha, layout) * alpha


def composite(weights: Tensor, x: Tensor, layout: Layout) -> Tensor:
    """Σ w x over each ray: [R, ...] from weights [N] and x [N, ...]."""
    dtype = torch.promote_types(weights.dtype, x.dtype)
    weights, x = weights.to(dtype), x.to(dtype)
    if (fast := segments.twin(layout, x.device)) is not None:
        return fast.composite(weights, x)
    return segments.sum(weights.view(-1, *[1] * (x.dim() - 1)) * x, layout)


def pixels(weights: Tensor, rgb: Tensor, t: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Color Σ w rgb [R, 3], Σ w t [R] and opacity Σ w [R] of each ray, from weights and t [N] and rgb [N, 3].

    What `composite` and `opacity` give one by one; the CPU's twin reads the samples once for all three.
    """
    dtype = torch.promote_types(weights.dtype, torch.promote_types(rgb.dtype, t.dtype))
    weights, rgb, t = weights.to(dtype), rgb.to(dtype), t.to(dtype)
    if (fast := segments.twin(layout, rgb.device)) is not None:
        return fast.pixels(weights, rgb, t)
    return composite(weights, rgb, layout), composite(weights, t, layout), opacity(weights, layout)


def opacity(weights: Tensor, layout: Layout) -> Tensor:
    """Σ w over each ray [R]."""
    return segments.sum(weights, layout)


def depth(weights: Tensor, t: Tensor, layout: Layout) -> Tensor:
    """Expected distance Σ w t / Σ w [R]; zero where nothing was met."""
    total = opacity(weights, layout)
    met = total > 0
    return torch.where(met, composite(weights, t, layout) / torch.where(met, total, 1.0), 0.0)


def distortion(weights: Tensor, t_starts: Tensor, t_ends: Tensor, layout: Layout) -> Tensor:
    """Distortion of each ray [R]: Σ_ij w_i w_j |m_i − m_j| + ⅓ Σ_i w_i² δ_i (mip-NeRF 360, equation 15), in O(N).

    m are the middles of the intervals, which ascend, so the double sum is 2 Σ_i w_i (m_i Σ_j w_j − Σ_j w_j m_j) over
    the samples j before i. t may be in any unit; the paper's is the share of the way from near to far.
    """
    middles = 0.5 * (t_starts + t_ends)
    before = segments.exclusive_cumsum(torch.stack([weights, weights * middles], -1), layout)
    pairs = 2.0 * weights * (middles * before[:, 0] - before[:, 1])
    return segments.sum(pairs + weights.square() * (t_ends - t_starts) / 3.0, layout)
