"""The integrated positional encoding of mip-NeRF. M rows, D dimensions, L octaves."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, UsageError
from radfield_ipe.config import IpeConfig


class Ipe(Encoding):
    """E[sin 2^k x] and E[cos 2^k x] for x ~ N(μ, diag s): exp(−½ 4^k s) times sine and cosine of 2^k μ (equation 14).

    All D·L sines come first, frequency by frequency, then all cosines. Scaling by powers of two is exact and the sines
    of torch reduce any float32 angle exactly, so high degrees lose nothing but what the mean's own rounding costs.
    Raises UsageError when the degrees leave no frequency.
    """

    frequencies: Tensor

    def __init__(self, config: IpeConfig, ctx: BuildContext, *, in_dim: int):
        super().__init__()
        octaves = config.max_degree - config.min_degree
        if octaves < 1:
            raise UsageError(
                f"degrees {config.min_degree} to {config.max_degree} leave no frequency",
                path="encoding.max_degree", hint=f"max_degree = {min(config.min_degree + 16, 24)}",
            )  # fmt: skip
        self.in_dim, self.out_dim = in_dim, 2 * in_dim * octaves
        frequencies = 2.0 ** torch.arange(config.min_degree, config.max_degree)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Features [M, out_dim] of means x [M, D] with diagonal covariance `cov` [M, D]; none is zero."""
        angles = (x[:, None, :] * self.frequencies[:, None]).flatten(1)
        waves = torch.stack([angles.sin(), angles.cos()], dim=1)
        if cov is None:
            return waves.flatten(1)
        variances = (cov[:, None, :] * self.frequencies.square()[:, None]).flatten(1)
        return (waves * torch.exp(-0.5 * variances)[:, None]).flatten(1)
