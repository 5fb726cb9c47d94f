"""Opacity of an interval from the signed distance (NeuS, equations 12 and 13, as its code discretizes them)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def annealed_cosine(cosine: Tensor, ratio: Tensor | float) -> Tensor:
    """The slope of the distance along the ray, never positive [N]; `ratio` 0 … 1 goes from half-way to the true one.

    −(relu(½ − ½ c)(1 − ratio) + relu(−c) ratio): early on, surfaces seen from behind still get gradients.
    """
    return -(F.relu(0.5 - 0.5 * cosine) * (1.0 - ratio) + F.relu(-cosine) * ratio)


def interval_alpha(sdf: Tensor, slope: Tensor, lengths: Tensor, sharpness: Tensor | float) -> Tensor:
    """α [N] = clip((Φ(f₋) − Φ(f₊) + ε)/(Φ(f₋) + ε), 0, 1), ε = 1e-5, of intervals whose middle has distance `sdf`.

    slope [N] <= 0 is the distance's derivative along the ray, lengths [N] the intervals', Φ the logistic function with
    `sharpness` 1/s, f∓ = sdf ∓ slope · length/2 the distances at both ends.
    """
    half = slope * lengths * 0.5
    before, after = torch.sigmoid((sdf - half) * sharpness), torch.sigmoid((sdf + half) * sharpness)
    return ((before - after + 1e-5) / (before + 1e-5)).clamp(0.0, 1.0)
