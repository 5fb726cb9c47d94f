"""Normalized device coordinates (NDC): a warp for forward-facing scenes (NeRF, appendix C).

NDC warps the frustum that the reference camera sees to a cube. The near plane lies at z = −n in front of this camera.
The camera's image has W × H pixels, and its focal lengths fx and fy give the factors a = 2 fx / W and b = 2 fy / H.
Points on the near plane get z = −1, and infinitely distant points get z = 1. Straight lines stay straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ndc:
    """The NDC warp of one scene.

    Attributes:
        a: 2 fx / W of the reference camera.
        b: 2 fy / H of the reference camera.
        n: distance of the near plane from the reference camera.

    Example:
        >>> ndc = Ndc(a=1.0, b=1.0)
        >>> x = torch.tensor([[1.0, 0.0, -2.0]])
        >>> ndc.points(x)
        tensor([[0.5000, 0.0000, 0.0000]])
        >>> ndc.unwarp(ndc.points(x))
        tensor([[ 1.,  0., -2.]])
    """

    a: float
    b: float
    n: float = 1.0

    def points(self, x: Tensor) -> Tensor:
        """Warp points x [..., 3] of the scene, with z < 0. Return the warped points [..., 3]."""
        z = x[..., 2]
        return torch.stack([-self.a * x[..., 0] / z, -self.b * x[..., 1] / z, 1.0 + 2.0 * self.n / z], -1)

    def unwarp(self, x: Tensor) -> Tensor:
        """Invert `points`: return the points [..., 3] of the scene for warped points x [..., 3] with z < 1."""
        z = 2.0 * self.n / (x[..., 2] - 1.0)
        return torch.stack([-x[..., 0] * z / self.a, -x[..., 1] * z / self.b, z], -1)

    def rays(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Warp rays (NeRF, appendix C, equations 25 and 26).

        Args:
            origins: origins in the scene [..., 3].
            directions: directions in the scene [..., 3], of any length, with z < 0.

        Returns:
            Warped origins [..., 3], which lie on the near plane, and warped directions [..., 3]. The length of the
            directions is chosen so that t = 1 is infinitely far away in the scene.
        """
        t = -(self.n + origins[..., 2]) / directions[..., 2]
        warped = self.points(origins + t[..., None] * directions)
        dx, dy, dz = directions.unbind(-1)
        end = torch.stack([-self.a * dx / dz, -self.b * dy / dz, torch.ones_like(dz)], -1)
        return warped, end - warped
