"""PSNR and SSIM by the NerfBaselines protocol, and further metrics of images.

The rendered and the true image are rounded to 8 bits. Each metric is computed per image and then averaged over the
images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from radfield_core.cameras import Camera
from radfield_core.render.flip import flip

PROTOCOL = "nerfbaselines: both images rounded to 8 bits, metrics per image, then the mean"
SSIM_WINDOW = 11  # pixels
_RADIUS = SSIM_WINDOW // 2
_SIGMA = 1.5
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, of the scales from fine to coarse
MS_SSIM_LEAST_SIZE = SSIM_WINDOW * 2 ** (len(_MS_SSIM_WEIGHTS) - 1)  # pixels; the coarsest scale holds one window


def to_uint8(image: Tensor) -> Tensor:
    """Convert an image in [0, 1] to uint8, with rounding. Values outside [0, 1] are clamped."""
    return (image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)


def rounded(image: Tensor) -> Tensor:
    """Round the values of an image in [0, 1] to multiples of 1/255. Return them as float64."""
    return to_uint8(image).to(torch.float64) / 255.0


def psnr(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Return the peak signal-to-noise ratio (PSNR) in dB. It is −10 log₁₀ of the mean squared error.

    Args:
        image: [H, W, C] in [0, 1].
        truth: the image to compare with, of the same shape.
        mask: [H, W], weights of the pixels. By default, all pixels have the same weight.

    Returns:
        The PSNR. It is infinity if the images are identical, and NaN if all weights are 0.

    Example:
        >>> round(psnr(torch.full((4, 4, 3), 0.75), torch.full((4, 4, 3), 0.25)), 2)
        6.02
    """
    squared = (image - truth).square().mean(-1)
    error = float(squared.mean() if mask is None else (squared * mask).sum() / mask.sum())
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def sphere_weights(camera: Camera) -> Tensor:
    """Return the weights [H, W] float64 of the pixels of a panorama: the cosine of the latitude of each row.

    They are proportional to the solid angle of a pixel. The PSNR with these weights is WS-PSNR (Sun, Lu and Yu 2017).

    Example:
        >>> sphere_weights(Camera.equirectangular(2)).tolist()[0]  # rows at 45° and −45°
        [0.7071067811865476, 0.7071067811865476, 0.7071067811865476, 0.7071067811865476]
    """
    rows = torch.arange(camera.height, dtype=torch.float64)
    latitudes = (rows + camera.pixel_center - camera.cy) / camera.fy
    return latitudes.cos().clamp_min(0.0)[:, None].expand(camera.height, camera.width)


