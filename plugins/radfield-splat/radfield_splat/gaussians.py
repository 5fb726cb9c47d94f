"""Gaussians: the primitives that the rasterizer draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_DEGREE = 3
"""Highest degree of the spherical harmonics that the rasterizer evaluates."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """N anisotropic 3-D Gaussians with a color that depends on the direction of view (Kerbl et al. 2023).

    The covariance of a Gaussian is R diag(exp(2 log_scales)) Rᵀ, where R is the rotation of its quaternion. Its opacity
    is sigmoid(opacity_logits). Its color is max(0, ½ + Σ_k harmonics_k Y_k(d)), where d is the unit direction from the
    camera to its mean. The order and the signs of the harmonics Y_k are those of 3DGS.

    Attributes:
        means: [N, 3] in world coordinates.
        log_scales: logarithms of the standard deviations along the axes [N, 3].
        quaternions: rotations (w, x, y, z) [N, 4] of any length above 0.
        opacity_logits: [N].
        harmonics: coefficients [N, K, 3] for red, green and blue. K = (degree + 1)².

    Example:
        >>> import torch
        >>> zeros = torch.zeros(1, 3)
        >>> one = Gaussians(zeros, zeros, torch.ones(1, 4), torch.zeros(1), torch.zeros(1, 4, 3))
        >>> len(one), one.degree
        (1, 1)
    """

    means: Tensor
    log_scales: Tensor
    quaternions: Tensor
    opacity_logits: Tensor
    harmonics: Tensor

    def __post_init__(self) -> None:
        n, k = self.means.shape[0], self.harmonics.shape[1] if self.harmonics.dim() == 3 else 0
        shapes = {"means": (n, 3), "log_scales": (n, 3), "quaternions": (n, 4), "opacity_logits": (n,)}
        for name, shape in {**shapes, "harmonics": (n, k, 3)}.items():
            tensor: Tensor = getattr(self, name)
            if tuple(tensor.shape) != shape:
                raise ValueError(f"{name} has the shape {list(tensor.shape)} instead of {list(shape)}")
            if tensor.dtype != self.means.dtype or tensor.device != self.means.device:
                raise ValueError(
                    f"{name} is {tensor.dtype} on {tensor.device}, but means is {self.means.dtype} on "
                    f"{self.means.device}"
                )
        if k not in {(degree + 1) ** 2 for degree in range(MAX_DEGREE + 1)}:
            raise ValueError(f"harmonics has {k} coefficients per color, but the degrees 0 to 3 have 1, 4, 9 or 16")

    def __len__(self) -> int:
        return self.means.shape[0]

    @property
    def degree(self) -> int:
        """Degree of the spherical harmonics."""
        return math.isqrt(self.harmonics.shape[1]) - 1

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the five tensors in the order of the attributes."""
        return self.means, self.log_scales, self.quaternions, self.opacity_logits, self.harmonics


def rotations(quaternions: Tensor) -> Tensor:
    """Return the rotation matrices [N, 3, 3] of quaternions (w, x, y, z) [N, 4] of any length above 0."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=-1, eps=0.0).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
