"""A scene: one split of a data set in scene coordinates, with lazy uint8 images and the way back to the data's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.types import SceneBox


class ImageSource(Protocol):
    """V images, uint8, straight alpha when there are four channels."""

    def __len__(self) -> int:
        """Number of images V."""

    def __getitem__(self, index: int) -> Tensor:
        """One image [H, W, C] uint8, C = 1, 3 or 4."""

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8 at images, rows, columns [n] int64."""

    def check(self) -> list[tuple[int, str]]:
        """Every image that cannot be used, with the reason; decodes each once."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in scene coordinates: vertices [V, 3], faces [F, 3] int64."""

    vertices: Tensor
    faces: Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """One split of a data set.

    limits_along: whether near and far are measured along unit rays or along the optical axis.
    to_data [4, 4]: the similarity that takes scene coordinates to the data's own.
    unit: unit of the data's own coordinates, if known. depths, normals: ground truth per view where it is known.
    loss_weights [V]: weight of each image's pixels, where the data says so (mip-NeRF's lossmult).
    """

    cameras: Cameras
    images: ImageSource
    near: float
    far: float
    box: SceneBox
    masks: ImageSource | None = None
    limits_along: Literal["ray", "axis"] = "ray"
    ndc: bool = False
    to_data: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    unit: str | None = None
    points: Tensor | None = None
    ground_truth: Mesh | None = None
    names: list[str] = field(default_factory=list)
    loss_weights: Tensor | None = None
