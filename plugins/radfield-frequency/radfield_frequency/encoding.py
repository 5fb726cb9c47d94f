"""The positional encoding of NeRF: coordinates -> sines and cosines. M rows, D dimensions, L frequencies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, UsageError
from radfield_frequency.config import FrequencyConfig


class Frequency(Encoding):
    """γ(x) = (x, sin 2⁰x, cos 2⁰x, …, sin 2^(L−1)x, cos 2^(L−1)x), each a block of D features (NeRF, equation 4).

    Raises UsageError when the options leave no feature at all.
    """

    frequencies: Tensor

    def __init__(self, config: FrequencyConfig, ctx: BuildContext, *, in_dim: int):
        super().__init__()
        if config.n_frequencies == 0 and not config.include_input:
            raise UsageError(
                "no frequencies and no input leave nothing to encode with",
                path="encoding.n_frequencies", hint="n_frequencies of at least 1, or include_input = true",
            )  # fmt: skip
        self.in_dim = in_dim
        self.include_input = config.include_input
        self.out_dim = in_dim * (2 * config.n_frequencies + config.include_input)
        self.angular_scale = math.pi if config.angular_scale == "pi" else 1.0
        self.register_buffer("frequencies", 2.0 ** torch.arange(config.n_frequencies), persistent=False)

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Features [M, out_dim] of x [M, D]. Of a Gaussian the mean is encoded: `cov` has no effect."""
        angles = (x * self.angular_scale)[:, None, :] * self.frequencies[:, None]
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        return torch.cat([x, waves], dim=1) if self.include_input else waves
