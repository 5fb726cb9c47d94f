"""Image metrics as the NerfBaselines protocol takes them: both images rounded to 8 bits, per image, then the mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


import torch
from torch import Tensor
from torch.nn import functional

PROTOCOL = "nerfbaselines: both images rounded to 8 bits, metrics per image, then the mean"


def to_uint8(image: Tensor) -> Tensor:
    """An image in [0, 1] rounded to 8 bits; what lies outside is clamped."""
    return (image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)


def rounded(image: Tensor) -> Tensor:
    """An image in [0, 1] at the values that 8 bits can hold, float64."""
    return to_uint8(image).to(torch.float64) / 255.0


def psnr(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio, dB, of images [H, W, C] in [0, 1]: −10 log₁₀ of the mean squared error.

    mask [H, W] weighs the pixels. Identical images have infinite PSNR; an empty mask gives NaN.
    """
    squared = (image - truth).square().mean(-1)
    error = squared.mean() if mask is None else (squared * mask).sum() / mask.sum()
    value = float(error)
    return math.inf if value == 0.0 else -10.0 * math.log10(value)


def ssim(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Structural similarity of images [H, W, C] in [0, 1] (Wang et al. 2004): Gaussian window of 11 pixels, σ = 1.5.

    The mean over channels and over the pixels whose window lies inside the image, weighed by mask [H, W] if given.
    Raises ValueError for images smaller than the window.
    """
    height, width = image.shape[:2]
    if min(height, width) < 11:
        raise ValueError(f"SSIM needs images of at least 11 × 11 pixels, got {width} × {height}")
    x, y = (value.movedim(-1, 0)[:, None] for value in (image, truth))
    means = [_blur(value) for value in (x, y, x * x, y * y, x * y)]
    mean_x, mean_y = means[:2]
    var_x, var_y, cov = means[2] - mean_x**2, means[3] - mean_y**2, means[4] - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    per_pixel = similarity[:, 0].mean(0)
    if mask is None:
        return float(per_pixel.mean())
    inside = mask[5 : height - 5, 5 : width - 5]
    return float((per_pixel * inside).sum() / inside.sum())


def _blur(x: Tensor) -> Tensor:
    """Means [C, 1, H-10, W-10] of x [C, 1, H, W] under the window, which is separable."""
    offsets = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    window = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    window = window / window.sum()
    return functional.conv2d(functional.conv2d(x, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics for people: PSNR 31.20 dB · SSIM 0.954."""
    names = {"psnr": ("PSNR", ".2f", " dB"), "ssim": ("SSIM", ".4f", "")}
    shown = []
    for key, value in metrics.items():
        name, form, unit = names.get(key, (key, ".4g", ""))
        shown.append(f"{name} {value:{form}}{unit}")
    return " · ".join(shown)
