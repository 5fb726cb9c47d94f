"""D-SSIM: the structural dissimilarity 1 − SSIM of two images (Wang et al. 2004), a loss of 3DGS.

The window is Gaussian, 11 × 11 pixels, with σ = 1.5. Only windows inside the image count, as in the metric SSIM.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radfield_core.ops import Op

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2

OP = Op("D-SSIM", {"cpu": {"numba": "radfield_splat.dssim_cpu"}})


def dssim(image: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean of 1 − SSIM over all windows and channels, as a scalar. Gradients flow to the image.

    Args:
        image: [H, W, 3].
        truth: the image to compare with [H, W, 3].
        weights: factors of the windows, taken at their middle pixels [H, W]. By default, all are 1.

    Returns:
        The mean; 0 if the image is smaller than a window.

    Example:
        >>> image = torch.rand(12, 12, 3)
        >>> round(float(dssim(image, image)), 4), float(dssim(image, 1 - image)) > 1
        (0.0, True)
    """
    if min(image.shape[:2]) < WINDOW:
        return image.sum() * 0.0
    module = OP.pick(image.device) if image.dtype == torch.float32 else None
    result: Tensor = (definition if module is None else module.dssim)(image, truth, weights)
    return result


def definition(image: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Return the same with plain torch, for any device and float dtype."""
    window = taps(image.dtype).to(image.device)

    def mean(value: Tensor) -> Tensor:
        columns = functional.conv2d(value.movedim(-1, 0)[:, None], window.view(1, 1, -1, 1))
        return functional.conv2d(columns, window.view(1, 1, 1, -1))[:, 0]

    x, y = mean(image), mean(truth)
    covariance = mean(image * truth) - x * y
    variances = mean(image.square()) - x.square() + mean(truth.square()) - y.square()
    luminance = (2 * x * y + C1) / (x.square() + y.square() + C1)
    loss = 1 - luminance * (2 * covariance + C2) / (variances + C2)
    return (loss if weights is None else loss * inner(weights)).mean()


def taps(dtype: torch.dtype) -> Tensor:
    """Return the weights of the window along one axis [11]."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    return (window / window.sum()).to(dtype)


def inner(values: Tensor) -> Tensor:
    """Return the values of the middle pixels of all windows [H − 10, W − 10]."""
    edge = WINDOW // 2
    return values[edge:-edge, edge:-edge]
