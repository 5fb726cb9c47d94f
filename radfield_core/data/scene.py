"""A scene: the cameras, images and other data of one split of a data set, in scene coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.data.observations import Observations
from radfield_core.data.similarity import transform_points
from radfield_core.ops.ndc import Ndc
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import SceneBox

MaskMeaning = Literal["object", "counted"]


class ImageSource(Protocol):
    """A sequence of V images as uint8. An image with four channels has color and straight (not premultiplied) alpha."""

    @property
    def channels(self) -> int:
        """Number of channels C, which is the same for every image: 1, 3 or 4."""

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""

    def __len__(self) -> int:
        """Return the number of images V."""

    def __getitem__(self, index: int) -> Tensor:
        """Return one image [H, W, C] uint8. Raises DatasetError if the image cannot be decoded."""

    def path(self, index: int) -> Path | None:
        """Return the file whose pixels are exactly this image, or None if the image has no such file."""

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels [n, C] uint8 at the given image numbers, rows and columns, each [n] int64."""

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return the number of each image that cannot be used, with the reason. Each image is decoded once.

        progress: called as progress(number of decoded images, number of images) while the images are decoded.
        """

    def only(self, kept: Sequence[int]) -> ImageSource:
        """Return an image source of the images with the numbers `kept`, in this order."""

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images once, so that `gather` is fast. Use at most `cache_mb` MiB of memory.

        progress: called as progress(number of decoded images, number of images) while the images are decoded.

        Raises a DatasetError that lists every unusable image.
        """


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in scene coordinates.

    Attributes:
        vertices: [V, 3], positions of the vertices.
        faces: [F, 3] int64, the indices into `vertices` of the three corners of each triangle.

    Example:
        >>> Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])).faces.shape
        torch.Size([1, 3])
    """

    vertices: Tensor
    faces: Tensor


class EstimatedUp(NamedTuple):
    """An estimate of the upward direction.

    Attributes:
        direction: unit vector [3] in the data's own coordinates.
        how: what it was estimated from, for a message.
    """

    direction: tuple[float, float, float]
    how: str


@dataclass(frozen=True, eq=False)
class Scene:
    """One split of a data set, in scene coordinates.

    Attributes:
        cameras: V cameras.
        images: V images.
        near: distance from the camera at which the content begins, in scene units.
        far: distance from the camera at which the content ends, in scene units.
        box: the region of space to model.
        masks: V masks with one channel, if the data has masks.
        masks_mean: meaning of the masks. "object": white pixels show the object to reconstruct. "counted": only white
            pixels count in the losses, because black pixels show something that does not belong to the scene, such as a
            passer-by.
        limits_along: "ray" if near and far are measured along the rays, "axis" if they are measured along the optical
            axis.
        ndc: if True, rays are transformed to normalized device coordinates (NDC). This transform maps the frustum
            beyond the near plane z = -1 to a cube. All cameras must then have the same field of view, and near and far
            must be 0 and 1.
        to_data: [4, 4], the similarity that maps scene coordinates to the data's own coordinates.
        unit: unit of the data's own coordinates, such as "mm", if it is known.
        up: axis of the data's own coordinates that points up, such as "z" or "-y", if it is known.
        estimated_up: estimate of the upward direction, if the data does not state it.
        background: color in [0, 1] of the background in images without alpha, if the data states this color. It
            replaces the method's background color.
        points: [P, 3], known points of the surface, if there are any.
        point_colors: [P, 3] uint8, sRGB colors of `points`, if they are known.
        ground_truth: the true surface, if it is known.
        depths: V tensors [H, W] float32 with the distance from the camera to the surface along each ray, if there are
            depth images. The distance is infinite if the ray hits nothing, and NaN if it is unknown.
        normals: V tensors [H, W, 3] with the unit normals of the surface in scene coordinates, if there are normal
            images. Unknown normals are zero.
        observations: which view sees which of `points` at which pixel, if this is known.
        names: V names of the views. The list is empty if the views have no names.
        loss_weights: [V], weight of each image's pixels in the losses (lossmult in mip-NeRF), if the data has weights.
        groups: V labels. Views with the same label form a group, such as the views of one scale. Evaluation also
            reports each group separately. The list is empty if there are no groups.
        render_path: [F, 3, 4], camera-to-world matrices for a video of the scene, if the data format defines a path.
        notes: messages for the user, for example about repaired poses.
        chosen: messages that confirm what the user chose, for example which of the views are used.
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
    estimated_up: EstimatedUp | None = None
    background: tuple[float, float, float] | None = None
    points: Tensor | None = None
    point_colors: Tensor | None = None
    ground_truth: Mesh | None = None
    depths: Sequence[Tensor] | None = None
    normals: Sequence[Tensor] | None = None
    observations: Observations | None = None
    names: list[str] = field(default_factory=list)
    loss_weights: Tensor | None = None
    groups: list[str] = field(default_factory=list)
    render_path: Tensor | None = None
    notes: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    def only(self, kept: Sequence[int]) -> Scene:
        """Return a scene with the views that have the numbers `kept`, in this order.

        The near and far limits, the region and the coordinates stay the same.
        """
        rows = list(kept)
        return replace(
            self,
            cameras=self.cameras.only(rows),
            images=self.images.only(rows),
            masks=None if self.masks is None else self.masks.only(rows),
            depths=None if self.depths is None else _Chosen(self.depths, rows),
            normals=None if self.normals is None else _Chosen(self.normals, rows),
            observations=None if self.observations is None else self.observations.only(rows),
            names=[self.names[i] for i in rows] if self.names else [],
            loss_weights=None if self.loss_weights is None else self.loss_weights[rows],
            groups=[self.groups[i] for i in rows] if self.groups else [],
        )

    def name(self, index: int) -> str:
        """Return the name of a view for messages. If the views have no names, return "view" with the view's number."""
        return self.names[index] if self.names else f"view {index}"

    @property
    def warp(self) -> Ndc | None:
        """The transform to normalized device coordinates (NDC), or None if the scene does not use NDC.

        The transform is made for the field of view of the first camera.
        """
        if not self.ndc:
            return None
        (fx, fy, _, _), (width, height) = self.cameras.intrinsics[0].tolist(), self.cameras.sizes[0].tolist()
        return Ndc(2.0 * fx / width, 2.0 * fy / height)

    def to_world(self, x: Tensor) -> Tensor:
        """Convert points [..., 3] from the coordinates in which a field is evaluated to scene coordinates.

        If the scene uses NDC, fields are evaluated in NDC. Otherwise, the points are returned unchanged.
        """
        return x if self.warp is None else self.warp.unwarp(x)

    def data_points(self, x: Tensor) -> Tensor:
        """Convert points [..., 3] from the coordinates in which a field is evaluated to the data's own coordinates."""
        return transform_points(self.to_data, self.to_world(x))


def known_maps(maps: Sequence[Tensor] | None) -> int:
    """Return how many views have a depth or normal image."""
    return 0 if maps is None else sum(is_known(maps, view) for view in range(len(maps)))


def is_known(maps: Sequence[Tensor], view: int) -> bool:
    """Return False if a sequence of maps says that it has no map of a view. The map is not read."""
    known = getattr(maps, "known", None)
    return known is None or bool(known(view))


class _Chosen(Sequence[Tensor]):
    """The tensors of a sequence that have the numbers `kept`. Each tensor is fetched only when it is accessed."""

    def __init__(self, tensors: Sequence[Tensor], kept: Sequence[int]):
        self._tensors, self._kept = tensors, kept

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, index: int) -> bool:
        """Return True if a view has a map."""
        return is_known(self._tensors, self._kept[index])

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[self._kept[index]]
