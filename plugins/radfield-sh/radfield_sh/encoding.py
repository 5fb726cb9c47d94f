"""Real spherical harmonics of unit directions. M rows, bands l = 0 … degree − 1, orders m = −l … l."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, UsageError
from radfield_sh.config import SHConfig


class SphericalHarmonics(Encoding):
    """Y_l^m of directions [M, 3], number l² + l + m. Raises UsageError for another input than 3 coordinates."""

    def __init__(self, config: SHConfig, ctx: BuildContext, *, in_dim: int = 3):
        super().__init__()
        if in_dim != 3:
            raise UsageError(
                f"spherical harmonics are functions of directions in 3 dimensions, not {in_dim}",
                path="encoding", hint="encoding=frequency takes any number of coordinates",
            )  # fmt: skip
        self.degree = config.degree
        self.in_dim = in_dim
        self.out_dim = config.degree**2

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Features [M, degree²] of unit directions [M, 3]; `cov` has no effect."""
        return spherical_harmonics(x, self.degree)


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Orthonormal real harmonics [M, degree²] of unit directions [M, 3], with the Condon–Shortley phase.

    Y_l^m = √2 K_l^m Q_l^m(z) · Re (x + iy)^m for m > 0, Im (x + iy)^|m| for m < 0, and K_l^0 Q_l^0(z) for m = 0, where
    Q_l^m = P_l^m / (1 − z²)^(m/2) is a polynomial, by the recurrences in l of the associated Legendre functions, and
    K_l^m = √((2l + 1)/4π · (l − m)!/(l + m)!).
    """
    # The recurrences' coefficients pass the range of half floats.
    x, y, z = directions.to(torch.promote_types(directions.dtype, torch.float32)).unbind(-1)
    features: list[Tensor] = [z] * degree**2
    real, imaginary = torch.ones_like(x), torch.zeros_like(x)
    diagonal = 1.0
    for m in range(degree):
        before, polynomial = torch.zeros_like(z), torch.full_like(z, diagonal)
        for band in range(m, degree):
            scale = _norm(band, m)
            features[band**2 + band + m] = scale * polynomial * real
            if m:
                features[band**2 + band - m] = scale * polynomial * imaginary
            following = ((2 * band + 1) * z * polynomial - (band + m) * before) / (band + 1 - m)
            before, polynomial = polynomial, following
        real, imaginary = x * real - y * imaginary, x * imaginary + y * real
        diagonal *= -(2 * m + 1)
    return torch.stack(features, -1).to(directions.dtype)


def _norm(band: int, m: int) -> float:
    norm = (2 * band + 1) / (4 * math.pi) * math.factorial(band - m) / math.factorial(band + m)
    return math.sqrt(2 * norm if m else norm)
