"""Opacity of an interval from the signed distance (NeuS, equations 12 and 13, discretized as in its code)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def annealed_cosine(cosine: Tensor, ratio: Tensor | float) -> Tensor:
    """Slope of the distance along the ray [N], never positive: −(relu(½ − ½ c)(1 − ratio) + relu(−c) ratio).

    Early in training, ratio = 0 lets surfaces that are seen from behind get gradients too (NeuS, its code).

    Args:
        cosine: cosines c [N] of ray and normal.
        ratio: progress of the annealing, from 0 to 1; 1 is the true slope min(c, 0).

    Example:
        >>> annealed_cosine(torch.tensor([-1.0, 0.0, 1.0]), 0.0).tolist()
        [-1.0, -0.5, -0.0]
        >>> annealed_cosine(torch.tensor([-1.0, 0.0, 1.0]), 1.0).tolist()
        [-1.0, -0.0, -0.0]
    """
    return -(F.relu(0.5 - 0.5 * cosine) * (1.0 - ratio) + F.relu(-cosine) * ratio)


def interval_alpha(sdf: Tensor, slope: Tensor, lengths: Tensor, sharpness: Tensor | float) -> Tensor:
    """Opacities α [N] = clip((Φ(f₋) − Φ(f₊) + ε)/(Φ(f₋) + ε), 0, 1) of intervals, with ε = 1e-5 (NeuS, equation 13).

    Φ is the logistic function of sharpness 1/s, and f∓ = sdf ∓ slope · length/2 are the distances at both ends.

    Args:
        sdf: signed distances [N] at the middles of the intervals.
        slope: derivatives [N] of the distance along the ray, at most 0.
        lengths: lengths [N] of the intervals.
        sharpness: 1/s.

    Example:
        >>> interval_alpha(torch.zeros(1), -torch.ones(1), torch.ones(1), 100.0)  # the surface is inside
        tensor([1.])
    """
    half = slope * lengths * 0.5
    before, after = torch.sigmoid((sdf - half) * sharpness), torch.sigmoid((sdf + half) * sharpness)
    return ((before - after + 1e-5) / (before + 1e-5)).clamp(0.0, 1.0)
