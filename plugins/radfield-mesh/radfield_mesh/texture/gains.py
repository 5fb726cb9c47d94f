"""Exposure of photographs: one gain per photograph and channel, so that all show a point in the same color.

The model is log c = m − g, with a color m for each point and a gain g for each photograph (Brown and Lowe 2007, section
6, in logarithms). Both are fitted by least squares, with a weak pull of the gains to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PULL = 0.01
"""Weight of a gain's distance from 0, as a share of the observations of its photograph."""

DARK, BRIGHT = 8.0, 247.0
"""Colors outside this range are left out: they are noise or clipped."""


def exposure_gains(weights: Array, colors: Array) -> Array:
    """Return the factors [V, 3] that bring the photographs to one exposure. Their geometric mean is 1.

    Args:
        weights: weight [M, V] of each point in each photograph; 0 where it is not seen.
        colors: color [M, V, 3] of each point in each photograph, in [0, 255].
    """
    gains = np.ones((weights.shape[1], 3))
    for channel in range(3):
        color = colors[..., channel].astype(np.float64)
        weight = np.where((color > DARK) & (color < BRIGHT), weights, 0.0)
        weight /= np.maximum(weight.sum(1, keepdims=True), 1e-300)  # every point counts the same
        weight[(weight > 0).sum(1) < 2] = 0.0
        gains[:, channel] = np.exp(_log_gains(weight, np.log(np.maximum(color, DARK))))
    return gains


def _log_gains(weight: Array, log_color: Array) -> Array:
    """Return the gains [V] that minimize Σ w (log c + g − m)², with the points' colors m eliminated."""
    total = weight.sum(0)
    # With m = Σ w (log c + g) for weights that sum to 1, the normal equations are (diag(Σ w) − WᵀW) g = right side.
    matrix = np.diag(total) - weight.T @ weight
    mean = (weight * log_color).sum(1, keepdims=True)
    right = -(weight * (log_color - mean)).sum(0)
    pull = PULL * np.maximum(total, total.sum() / max(len(total), 1) * 1e-3) + 1e-12
    gains: Array = np.linalg.solve(matrix + np.diag(pull), right)
    gains -= gains.mean()
    return gains
