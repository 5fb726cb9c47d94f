"""Volume rendering along rays (Max 1995; NeRF, equation 3).

Every sample has an interval on its ray, with a density σ per unit length, a length δ and an opacity α. The
transmittance T is the share of light that passes all earlier intervals of the ray. The weight w is the sample's
contribution to its pixel:

    α = 1 − exp(−σ δ),    T = Π_earlier (1 − α) = exp(−Σ_earlier σ δ),    w = T α

All samples are in one list, ordered by ray and then by t. A `Layout` assigns samples to rays (see `segments`). All
values are float32 or wider, and float64 stays float64. An interval of length 0 has the opacity 0. Results can be
differentiated any number of times, with one exception: if accelerated kernels compute the weights or pixels of packed
samples, a second derivative raises RuntimeError.

Symbols in shapes: R rays, N samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.ops import segments
from radfield_core.ops._packed import kernels_for
from radfield_core.ops.layout import Layout

FAR_LENGTH = 1e10
"""The length of a ray's last interval if `opaque_far` is True, as in NeRF's code."""


def alpha_from_density(density: Tensor, lengths: Tensor) -> Tensor:
    """Return the opacity α = 1 − exp(−σ δ) of each interval, without loss of digits if σ δ is small.

    Args:
        density: σ [N].
        lengths: δ [N].

    Returns:
        [N], in [0, 1].

    Example:
        >>> alpha_from_density(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
        tensor([0.0000, 0.8647])
    """
    return -torch.expm1(-density * lengths)


def transmittance_from_density(density: Tensor, lengths: Tensor, layout: Layout) -> Tensor:
    """Return the transmittance T = exp(−Σ_earlier σ δ): the share of light that passes a ray's earlier intervals.

    Args:
        density: σ [N].
        lengths: δ [N].
        layout: assignment of samples to rays.

    Returns:
        [N], in [0, 1]; 1 for the first sample of a ray.

    Example:
        >>> transmittance_from_density(torch.ones(3), torch.ones(3), Layout(1, samples_per_ray=3))
        tensor([1.0000, 0.3679, 0.1353])
    """
    return torch.exp(-segments.exclusive_cumsum(density * lengths, layout))


def transmittance_from_alpha(alpha: Tensor, layout: Layout) -> Tensor:
    """Return the transmittance T = Π_earlier (1 − α): the share of light that passes a ray's earlier intervals.

    Args:
        alpha: α [N], in [0, 1].
        layout: assignment of samples to rays.

    Returns:
        [N], in [0, 1]; 1 for the first sample of a ray.

    Example:
        >>> transmittance_from_alpha(torch.tensor([0.5, 0.5, 1.0]), Layout(1, samples_per_ray=3))
        tensor([1.0000, 0.5000, 0.2500])
    """
    return segments.exclusive_cumprod(1.0 - alpha, layout)


def weights_from_density(density: Tensor, lengths: Tensor, layout: Layout, opaque_far: bool = False) -> Tensor:
    """Return the weight w = T (1 − exp(−σ δ)) of each sample in its pixel.

    Args:
        density: σ [N].
        lengths: δ [N].
        layout: assignment of samples to rays.
        opaque_far: if True, the last interval of each ray gets the length 1e10, as in NeRF's code. Any density in this
            interval then stops all light, even if the interval had the length 0 because the sample lies on the far
            limit. If all intervals of a ray have the length 0, their lengths do not change.

    Returns:
        Weights [N], in [0, 1]. On each ray the sum is at most 1.

    Example:
        >>> weights_from_density(torch.ones(3), torch.ones(3), Layout(1, samples_per_ray=3))
        tensor([0.6321, 0.2325, 0.0855])
        >>> weights_from_density(torch.ones(3), torch.ones(3), Layout(1, samples_per_ray=3), opaque_far=True)
        tensor([0.6321, 0.2325, 0.1353])
    """
    if opaque_far:
        last = segments.last_where(torch.ones_like(lengths, dtype=torch.bool), layout)
        nonempty = segments.per_sample(segments.maximum(lengths, layout) > 0, layout)
        lengths = torch.where(last & nonempty, FAR_LENGTH, lengths)
    if (kernels := kernels_for(layout, density.device)) is not None:
        return kernels.weights_from_density(density, lengths)
    return transmittance_from_density(density, lengths, layout) * alpha_from_density(density, lengths)


def weights_from_alpha(alpha: Tensor, layout: Layout) -> Tensor:
    """Return the weight w = T α of each sample in its pixel, for fields that return opacity, such as NeuS.

    Args:
        alpha: α [N], in [0, 1].
        layout: assignment of samples to rays.

    Returns:
        Weights [N], in [0, 1]. On each ray the sum is at most 1.

    Example:
        >>> weights_from_alpha(torch.tensor([0.5, 0.5, 1.0]), Layout(1, samples_per_ray=3))
        tensor([0.5000, 0.2500, 0.2500])
    """
    if (kernels := kernels_for(layout, alpha.device)) is not None:
        return kernels.weights_from_alpha(alpha)
    return transmittance_from_alpha(alpha, layout) * alpha


def median(weights: Tensor, t_starts: Tensor, t_ends: Tensor, layout: Layout) -> Tensor:
    """Return the t at which the sum of the weights reaches ½ on each ray. It has no gradient.

    Within an interval, the sum is taken to grow evenly.

    Args:
        weights: w [N].
        t_starts: starts of the intervals [N].
        t_ends: ends of the intervals [N].
        layout: assignment of samples to rays.

    Returns:
        [R]; infinite for a ray whose weights sum up to less than ½.

    Example:
        >>> ts = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
        >>> median(torch.tensor([0.2, 0.6, 0.2, 0.2, 0.2, 0.0]), ts, ts + 1, Layout(2, samples_per_ray=3))
        tensor([1.5000,    inf])
    """
    weights = weights.detach()
    before = segments.exclusive_cumsum(weights, layout)
    share = (0.5 - before) / weights.clamp_min(torch.finfo(weights.dtype).tiny)
    t = t_starts + share.clamp(0.0, 1.0) * (t_ends - t_starts)
    found = segments.sum(torch.where(segments.last_where((before < 0.5) & (weights > 0), layout), t, 0.0), layout)
    return torch.where(segments.sum(weights, layout) >= 0.5, found, torch.inf)


def composite(weights: Tensor, x: Tensor, layout: Layout) -> Tensor:
    """Return the weighted sum Σ w x over the samples of each ray.

    Args:
        weights: w [N].
        x: values of samples [N, ...].
        layout: assignment of samples to rays.

    Returns:
        [R, ...], in the wider of the two dtypes.

    Example:
        >>> composite(torch.tensor([0.5, 0.25]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), Layout(1, samples_per_ray=2))
        tensor([[0.5000, 0.2500]])
    """
    dtype = torch.promote_types(weights.dtype, x.dtype)
    weights, x = weights.to(dtype), x.to(dtype)
    if (kernels := kernels_for(layout, x.device)) is not None:
        return kernels.composite(weights, x)
    return segments.sum(weights.view(-1, *[1] * (x.dim() - 1)) * x, layout)


def pixels(weights: Tensor, rgb: Tensor, t: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Return the color Σ w rgb, the depth Σ w t and the opacity Σ w of each ray.

    Two calls of `composite` and one call of `opacity` give the same results. On a CPU this function is faster, because
    its kernel reads the samples only once.

    Args:
        weights: w [N].
        rgb: colors of samples [N, 3].
        t: distances of samples [N].
        layout: assignment of samples to rays.

    Returns:
        Color [R, 3], depth [R] and opacity [R]. The depth divided by the opacity is the mean distance.

    Example:
        >>> color, depth, opacity = pixels(
        ...     torch.tensor([0.5, 0.25]), torch.eye(3)[:2], torch.tensor([2.0, 4.0]), Layout(1, samples_per_ray=2)
        ... )
        >>> color, depth, opacity
        (tensor([[0.5000, 0.2500, 0.0000]]), tensor([2.]), tensor([0.7500]))
    """
    dtype = torch.promote_types(weights.dtype, torch.promote_types(rgb.dtype, t.dtype))
    weights, rgb, t = weights.to(dtype), rgb.to(dtype), t.to(dtype)
    if (kernels := kernels_for(layout, rgb.device)) is not None:
        return kernels.pixels(weights, rgb, t)
    return composite(weights, rgb, layout), composite(weights, t, layout), opacity(weights, layout)


def opacity(weights: Tensor, layout: Layout) -> Tensor:
    """Return the opacity Σ w of each ray. The share of light that passes all samples of the ray is 1 − Σ w.

    Args:
        weights: w [N].
        layout: assignment of samples to rays.

    Returns:
        [R], in [0, 1].

    Example:
        >>> opacity(torch.tensor([0.5, 0.25]), Layout(1, samples_per_ray=2))
        tensor([0.7500])
    """
    return segments.sum(weights, layout)


def distortion(weights: Tensor, t_starts: Tensor, t_ends: Tensor, layout: Layout) -> Tensor:
    """Return the distortion Σ_ij w_i w_j |m_i − m_j| + ⅓ Σ_i w_i² δ_i of each ray (mip-NeRF 360, equation 15), in O(N).

    Here m_i is the midpoint of interval i. The midpoints ascend, so the double sum equals
    2 Σ_i w_i (m_i Σ_j w_j − Σ_j w_j m_j), where j runs over the samples before i.

    Args:
        weights: w [N].
        t_starts: starts of the intervals [N], in any unit. In the paper, t is 0 at near and 1 at far.
        t_ends: ends of the intervals [N].
        layout: assignment of samples to rays.

    Returns:
        [R].

    Example:
        >>> starts, ends = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0])
        >>> distortion(torch.tensor([0.5, 0.5]), starts, ends, Layout(1, samples_per_ray=2))
        tensor([0.6667])
    """
    midpoints = 0.5 * (t_starts + t_ends)
    before = segments.exclusive_cumsum(torch.stack([weights, weights * midpoints], -1), layout)
    pairs = 2.0 * weights * (midpoints * before[:, 0] - before[:, 1])
    return segments.sum(pairs + weights.square() * (t_ends - t_starts) / 3.0, layout)
