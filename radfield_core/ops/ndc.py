"""Normalized device coordinates (NDC): a warp of the frustum of a forward-facing scene to a cube (NeRF, appendix C).

The near plane lies at z = −n in front of the reference camera. The field of view of this camera, whose image has W × H
pixels, gives the factors a = 2 fx / W and b = 2 fy / H. Points on the near plane get z = −1, and infinitely distant
points get z = 1. Straight lines stay straight.
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
        """Warped points [..., 3] of scene points x [..., 3] with z < 0."""
        z = x[..., 2]
        return torch.stack([-self.a * x[..., 0] / z, -self.b * x[..., 1] / z, 1.0 + 2.0 * self.n / z], -1)

    def unwarp(self, x: Tensor) -> Tensor:
        """Scene points [..., 3] of warped points x [..., 3] with z < 1; the inverse of `points`."""
        z = 2.0 * self.n / (x[..., 2] - 1.0)
        return torch.stack([-x[..., 0] * z / self.a, -x[..., 1] * z / self.b, z], -1)

    def rays(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Warped rays (appendix C, equations 25 and 26).

        Args:
            origins: [..., 3] in the scene.
            directions: [..., 3] in the scene, of any length, with z < 0.

        Returns:
            Origins [..., 3] on the near plane, and directions [..., 3] of such a length that t = 1 is infinitely far
            away in the scene.
        """
        t = -(self.n + origins[..., 2]) / directions[..., 2]
        warped = self.points(origins + t[..., None] * directions)
        dx, dy, dz = directions.unbind(-1)
        end = torch.stack([-self.a * dx / dz, -self.b * dy / dz, torch.ones_like(dz)], -1)
        return warped, end - warped
