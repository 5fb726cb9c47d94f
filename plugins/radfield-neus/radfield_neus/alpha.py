"""Opacity of an interval, computed from the signed distance (NeuS, equations 12 and 13).

The equations are discretized as in the code of NeuS.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def annealed_cosine(cosine: Tensor, ratio: Tensor | float) -> Tensor:
    """Slope [N] of the signed distance along the ray: −(relu(½ − ½ c)(1 − ratio) + relu(−c) ratio).

    The slope is never positive. As long as the ratio is below 1, surfaces that face away from the camera get gradients
    too. The annealing is taken from the code of NeuS, where the ratio starts at 0.

    Args:
        cosine: cosines c [N] of the angles between rays and normals.
        ratio: progress of the annealing, from 0 to 1. At 1, the slope is the true one, min(c, 0).

    Example:
        >>> annealed_cosine(torch.tensor([-1.0, 0.0, 1.0]), 0.0).tolist()
        [-1.0, -0.5, -0.0]
        >>> annealed_cosine(torch.tensor([-1.0, 0.0, 1.0]), 1.0).tolist()
        [-1.0, -0.0, -0.0]
    """
    return -(F.relu(0.5 - 0.5 * cosine) * (1.0 - ratio) + F.relu(-cosine) * ratio)


def interval_alpha(sdf: Tensor, slope: Tensor, lengths: Tensor, sharpness: Tensor | float) -> Tensor:
    """Opacities α [N] = clip((Φ(f₋) − Φ(f₊) + ε)/(Φ(f₋) + ε), 0, 1) of intervals, with ε = 1e-5 (NeuS, equation 13).

    Φ is the logistic function with sharpness 1/s. f₋ = sdf − slope · length/2 is the distance at the start of the
    interval, and f₊ = sdf + slope · length/2 is the distance at its end.

    Args:
        sdf: signed distances [N] at the centers of the intervals.
        slope: derivatives [N] of the distance along the ray, which must be zero or negative.
        lengths: lengths [N] of the intervals.
        sharpness: sharpness 1/s of the logistic function.

    Example:
        >>> interval_alpha(torch.zeros(1), -torch.ones(1), torch.ones(1), 100.0)  # the surface is in the interval
        tensor([1.])
    """
    half = slope * lengths * 0.5
    before, after = torch.sigmoid((sdf - half) * sharpness), torch.sigmoid((sdf + half) * sharpness)
    return ((before - after + 1e-5) / (before + 1e-5)).clamp(0.0, 1.0)
