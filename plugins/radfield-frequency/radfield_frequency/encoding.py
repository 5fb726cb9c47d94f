"""encoding:frequency, the positional encoding of NeRF: sines and cosines of coordinates.

Shapes: M rows, D dimensions, L frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, Step, UsageError
from radfield_frequency.config import FrequencyConfig


class Frequency(Encoding):
    """Positional encoding γ(x) = (x, sin 2⁰x, cos 2⁰x, …, sin 2^(L−1)x, cos 2^(L−1)x) (NeRF, equation 4).

    Each term inside the parentheses gives D features, one per coordinate.

    Args:
        config: options.
        ctx: context of the run; not used.
        in_dim: number of coordinates D.

    Raises:
        UsageError: the options leave the encoding without features.

    Example:
        >>> from radfield_core import SceneBox
        >>> ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
        >>> Frequency(FrequencyConfig(n_frequencies=4), ctx, in_dim=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 27])
    """

    frequencies: Tensor
    weights: Tensor

    def __init__(self, config: FrequencyConfig, ctx: BuildContext, *, in_dim: int):
        super().__init__()
        if config.n_frequencies == 0 and not config.include_input:
            raise UsageError(
                "with n_frequencies=0 and include_input=false the encoding has no features",
                path="encoding.n_frequencies",
                hint="Set n_frequencies=10 or include_input=true in this encoding",
            )
        self.in_dim = in_dim
        self.include_input = config.include_input
        self.out_dim = in_dim * (2 * config.n_frequencies + config.include_input)
        self.angular_scale = math.pi if config.angular_scale == "pi" else 1.0
        self.fade_in_steps = config.fade_in_steps
        highest = float(2 ** max(0, config.n_frequencies - 1))
        spaced = torch.linspace(1.0, highest, config.n_frequencies)
        doubled = 2.0 ** torch.arange(config.n_frequencies)
        self.register_buffer("frequencies", doubled if config.spacing == "log" else spaced, persistent=False)
        self.register_buffer("weights", torch.ones(config.n_frequencies), persistent=False)

    def begin_step(self, step: Step) -> None:
        """If `fade_in_steps` is set, give each frequency its weight: (1 − cos π·clip(p·L − k, 0, 1)) / 2 for frequency
        k and the share p of the steps."""
        if self.fade_in_steps:
            n = len(self.weights)
            place = step.index / self.fade_in_steps * n - torch.arange(n, dtype=torch.float64)
            self.weights.copy_((1.0 - (math.pi * place.clamp(0.0, 1.0)).cos()) / 2.0)

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the features [M, out_dim] of x [M, D], which are points or the means of Gaussians. The covariances
        `cov` are ignored."""
        angles = (x * self.angular_scale)[:, None, :] * self.frequencies[:, None]
        waves = torch.stack([angles.sin(), angles.cos()], dim=2)
        waves = (waves * self.weights[:, None, None] if self.fade_in_steps else waves).flatten(1)
        return torch.cat([x, waves], dim=1) if self.include_input else waves
