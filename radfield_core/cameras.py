"""Cameras: intrinsics and places. OpenGL axes (x right, y up, z back), pixel centres at +0.5 unless said."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from radfield_core.types import View


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one view: fx, fy, cx, cy in pixels; a pixel is looked through at `pixel_center` in its cell."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    pixel_center: float = 0.5
    model: str = "pinhole"
    distortion: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Cameras:
    """V cameras: c2w [V, 3, 4] and intrinsics [V, 4] (fx, fy, cx, cy) float64; sizes [V, 2] int64 (width, height)."""

    c2w: Tensor
    intrinsics: Tensor
    sizes: Tensor
    pixel_center: float = 0.5
    model: str = "pinhole"
    distortion: Tensor | None = None

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def camera(self, index: int) -> Camera:
        """Intrinsics of one view."""
        fx, fy, cx, cy = self.intrinsics[index].tolist()
        width, height = self.sizes[index].tolist()
        distortion = () if self.distortion is None else tuple(self.distortion[index].tolist())
        return Camera(width, height, fx, fy, cx, cy, self.pixel_center, self.model, distortion)

    def view(self, index: int, image_id: int | None = None) -> View:
        """One camera in its place."""
        return View(self.c2w[index], self.camera(index), image_id)

    @staticmethod
    def pinhole(c2w: Tensor, focal: float, width: int, height: int, pixel_center: float = 0.5) -> Cameras:
        """Cameras that share one focal length in pixels and have their principal point in the middle."""
        n = c2w.shape[0]
        intrinsics = torch.tensor([focal, focal, width / 2, height / 2], dtype=torch.float64).expand(n, 4).clone()
        sizes = torch.tensor([width, height]).expand(n, 2).clone()
        return Cameras(c2w.to(torch.float64), intrinsics, sizes, pixel_center)
