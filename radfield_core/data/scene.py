"""A scene: one split of a data set in scene coordinates, with lazy uint8 images and the way back to the data's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.ops.ndc import Ndc
from radfield_core.runtime.progress import ProgressCallback
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

    def only(self, kept: Sequence[int]) -> ImageSource:
        """The images at these places alone."""

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Make `gather` fast, with at most `cache_mb` MiB of memory; DatasetError names every image that is bad."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in scene coordinates: vertices [V, 3], faces [F, 3] int64."""

    vertices: Tensor
    faces: Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """One split of a data set.

    limits_along: whether near and far are measured along unit rays or along the optical axis.
    ndc: rays are warped so that the frustum before the near plane z = -1 becomes a cube; all cameras then have the same
    field of view, and near and far are shares of the way from that plane to infinity: 0 and 1.
    to_data [4, 4]: the similarity that takes scene coordinates to the data's own.
    unit, up: unit and upward axis ("z", "-y", …) of the data's own coordinates, if known.
    background: the color in [0, 1] that images without alpha were composited on, if the data say so; it then stands in
    for the method's background.
    depths, normals: ground truth of each view where it is known: distance along the ray [H, W] float32, infinite where
    there is nothing, and unit normals [H, W, 3] in scene coordinates.
    masks_mean: "object", masks show the object (white) that is to be reconstructed; "counted", black pixels are none of
    the scene, such as a passer-by, and are left out of the losses.
    loss_weights [V]: weight of each image's pixels, where the data says so (mip-NeRF's lossmult).
    groups: a label for each view by which evaluation splits its table, such as the scale; empty where there is none.
    render_path [F, 3, 4]: cameras of the video that suits the capture, if its format knows one.
    notes: remarks to show the user: what was mended, what is unusual.
    """

    cameras: Cameras
    images: ImageSource
    near: float
    far: float
    box: SceneBox
    masks: ImageSource | None = None
    masks_mean: Literal["object", "counted"] = "object"
    limits_along: Literal["ray", "axis"] = "ray"
    ndc: bool = False
    to_data: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    unit: str | None = None
    up: str | None = None
    background: tuple[float, float, float] | None = None
    points: Tensor | None = None
    ground_truth: Mesh | None = None
    depths: Sequence[Tensor] | None = None
    normals: Sequence[Tensor] | None = None
    names: list[str] = field(default_factory=list)
    loss_weights: Tensor | None = None
    groups: list[str] = field(default_factory=list)
    render_path: Tensor | None = None
    notes: tuple[str, ...] = ()

    def only(self, kept: Sequence[int]) -> Scene:
        """The scene with these views alone; where it lies, its limits and its region stay."""
        rows = list(kept)
        return replace(
            self, cameras=self.cameras.only(rows), images=self.images.only(rows),
            masks=None if self.masks is None else self.masks.only(rows),
            depths=None if self.depths is None else _Chosen(self.depths, rows),
            normals=None if self.normals is None else _Chosen(self.normals, rows),
            names=[self.names[i] for i in rows] if self.names else [],
            loss_weights=None if self.loss_weights is None else self.loss_weights[rows],
            groups=[self.groups[i] for i in rows] if self.groups else [],
        )  # fmt: skip

    def name(self, index: int) -> str:
        """What messages call a view."""
        return self.names[index] if self.names else f"view {index}"

    @property
    def warp(self) -> Ndc | None:
        """The warp under NDC, by the first camera's field of view."""
        if not self.ndc:
            return None
        (fx, fy, _, _), (width, height) = self.cameras.intrinsics[0].tolist(), self.cameras.sizes[0].tolist()
        return Ndc(2.0 * fx / width, 2.0 * fy / height)

    def to_world(self, x: Tensor) -> Tensor:
        """Points [..., 3] of the space that fields live in, in scene coordinates: undoes NDC."""
        return x if self.warp is None else self.warp.unwarp(x)

    def data_points(self, x: Tensor) -> Tensor:
        """Points [..., 3] of the space that fields live in, in the data's own coordinates."""
        return apply_similarity(self.to_data, self.to_world(x))


class _Chosen(Sequence[Tensor]):
    """Some of a sequence's tensors, each fetched when it is asked for."""

    def __init__(self, tensors: Sequence[Tensor], kept: Sequence[int]):
        self._tensors, self._kept = tensors, kept

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[self._kept[index]]


def apply_similarity(similarity: Tensor, x: Tensor) -> Tensor:
    """Points [..., 3] under a 4x4 transform; worked out in float64, returned in the points' dtype."""
    wide = x.to(torch.float64)
    transform = similarity.to(wide)
    return (wide @ transform[:3, :3].T + transform[:3, 3]).to(x.dtype)
