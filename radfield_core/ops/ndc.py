"""Normalized device coordinates: a forward-facing scene's frustum as a cube (NeRF, appendix C).

Symbols: n the near plane, at z = −n before the reference camera; a = 2 fx / W and b = 2 fy / H its fields of view.
Points on the near plane get z = −1, points infinitely far z = 1; straight lines stay straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ndc:
    """The warp of one scene: a, b and n as above."""

    a: float
    b: float
    n: float = 1.0

    def points(self, x: Tensor) -> Tensor:
        """Points [..., 3] with z < 0, warped."""
        z = x[..., 2]
        return torch.stack([-self.a * x[..., 0] / z, -self.b * x[..., 1] / z, 1.0 + 2.0 * self.n / z], -1)

    def unwarp(self, x: Tensor) -> Tensor:
        """Points [..., 3] with z < 1, taken back to the scene."""
        z = 2.0 * self.n / (x[..., 2] - 1.0)
        return torch.stack([-x[..., 0] * z / self.a, -x[..., 1] * z / self.b, z], -1)

    def rays(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Origins [..., 3] on the near plane and directions [..., 3] that end infinitely far, at t = 1.

        Appendix C, equations 25 and 26. The rays must look down −z.
        """
        t = -(self.n + origins[..., 2]) / directions[..., 2]
        warped = self.points(origins + t[..., None] * directions)
        dx, dy, dz = directions.unbind(-1)
        end = torch.stack([-self.a * dx / dz, -self.b * dy / dz, torch.ones_like(dz)], -1)
        return warped, end - warped