def ssim(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Return the structural similarity (SSIM, Wang et al. 2004). The window is Gaussian, 11 × 11 pixels, with σ = 1.5.

    Args:
        image: [H, W, C] in [0, 1].
        truth: the image to compare with, of the same shape.
        mask: [H, W], weights of the pixels. By default, all pixels have the same weight.

    Returns:
        The SSIM, averaged over the channels and over all pixels whose window lies inside the image. It is 1 if the
        images are identical.

    Raises:
        ValueError: the image is smaller than the window.
    """
    height, width = image.shape[:2]
    per_pixel = ssim_map(image, truth)
    if mask is None:
        return float(per_pixel.mean())
    inside = mask[_RADIUS : height - _RADIUS, _RADIUS : width - _RADIUS]
    return float((per_pixel * inside).sum() / inside.sum())


def ssim_map(image: Tensor, truth: Tensor) -> Tensor:
    """Return the SSIM of each window of two images [H, W, C] in [0, 1], averaged over the channels.

    Returns:
        [H − 10, W − 10], one value for each pixel whose window lies inside the image. `ssim` is their mean.

    Raises:
        ValueError: the image is smaller than the window.
    """
    height, width = image.shape[:2]
    if min(height, width) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs images of at least {SSIM_WINDOW} × {SSIM_WINDOW} pixels, got {width} × {height}")
    similarity, _ = _similarities(*(value.movedim(-1, 0)[:, None] for value in (image, truth)))
    return similarity[:, 0].mean(0)


def ms_ssim(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Return the structural similarity over five scales (MS-SSIM, Wang et al. 2003).

    Each scale halves the size of the image before it. Contrast and structure are compared at all scales, brightness at
    the coarsest.

    Args:
        image: [H, W, C] in [0, 1].
        truth: the image to compare with, of the same shape.
        mask: [H, W], weights of the pixels. By default, all pixels have the same weight. At coarser scales, a pixel has
            the mean weight of its area.

    Returns:
        The MS-SSIM, averaged over the channels. It is 1 if the images are identical, and NaN if all weights are 0.

    Raises:
        ValueError: a side of the image is shorter than `MS_SSIM_LEAST_SIZE`.
    """
    height, width = image.shape[:2]
    if min(height, width) < MS_SSIM_LEAST_SIZE:
        least = f"{MS_SSIM_LEAST_SIZE} × {MS_SSIM_LEAST_SIZE}"
        raise ValueError(f"MS-SSIM needs images of at least {least} pixels, got {width} × {height}")
    x, y = (value.movedim(-1, 0)[:, None] for value in (image, truth))
    weights = torch.ones_like(x[:1]) if mask is None else mask.to(x)[None, None]
    product = torch.ones(len(x), dtype=x.dtype, device=x.device)
    for scale, weight in enumerate(_MS_SSIM_WEIGHTS):
        if scale:
            x, y, weights = (functional.avg_pool2d(values, 2) for values in (x, y, weights))
        similarity, structure = _similarities(x, y)
        factor = similarity if scale == len(_MS_SSIM_WEIGHTS) - 1 else structure
        inside = weights[..., _RADIUS : x.shape[2] - _RADIUS, _RADIUS : x.shape[3] - _RADIUS]
        mean = (factor * inside).sum((1, 2, 3)) / inside.sum()
        product = product * mean.clamp_min(0.0) ** weight  # a power of a negative number is NaN
    return float(product.mean())


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the SSIM of each window of x, y [C, 1, H, W], and its factor for contrast and structure alone."""
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (_window_means(value) for value in (x, y, x * x, y * y, x * y))
    var_x, var_y, cov = mean_xx - mean_x**2, mean_yy - mean_y**2, mean_xy - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1) * structure, structure


def _window_means(x: Tensor) -> Tensor:
    """Return means [C, 1, H−10, W−10] of x [C, 1, H, W], weighted by the Gaussian window.

    The window is applied along one axis and then along the other, as a sum of shifted images: a convolution in float64
    takes ten times as long, and gives the same result.
    """
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = (window / window.sum()).tolist()
    for axis in (-2, -1):
        length = x.shape[axis] - 2 * _RADIUS
        mean = x.narrow(axis, 0, length) * weights[0]
        for shift, weight in enumerate(weights[1:], 1):
            mean.add_(x.narrow(axis, shift, length), alpha=weight)
        x = mean
    return x


class MoreMetric(NamedTuple):
    """A metric of images that is computed on request.

    Attributes:
        measure: function that returns the metric of a rendered and a true image [H, W, 3] in [0, 1].
        least_size: length in pixels that both sides of an image must have.
        masked: function that also takes a mask [H, W], the weights of the pixels; None if there is none.
    """

    measure: Callable[[Tensor, Tensor], float]
    least_size: int
    masked: Callable[[Tensor, Tensor, Tensor], float] | None = None


def mean_flip(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """Return the mean of FLIP over all pixels, or their weighted mean if the mask [H, W] gives them weights."""
    errors = flip(image, truth)
    return float(errors.mean() if mask is None else (errors * mask).sum() / mask.sum())


MORE_METRICS = {
    "ms_ssim": MoreMetric(ms_ssim, MS_SSIM_LEAST_SIZE, ms_ssim),
    "flip": MoreMetric(mean_flip, 1, mean_flip),
}
"""Metrics that are computed on request, by their name in results."""


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Return the metrics as text, such as `PSNR 31.20 dB · SSIM 0.9541`."""
    names = {
        "psnr": ("PSNR", ".2f", " dB"),
        "psnr_masked": ("PSNR in mask", ".2f", " dB"),
        "ssim_masked": ("SSIM in mask", ".4f", ""),
        "ms_ssim_masked": ("MS-SSIM in mask", ".4f", ""),
        "flip_masked": ("FLIP in mask", ".4f", ""),
        "lpips": ("LPIPS", ".4f", ""),
        "lpips_vgg": ("LPIPS (VGG)", ".4f", ""),
        "ws_psnr": ("WS-PSNR", ".2f", " dB"),
        "ssim": ("SSIM", ".4f", ""),
        "ms_ssim": ("MS-SSIM", ".4f", ""),
        "flip": ("FLIP", ".4f", ""),
    }
    shown = []
    for key, value in metrics.items():
        name, form, unit = names.get(key, (key, ".4g", ""))
        shown.append(f"{name} {value:{form}}{unit}")
    return " · ".join(shown)
