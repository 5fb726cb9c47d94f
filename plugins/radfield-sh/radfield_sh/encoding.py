"""encoding:sh, real spherical harmonics of unit directions.

Shapes: M rows. Indices: bands l = 0 … degree − 1, orders m = −l … l.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, UsageError
from radfield_sh.config import SHConfig


class SphericalHarmonics(Encoding):
    """Encoding of view directions by degree² real spherical harmonics. `spherical_harmonics()` defines them.

    Args:
        config: options.
        ctx: context of the run; not used.
        in_dim: number of coordinates; must be 3.

    Raises:
        UsageError: `in_dim` is not 3.
    """

    def __init__(self, config: SHConfig, ctx: BuildContext, *, in_dim: int = 3):
        super().__init__()
        if in_dim != 3:
            raise UsageError(
                f"spherical harmonics take directions in 3 dimensions, not {in_dim}",
                path="encoding",
                hint="Use encoding:frequency, which takes any number of coordinates",
            )
        self.degree = config.degree
        self.in_dim = in_dim
        self.out_dim = config.degree**2

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Features [M, degree²] of unit directions [M, 3]. `cov` is ignored."""
        return spherical_harmonics(x, self.degree)


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Orthonormal real spherical harmonics [M, degree²] with the Condon–Shortley phase.

    Feature l² + l + m is

        √2 K_l^m Q_l^m(z) · Re (x + iy)^m          for m > 0
        K_l^0 Q_l^0(z)                             for m = 0
        √2 K_l^|m| Q_l^|m|(z) · Im (x + iy)^|m|    for m < 0

    with K_l^m = √((2l + 1)/4π · (l − m)!/(l + m)!) and the polynomials Q_l^m = P_l^m / (1 − z²)^(m/2), where P_l^m are
    the associated Legendre functions. The Q_l^m are computed by the same recurrence in l as the P_l^m (NIST Digital
    Library of Mathematical Functions, 14.10.3).

    Args:
        directions: unit vectors [M, 3]. Vectors of other lengths give the values of the same polynomials.
        degree: number of bands l = 0 … degree − 1.

    Example:
        >>> spherical_harmonics(torch.tensor([[0.0, 0.0, 1.0]]), 2)
        tensor([[0.2821, -0.0000, 0.4886, -0.0000]])
    """
    # In half precision, the coefficients of the recurrence would overflow.
    x, y, z = directions.to(torch.promote_types(directions.dtype, torch.float32)).unbind(-1)
    features: list[Tensor] = [z] * degree**2
    real, imaginary = torch.ones_like(x), torch.zeros_like(x)
    diagonal = 1.0
    for m in range(degree):
        previous, polynomial = torch.zeros_like(z), torch.full_like(z, diagonal)
        for band in range(m, degree):
            scale = _norm(band, m)
            features[band**2 + band + m] = scale * polynomial * real
            if m:
                features[band**2 + band - m] = scale * polynomial * imaginary
            following = ((2 * band + 1) * z * polynomial - (band + m) * previous) / (band + 1 - m)
            previous, polynomial = polynomial, following
        real, imaginary = x * real - y * imaginary, x * imaginary + y * real
        diagonal *= -(2 * m + 1)
    return torch.stack(features, -1).to(directions.dtype)


def _norm(band: int, m: int) -> float:
    """The factor K_l^m, multiplied by √2 if m > 0."""
    norm = (2 * band + 1) / (4 * math.pi) * math.factorial(band - m) / math.factorial(band + m)
    return math.sqrt(2 * norm if m else norm)
