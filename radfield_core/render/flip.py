"""FLIP, a map of the differences that a viewer sees when two images are shown in turn (Andersson et al. 2020).

All images are RGB in [0, 1] with the sRGB curve.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

PIXELS_PER_DEGREE = 0.7 * 3840 / 0.7 * math.pi / 180
"""Pixels per degree of view angle: a monitor 0.7 m wide with 3840 pixels, at a distance of 0.7 m."""

# Table 1 of the paper: each channel's contrast sensitivity is a sum of Gaussians (amplitude, width).
_SENSITIVITY = (((1.0, 0.0047),), ((1.0, 0.0053),), ((34.1, 0.04), (13.5, 0.025)))
_WIDEST = 0.04
_COLOR_POWER, _COLOR_KNEE, _COLOR_SHARE = 0.7, 0.4, 0.95  # q_c, p_c and p_t
_FEATURE_WIDTH, _FEATURE_POWER = 0.082, 0.5  # w in degrees, q_f

_XYZ = ((10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794),
        (2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897),
        (1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382))  # fmt: skip


def flip(image: Tensor, truth: Tensor, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """Return the FLIP error of each pixel [H, W] in [0, 1]. It is 0 where no difference can be seen.

    Args:
        image: [H, W, 3] in [0, 1].
        truth: the image to compare with, of the same shape. Exchanging the two images does not change the result.
        pixels_per_degree: number of pixels per degree of the angle at which the images are seen.

    Example:
        >>> flip(torch.ones(2, 2, 3), torch.ones(2, 2, 3)).max()
        tensor(0., dtype=torch.float64)
    """
    first, second = (_opponent(value.to(torch.float64).clamp(0.0, 1.0).movedim(-1, 0)) for value in (image, truth))
    color = _color_error(first, second, pixels_per_degree)
    feature = _feature_error(first[0], second[0], pixels_per_degree)
    return torch.pow(color, 1.0 - feature)


def _color_error(first: Tensor, second: Tensor, pixels_per_degree: float) -> Tensor:
    """Return the color difference of each pixel [H, W] in [0, 1] (section 4.1 of the paper)."""
    seen = [_hunt_adjusted_lab(_filtered(value, pixels_per_degree)) for value in (first, second)]
    primaries = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64).T[:, :, None]
    green, blue = _hunt_adjusted_lab(_xyz(primaries)).unbind(1)
    largest = _hyab(green, blue).squeeze() ** _COLOR_POWER
    difference, knee = _hyab(*seen) ** _COLOR_POWER, _COLOR_KNEE * largest
    above = _COLOR_SHARE + (difference - knee) / (largest - knee) * (1.0 - _COLOR_SHARE)
    return torch.where(difference < knee, _COLOR_SHARE / knee * difference, above)


def _feature_error(first: Tensor, second: Tensor, pixels_per_degree: float) -> Tensor:
    """Return the difference of edges and of points [H, W] in [0, 1] (section 4.2), for two luminances [H, W]."""
    deviation = 0.5 * _FEATURE_WIDTH * pixels_per_degree
    x = torch.arange(-math.ceil(3 * deviation), math.ceil(3 * deviation) + 1, dtype=torch.float64)
    smooth = torch.exp(-(x**2) / (2 * deviation**2))
    smooth = smooth / smooth.sum()
    errors = []
    for filter_ in (-x * smooth, (x**2 / deviation**2 - 1) * smooth):  # edges, points
        positive, negative = filter_.clamp_min(0).sum(), -filter_.clamp_max(0).sum()
        filter_ = filter_ / torch.where(filter_ > 0, positive, negative)
        strength = []
        for luminance in (first, second):
            image = ((luminance + 16.0) / 116.0)[None]
            along_x, along_y = _separable(image, smooth, filter_), _separable(image, filter_, smooth)
            strength.append((along_x**2 + along_y**2).sqrt()[0])
        errors.append((strength[0] - strength[1]).abs())
    return (torch.maximum(*errors) / math.sqrt(2.0)) ** _FEATURE_POWER


def _filtered(opponent: Tensor, pixels_per_degree: float) -> Tensor:
    """Blur opponent colors [3, H, W] as the eye does, and return the result as XYZ."""
    radius = math.ceil(3 * math.sqrt(_WIDEST / (2 * math.pi**2)) * pixels_per_degree)
    x = torch.arange(-radius, radius + 1, dtype=torch.float64) / pixels_per_degree
    channels = []
    for channel, gaussians in zip(opponent, _SENSITIVITY, strict=True):
        total, weight = torch.zeros_like(channel)[None], 0.0
        for amplitude, width in gaussians:
            gaussian = torch.exp(-(math.pi**2) * x**2 / width)
            factor = amplitude * math.sqrt(math.pi / width)  # as in the authors' code
            total = total + factor * _separable(channel[None], gaussian, gaussian)
            weight += factor * float(gaussian.sum()) ** 2
        channels.append(total[0] / weight)
    return _xyz(_linear_rgb(torch.stack(channels)).clamp(0.0, 1.0))


def _separable(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Correlate x [1, H, W] with `rows` along y and `columns` along x. Pixels at the border are repeated."""
    r = len(rows) // 2
    padded = functional.pad(x[None], (r, r, r, r), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, rows.view(1, 1, -1, 1)), columns.view(1, 1, 1, -1))[0]


# Colors, all [3, ...]


def _matrix() -> Tensor:
    return torch.tensor(_XYZ, dtype=torch.float64)


def _xyz(linear: Tensor) -> Tensor:
    return torch.einsum("ij,j...->i...", _matrix(), linear)


def _white() -> Tensor:
    return _matrix().sum(1)


def _opponent(srgb: Tensor) -> Tensor:
    """Convert sRGB to YCxCz: luminance, red-green and blue-yellow."""
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    x, y, z = _xyz(linear) / _white()[:, None, None]
    return torch.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])


def _linear_rgb(opponent: Tensor) -> Tensor:
    y = (opponent[0] + 16.0) / 116.0
    xyz = torch.stack([y + opponent[1] / 500.0, y, y - opponent[2] / 200.0]) * _white()[:, None, None]
    return torch.einsum("ij,j...->i...", torch.linalg.inv(_matrix()), xyz)


def _hunt_adjusted_lab(xyz: Tensor) -> Tensor:
    """Convert XYZ to CIELAB whose chroma is multiplied by the lightness, because dark colors look less colorful."""
    ratio = xyz / _white().view(3, *[1] * (xyz.ndim - 1))
    low = 6 / 29
    x, y, z = torch.where(ratio > low**3, ratio.clamp_min(0) ** (1 / 3), ratio / (3 * low**2) + 4 / 29)
    lightness = 116.0 * y - 16.0
    return torch.stack([lightness, 0.01 * lightness * 500.0 * (x - y), 0.01 * lightness * 200.0 * (y - z)])


def _hyab(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance of colors: the lightness difference plus the Euclidean distance of the chroma."""
    difference = first - second
    chroma: Tensor = torch.linalg.vector_norm(difference[1:], dim=0)
    return difference[0].abs() + chroma
