"""Depth and normal images in files of unknown origin: find them beside the images, and read them when needed.

Symbols in shapes: V views, H×W pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import Cameras, directions
from radfield_core.config.surface_options import SurfaceOptions
from radfield_core.data.image_files import MAX_IMAGE_PIXELS, ImageFault, opened
from radfield_core.data.similarity import Array, similarity_scale
from radfield_core.errors import DatasetError
from radfield_core.files.arrays import read_npy
from radfield_core.files.untrusted import safe_join
from radfield_core.names import plural

MAP_SUFFIXES = (".npy", ".png", ".tif", ".tiff", ".webp")
"""Endings of depth and normal images. JPEG is not among them, because its compression changes the numbers."""

MILLIMETERS = 1e-3
"""Default unit of depths that are stored as whole numbers."""

LOOKED_AT = 3
"""Number of normal images in which the direction of the normals is checked when a data set is opened."""

_CAMERA_AXES = {"opencv": (1.0, -1.0, -1.0), "opengl": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, eq=False)
class SurfaceFiles:
    """The depth and normal images of V views, and what their numbers mean.

    Attributes:
        options: the options of the dataparser.
        depths: V files; None for a view without a depth image. The list is empty if no view has one.
        normals: V files; None for a view without a normal image. The list is empty if no view has one.
        integer_unit: unit of depths that are stored as whole numbers, unless the option `depth_unit` is set.
    """

    options: SurfaceOptions
    depths: Sequence[Path | None] = ()
    normals: Sequence[Path | None] = ()
    integer_unit: float = MILLIMETERS

    def maps(
        self, chosen: Sequence[int], cameras: Cameras, to_scene: Array
    ) -> tuple[DepthFiles | None, NormalFiles | None]:
        """Return the depths and the normals of the views with the numbers `chosen`, in scene coordinates.

        Args:
            chosen: numbers of the views.
            cameras: the cameras of these views in scene coordinates.
            to_scene: [4, 4], the similarity from the data's own coordinates to scene coordinates.
        """
        depths, normals = ([paths[i] for i in chosen] if paths else [] for paths in (self.depths, self.normals))
        turn = torch.from_numpy(to_scene[:3, :3] / similarity_scale(to_scene))
        scale = similarity_scale(to_scene)
        return (
            DepthFiles(depths, cameras, self.options, self.integer_unit, scale) if depths else None,
            NormalFiles(normals, cameras, self.options.normal_axes, turn) if normals else None,
        )

    def notes(self, cameras: Cameras, to_scene: Array) -> list[str]:
        """Return messages for the user: which views lack a depth or normal image, and whether normals point away."""
        notes = []
        for what, paths in (("depth", self.depths), ("normal", self.normals)):
            lacking = sum(path is None for path in paths)
            if lacking:
                have = "has" if lacking == 1 else "have"
                notes.append(f"{lacking} of {plural(len(paths), 'view')} {have} no {what} image")
        normals = self.maps(range(len(cameras)), cameras, to_scene)[1]
        return notes if normals is None else notes + normals.notes()


class _MapFiles(Sequence[Tensor]):
    """V images in files, such as depth images. Each is read when it is accessed.

    Args:
        paths: V files, or None for a view without a file.
        cameras: the cameras in scene coordinates.
    """

    def __init__(self, paths: Sequence[Path | None], cameras: Cameras):
        self.paths, self.cameras = paths, cameras

    def __len__(self) -> int:
        return len(self.paths)

    def known(self, index: int) -> bool:
        """Return True if a view has a file."""
        return self.paths[index] is not None

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._read(i, self.paths[i]) for i in range(*index.indices(len(self)))]
        return self._read(index, self.paths[index])

    @abstractmethod
    def _read(self, index: int, path: Path | None) -> Tensor:
        """Read the file of a view."""


class DepthFiles(_MapFiles):
    """V depth images in files. Each is read when it is accessed, as distances [H, W] float32 along the rays.

    A depth of 0, a negative depth and NaN are unknown. An image of another size than its camera's, but of the same
    shape, is read at the nearest pixels.

    Raises DatasetError when an image is accessed that cannot be read.
    """

    def __init__(
        self, paths: Sequence[Path | None], cameras: Cameras, options: SurfaceOptions, integer_unit: float, scale: float
    ):
        super().__init__(paths, cameras)
        self.options, self.integer_unit, self.scale = options, integer_unit, scale

    def _read(self, index: int, path: Path | None) -> Tensor:
        width, height = self.cameras.sizes[index].tolist()
        if path is None:
            return torch.full((height, width), torch.nan)
        stored = read_depths(path)
        unit = self.options.depth_unit or (self.integer_unit if stored.dtype.kind in "iu" else 1.0)
        depth = _fitted(stored, width, height, path).astype(np.float64) * (unit * self.scale)
        depth[~(depth > 0)] = np.nan
        if self.options.depth_along == "axis":
            depth *= _lengths(self.cameras, index)
        return torch.from_numpy(depth.astype(np.float32))


class NormalFiles(_MapFiles):
    """V normal images in files. Each is read when it is accessed, as unit normals [H, W, 3] float32 of the scene.

    Unknown normals are zero.

    Args:
        paths: V files, or None for a view without a normal image.
        cameras: the cameras in scene coordinates.
        axes: the option `normal_axes`.
        turn: rotation [3, 3] from the data's own coordinates to scene coordinates.
    """

    def __init__(self, paths: Sequence[Path | None], cameras: Cameras, axes: str, turn: Tensor):
        super().__init__(paths, cameras)
        self.axes, self.turn = axes, turn

    def _read(self, index: int, path: Path | None) -> Tensor:
        width, height = self.cameras.sizes[index].tolist()
        if path is None:
            return torch.zeros(height, width, 3)
        normals = torch.from_numpy(_fitted(read_normals(path), width, height, path).astype(np.float64))
        if self.axes == "world":
            turn = self.turn
        else:
            turn = self.cameras.c2w[index, :, :3].double() * torch.tensor(_CAMERA_AXES[self.axes]).double()
        length = normals.norm(dim=-1, keepdim=True)
        unit = torch.where(length > 0.1, normals / length.clamp_min(0.1), 0.0)
        return (unit @ turn.T).float()

    def notes(self) -> list[str]:
        """Return a message for the user if most normals of a few images point away from the camera."""
        away = []
        there = [index for index in range(len(self)) if self.known(index)]
        for index in there[:: max(1, len(there) // LOOKED_AT)][:LOOKED_AT]:
            try:
                normals = self[index].double()
            except DatasetError:  # reported where it is used
                continue
            ahead = _rays(self.cameras, index) @ self.cameras.c2w[index, :, :3].double().T
            facing = (normals * ahead).sum(-1)[(normals != 0).any(-1)]
            away += [float((facing > 0).double().mean())] if len(facing) else []
        if not away or sum(away) / len(away) < 0.5:
            return []
        return [
            f"{sum(away) / len(away):.0%} of the normals in the normal images point away from the camera; if their "
            f"axes are not those of data.normal_axes={self.axes}, set another value"
        ]


def read_depths(path: Path) -> Array:
    """Read the numbers [H, W] of a depth image: .npy, or PNG, TIFF or WebP with one channel.

    Raises:
        DatasetError: the file cannot be read, or has more than one channel.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "depth.npy", np.full((1, 3), 2.5))
        ...     read_depths(Path(folder) / "depth.npy")
        array([[2.5, 2.5, 2.5]])
    """
    values = _read(path)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[..., 0] if values.shape[2] == 1 else values[0]
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DatasetError(
            f"has the shape {list(values.shape)}; a depth image has one number per pixel", path=str(path)
        )
    return values


def read_normals(path: Path) -> Array:
    """Read the normals [H, W, 3] of a normal image: .npy, or PNG, TIFF or WebP in color. They may have any length.

    Colors 0 to 255, and arrays whose values are all from 0 to 1, are mapped to −1 to 1. Black is the unknown normal 0.

    Raises:
        DatasetError: the file cannot be read, or does not have three channels.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "normal.npy", np.array([[[0, 0, 255]]], dtype=np.uint8))
        ...     read_normals(Path(folder) / "normal.npy")
        array([[[-1., -1.,  1.]]])
    """
    values = _read(path)
    if values.ndim == 3 and values.shape[0] == 3 and values.shape[2] != 3:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype.kind not in "fiu":
        raise DatasetError(f"has the shape {list(values.shape)}; a normal image has three channels", path=str(path))
    values, whole = values[..., :3], values.dtype.kind in "iu"
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    black = (values == 0).all(-1)
    if whole:
        values = values / 127.5 - 1.0
    elif values.size and values.min() >= 0 and values.max() <= 1:
        values = 2.0 * values - 1.0
    values[black] = 0.0
    return values


def find_maps(root: Path, folder: str, names: Sequence[str]) -> list[Path | None]:
    """Return the file in a folder that has the name of each image, apart from its ending, or None if there is none.

    The map of images/a/b.jpg is FOLDER/a/b.npy or FOLDER/a/b.png. The result is [] if no image has a map.

    Args:
        root: folder of the data set.
        folder: folder of the maps, relative to `root`; it need not exist.
        names: V names of images, relative to the folder of the images.

    Raises:
        DatasetError: a name leads out of the folder.

    Example:
        >>> find_maps(Path("/nowhere"), "depths", ["a.jpg"])
        []
    """
    base = safe_join(root, folder)
    if not base.is_dir():
        return []
    found: list[Path | None] = []
    for name in names:
        stem = PurePosixPath(name.replace("\\", "/")).with_suffix("")
        endings = (safe_join(base, f"{stem}{suffix}") for suffix in MAP_SUFFIXES)
        found.append(next((path for path in endings if path.is_file()), None))
    return found if any(found) else []


def _read(path: Path) -> Array:
    """Read the numbers of a map. Raises DatasetError if this fails."""
    if path.suffix.lower() == ".npy":
        return read_npy(path, 32 * MAX_IMAGE_PIXELS)
    try:
        with opened(path) as image:
            return np.asarray(image.convert("RGB") if image.mode in ("P", "RGBA", "RGBX", "CMYK") else image)
    except ImageFault as fault:
        raise DatasetError(str(fault), path=str(path)) from None
    except Exception as error:  # for damaged files, decoders raise exceptions of many classes
        raise DatasetError(f"cannot be decoded: {error}", path=str(path)) from None


def _fitted(values: Array, width: int, height: int, path: Path) -> Array:
    """Return a map [h, w, ...] in the size of its image, with the values of the nearest pixels.

    Raises:
        DatasetError: the map has another shape than the image.
    """
    tall, wide = values.shape[:2]
    if (tall, wide) == (height, width):
        return values
    if min(tall, wide) == 0 or abs(wide * height - width * tall) > max(width * tall, wide * height) * 0.02:
        raise DatasetError(f"is {wide}×{tall}, but its image is {width}×{height}", path=str(path))
    rows = ((np.arange(height) + 0.5) * tall / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * wide / width).astype(np.int64)
    nearest: Array = values[rows][:, columns]
    return nearest


def _rays(cameras: Cameras, index: int) -> Tensor:
    """Return the directions [H, W, 3] of all pixels of a view in the camera's axes, with any length."""
    camera = cameras.camera(index)
    columns, rows = torch.meshgrid(torch.arange(camera.width), torch.arange(camera.height), indexing="xy")
    lens = torch.tensor(camera.distortion, dtype=torch.float64)
    pixels = torch.stack([columns, rows], -1)
    return directions(pixels, camera.intrinsics, camera.pixel_center, camera.model, lens)


def _lengths(cameras: Cameras, index: int) -> Array:
    """Return, for all pixels [H, W] of a view, the distance along the ray per unit of depth along the optical axis.

    It is NaN for rays that lead to the side or to the back, as in panoramas.
    """
    local = _rays(cameras, index)
    ahead = torch.where(local[..., 2] < -1e-3 * local.norm(dim=-1), -local[..., 2], torch.nan)
    lengths: Array = (local.norm(dim=-1) / ahead).numpy()
    return lengths
