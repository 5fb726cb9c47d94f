"""A scene: the cameras, images and other data of one split of a data set, in scene coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.data.similarity import transform_points
from radfield_core.ops.ndc import Ndc
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import SceneBox

MaskMeaning = Literal["object", "counted"]


class ImageSource(Protocol):
    """A sequence of V images as uint8. An image with four channels has color and straight (not premultiplied) alpha."""

    @property
    def channels(self) -> int:
        """Channels C of every image: 1, 3 or 4."""

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""

    def __len__(self) -> int:
        """Number of images V."""

    def __getitem__(self, index: int) -> Tensor:
        """One image [H, W, C] uint8. Raises DatasetError if it cannot be decoded."""

    def path(self, index: int) -> Path | None:
        """The file that holds exactly this image, or None if there is no such file."""

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8 at images, rows, columns [n] int64."""

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """The number of each image that cannot be used, with the reason. Each image is decoded once.

        progress: called as progress(done, of) while the images are decoded.
        """

    def only(self, kept: Sequence[int]) -> ImageSource:
        """The images with these numbers, in this order."""

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode the images so that `gather` is fast, using at most `cache_mb` MiB of memory.

        progress: called as progress(done, of) while the images are decoded. Raises a DatasetError that lists every
        image that cannot be used.
        """


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in scene coordinates.

    Attributes:
        vertices: [V, 3], positions of the vertices.
        faces: [F, 3] int64, the three vertex numbers of each triangle.

    Example:
        >>> Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])).faces.shape
        torch.Size([1, 3])
    """

    vertices: Tensor
    faces: Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """One split of a data set, in scene coordinates.

    Attributes:
        cameras: V cameras.
        images: V images.
        near: distance from the camera at which the content begins, in scene units.
        far: distance from the camera at which the content ends, in scene units.
        box: the region to model.
        masks: V masks with one channel, if the data has masks.
        masks_mean: meaning of the masks. "object": white pixels show the object to reconstruct. "counted": black pixels
            do not belong to the scene (for example, they show a passer-by) and are left out of the losses.
        limits_along: "ray" if near and far are measured along the rays, "axis" if along the optical axis.
        ndc: if True, rays are transformed to normalized device coordinates (NDC). NDC map the frustum beyond the near
            plane z = -1 to a cube. All cameras must have the same field of view; near and far are 0 and 1.
        to_data: [4, 4], the similarity that maps scene coordinates to the data's own coordinates.
        unit: unit of the data's own coordinates, such as "mm", if it is known.
        up: upward axis of the data's own coordinates, such as "z" or "-y", if it is known.
        background: background color in [0, 1] of images without alpha, if the data states it. It replaces the method's
            background color.
        points: [P, 3], known points of the surface.
        ground_truth: the true surface, if it is known.
        depths: V tensors [H, W] float32 with the true distance along each ray. It is infinite if the ray hits nothing.
        normals: V tensors [H, W, 3] with the true unit normals.
        names: V names of the views. The list is empty if they have no names.
        loss_weights: [V], weight of each image's pixels in the losses (lossmult in mip-NeRF), if the data has weights.
        groups: V labels of the views, such as their scale. Evaluation also reports each group separately. The list is
            empty if there are no groups.
        render_path: [F, 3, 4], camera-to-world matrices for a video of the scene, if the data format defines them.
        notes: messages for the user, for example about repaired poses.
    """

    cameras: Cameras
    images: ImageSource
    near: float
    far: float
    box: SceneBox
    masks: ImageSource | None = None
    masks_mean: MaskMeaning = "object"
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
        """The scene with only these views, in this order. Its limits, region and coordinates are unchanged."""
        rows = list(kept)
        return replace(
            self,
            cameras=self.cameras.only(rows),
            images=self.images.only(rows),
            masks=None if self.masks is None else self.masks.only(rows),
            depths=None if self.depths is None else _Chosen(self.depths, rows),
            normals=None if self.normals is None else _Chosen(self.normals, rows),
            names=[self.names[i] for i in rows] if self.names else [],
            loss_weights=None if self.loss_weights is None else self.loss_weights[rows],
            groups=[self.groups[i] for i in rows] if self.groups else [],
        )

    def name(self, index: int) -> str:
        """The name of a view for messages. A view without a name is called "view" and its number."""
        return self.names[index] if self.names else f"view {index}"

    @property
    def warp(self) -> Ndc | None:
        """The transform to normalized device coordinates for the first camera's field of view, or None without NDC."""
        if not self.ndc:
            return None
        (fx, fy, _, _), (width, height) = self.cameras.intrinsics[0].tolist(), self.cameras.sizes[0].tolist()
        return Ndc(2.0 * fx / width, 2.0 * fy / height)

    def to_world(self, x: Tensor) -> Tensor:
        """Convert points [..., 3] from the input coordinates of fields to scene coordinates.

        The two differ only if the scene uses NDC.
        """
        return x if self.warp is None else self.warp.unwarp(x)

    def data_points(self, x: Tensor) -> Tensor:
        """Convert points [..., 3] from the input coordinates of fields to the data's own coordinates."""
        return transform_points(self.to_data, self.to_world(x))


class _Chosen(Sequence[Tensor]):
    """Some tensors of a sequence. Each tensor is fetched when it is accessed."""

    def __init__(self, tensors: Sequence[Tensor], kept: Sequence[int]):
        self._tensors, self._kept = tensors, kept

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[self._kept[index]]
