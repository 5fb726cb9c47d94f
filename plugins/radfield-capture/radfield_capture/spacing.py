"""Spacing of distances along rays. Each spacing is an increasing function of distance. Shapes: R rays, S distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Warp:
    """An increasing function g of distance. Distances are evenly spaced if their values of g are.

    Attributes:
        name: "linear" for g(t) = t, "disparity" for −1/t, "log" for log t, and "contraction" for t/r up to the distance
            r and 2 − r/t beyond it.
        radius: the distance r.

    Example:
        >>> near, far = torch.tensor([0.5]), torch.tensor([4.0])
        >>> Warp("contraction", 1.0).distances(torch.tensor([[0.0, 0.4, 1.0]]), near, far)
        tensor([[0.5000, 1.0000, 4.0000]])
    """

    name: Literal["linear", "disparity", "log", "contraction"]
    radius: float = 1.0

    def shares(self, t: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Return the position s of each distance t [R, S] between near (s = 0) and far (s = 1), both [R]."""
        first, last = self._limits(near, far)
        a, b = self._warped(first), self._warped(last)
        width = torch.where(b > a, b - a, torch.ones_like(a))
        return ((self._warped(torch.minimum(torch.maximum(t, first), last)) - a) / width).clamp(0.0, 1.0)

    def distances(self, s: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Return the distance t of each position s [R, S] between near (s = 0) and far (s = 1), both [R].

        "disparity" and "log" raise near limits below 1e-4 · far to 1e-4 · far.
        """
        first, last = self._limits(near, far)
        a, b = self._warped(first), self._warped(last)
        return torch.minimum(torch.maximum(self._unwarped(a + s * (b - a)), first), last)

    def _limits(self, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        near, far = near[:, None], far[:, None]
        if self.name in ("disparity", "log"):
            near = torch.maximum(near, 1e-4 * far).clamp_min(torch.finfo(near.dtype).tiny)
        return near, torch.maximum(far, near)

    def _warped(self, t: Tensor) -> Tensor:
        if self.name == "linear":
            return t
        if self.name == "disparity":
            return -1.0 / t
        if self.name == "log":
            return t.log()
        y = t / self.radius
        return torch.where(y <= 1.0, y, 2.0 - 1.0 / y.clamp_min(1.0))

    def _unwarped(self, g: Tensor) -> Tensor:
        if self.name == "linear":
            return g
        if self.name == "disparity":
            return -1.0 / g
        if self.name == "log":
            return g.exp()
        outside = 1.0 / (2.0 - g.clamp_max(2.0 - 1e-6))
        return self.radius * torch.where(g <= 1.0, g, outside)
