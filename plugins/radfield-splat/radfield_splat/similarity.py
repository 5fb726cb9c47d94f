"""Similarity transforms of Gaussians, including their harmonics."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import spherical_harmonics


def transformed(gaussians: Gaussians, similarity: Tensor) -> Gaussians:
    """Return Gaussians in other coordinates. A camera that is transformed with them sees the same image.

    Args:
        gaussians: N Gaussians.
        similarity: matrix [4, 4] of a rotation, a scale and a shift.

    Example:
        >>> one = Gaussians(torch.ones(1, 3), torch.zeros(1, 3), torch.eye(4)[:1], torch.zeros(1), torch.zeros(1, 1, 3))
        >>> transformed(one, torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))).means
        tensor([[2., 2., 2.]])
    """
    matrix = similarity.to(torch.float64)
    scale = float(torch.linalg.det(matrix[:3, :3])) ** (1 / 3)
    rotation = matrix[:3, :3] / scale
    means = gaussians.means.double() @ matrix[:3, :3].T + matrix[:3, 3]
    return Gaussians(
        means.to(gaussians.means),
        gaussians.log_scales + torch.tensor(scale).log().to(gaussians.means),
        _product(_quaternion(rotation), gaussians.quaternions.double()).to(gaussians.means),
        gaussians.opacity_logits,
        _rotated_harmonics(gaussians.harmonics, rotation),
    )


def _rotated_harmonics(harmonics: Tensor, rotation: Tensor) -> Tensor:
    """Return coefficients h' with Σ h'_k Y_k(R d) = Σ h_k Y_k(d) for all directions d. They are solved for exactly."""
    degree = {1: 0, 4: 1, 9: 2, 16: 3}[harmonics.shape[1]]
    directions = torch.randn(64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    directions = torch.nn.functional.normalize(directions, dim=-1)
    before, after = (spherical_harmonics(d, degree) for d in (directions, directions @ rotation.T))
    change = torch.linalg.lstsq(after, before).solution
    return torch.einsum("jk,nkc->njc", change.to(harmonics), harmonics)


def _quaternion(rotation: Tensor) -> Tensor:
    """Return the unit quaternion (w, x, y, z) of a rotation matrix.

    It is the eigenvector, of the largest eigenvalue, of a symmetric matrix (Bar-Itzhack 2000), which is exact for all
    rotations.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    rows = [
        [a + e + i, h - f, c - g, d - b],
        [h - f, a - e - i, b + d, c + g],
        [c - g, b + d, e - a - i, f + h],
        [d - b, c + g, f + h, i - a - e],
    ]
    vectors: Tensor = torch.linalg.eigh(torch.tensor(rows, dtype=torch.float64)).eigenvectors
    return vectors[:, -1]


def _product(p: Tensor, q: Tensor) -> Tensor:
    """Return the products p q [N, 4] of a quaternion [4] and quaternions [N, 4]."""
    w, v = p[0], p[1:]
    real = w * q[:, 0] - q[:, 1:] @ v
    cross = torch.linalg.cross(v.expand_as(q[:, 1:]), q[:, 1:])
    return torch.cat([real[:, None], w * q[:, 1:] + q[:, :1] * v + cross], -1)
