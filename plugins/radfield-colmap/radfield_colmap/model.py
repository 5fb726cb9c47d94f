"""Data of a COLMAP reconstruction, and the choice between several reconstructions in a folder.

COLMAP uses OpenCV axes: x right, y down, z forward.
"""

from __future__ import annotations

import math
import struct
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from radfield_colmap.sniff import find_models, suffix_of
from radfield_core import DatasetError, plural

MODEL_NAMES = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE", "SIMPLE_DIVISION",
    "DIVISION", "SIMPLE_FISHEYE", "FISHEYE", "EUCM", "EQUIRECTANGULAR",
)  # fmt: skip
"""Names of the camera models, in the order of COLMAP's model ids."""

N_PARAMETERS = (3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12, 16, 4, 5, 3, 4, 6, 2)

ONE_FOCAL = frozenset(
    {"SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_DIVISION",
     "SIMPLE_FISHEYE"}
)  # fmt: skip
"""Camera models that have one focal length f instead of fx and fy."""

LENS_OF = {"SIMPLE_PINHOLE": "pinhole", "SIMPLE_DIVISION": "division", "SIMPLE_FISHEYE": "fisheye"}
"""Camera model -> lens in `radfield_core.ops.distortion`. For other models, the lens has the model's name in lower
case."""

_LARGEST_SIZE = 1_000_000


@dataclass(frozen=True)
class SparseCamera:
    """Camera intrinsics: the image size and (fx, fy, cx, cy) in pixels, and a lens from
    `radfield_core.ops.distortion`."""

    width: int
    height: int
    intrinsics: tuple[float, float, float, float]
    lens: str
    distortion: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SparseImage:
    """A registered image, with its world-to-camera pose and its keypoints.

    Attributes:
        name: file name, relative to the image folder.
        camera_id: id of the camera that took the image.
        quaternion: rotation from world to camera, [4] (w, x, y, z), of length 1.
        translation: translation from world to camera, [3].
        xy: [n, 2], keypoints in pixels. The center of the first pixel is (0.5, 0.5).
        point_ids: [n] int64, id of the 3D point that each keypoint observes, or -1 if it observes none.
    """

    name: str
    camera_id: int
    quaternion: np.ndarray
    translation: np.ndarray
    xy: np.ndarray
    point_ids: np.ndarray


class PointTable(NamedTuple):
    """P points of a reconstruction.

    Attributes:
        ids: [P] int64.
        points: positions [P, 3].
        colors: sRGB colors [P, 3] uint8.
        errors: mean reprojection errors in pixels [P].
    """

    ids: np.ndarray
    points: np.ndarray
    colors: np.ndarray
    errors: np.ndarray

    def chosen(self, rows: np.ndarray) -> PointTable:
        """Return some of the points: a mask [P] or indices."""
        return PointTable(*(column[rows] for column in self))


def empty_points(n: int) -> PointTable:
    """Return n points at the origin, to be filled in."""
    return PointTable(np.zeros(n, np.int64), np.zeros((n, 3)), np.zeros((n, 3), np.uint8), np.zeros(n))


@dataclass(frozen=True, eq=False)
class SparseModel:
    """A reconstruction that consists of cameras, images and P points.

    Attributes:
        cameras: the cameras by id.
        images: the registered images.
        point_ids: [P] int64, ids of the points.
        points: [P, 3], positions of the points.
        colors: [P, 3] uint8, sRGB colors of the points.
        errors: [P], mean reprojection error of each point in pixels.
        notes: messages for the user about points that are not used.
    """

    cameras: Mapping[int, SparseCamera]
    images: tuple[SparseImage, ...]
    point_ids: np.ndarray
    points: np.ndarray
    colors: np.ndarray
    errors: np.ndarray
    notes: tuple[str, ...] = ()


def camera(number: int, width: int, height: int, parameters: tuple[float, ...]) -> SparseCamera:
    """Return a camera whose model has the id `number` in COLMAP. Raises ValueError if the camera is not usable."""
    name = MODEL_NAMES[number]
    if not (0 < width < _LARGEST_SIZE and 0 < height < _LARGEST_SIZE):
        raise ValueError(f"has the size {width}×{height}")
    if len(parameters) != N_PARAMETERS[number]:
        raise ValueError(f"has {len(parameters)} parameters; {name} has {N_PARAMETERS[number]}")
    if not np.isfinite(parameters).all() or max(map(abs, parameters)) > 1e9:
        raise ValueError("has a parameter that is not finite, or larger than 1e9")
    if name == "EQUIRECTANGULAR":
        return _panorama(width, height, *parameters)
    one = name in ONE_FOCAL
    fx, fy = parameters[0], parameters[0 if one else 1]
    rest = parameters[1 if one else 2 :]
    if fx <= 0 or fy <= 0:
        raise ValueError(f"has the focal length {min(fx, fy):g}, which is not positive")
    return SparseCamera(width, height, (fx, fy, rest[0], rest[1]), LENS_OF.get(name, name.lower()), tuple(rest[2:]))


def _panorama(width: int, height: int, around: float, upward: float) -> SparseCamera:
    """Return the camera of a panorama.

    `around` is the number of pixels in 360°, and `upward` that in 180°. The principal point is the middle of both.
    """
    if around <= 0 or upward <= 0:
        raise ValueError(f"has the parameters {around:g} and {upward:g}, which must be positive")
    intrinsics = (around / (2 * math.pi), upward / math.pi, around / 2, upward / 2)
    return SparseCamera(width, height, intrinsics, "equirectangular", ())


def world_to_camera(image: SparseImage) -> np.ndarray:
    """Return the transform [R | t] [3, 4] from world to camera."""
    w, x, y, z = image.quaternion / np.linalg.norm(image.quaternion)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.concatenate([rotation, image.translation[:, None]], axis=1)


def camera_to_world(image: SparseImage) -> np.ndarray:
    """Return c2w [3, 4] in OpenGL axes (x right, y up, z back)."""
    w2c = world_to_camera(image)
    rotation = w2c[:, :3].T
    return np.concatenate([rotation * (1.0, -1.0, -1.0), -rotation @ w2c[:, 3:]], axis=1)


def count_images(folder: Path) -> int:
    """Return the number of images in a model, or 0 if the images file is unreadable.

    The header of images.bin states the number. In images.txt, lines are counted.
    """
    try:
        if suffix_of(folder) == ".bin":
            with (folder / "images.bin").open("rb") as stream:
                return int(struct.unpack("<Q", stream.read(8))[0])
        with (folder / "images.txt").open("rb") as stream:
            return sum(not line.removeprefix(BOM_UTF8).startswith(b"#") for line in stream) // 2
    except (OSError, struct.error):
        return 0


def choose_model(root: Path) -> tuple[Path, list[str]]:
    """Return the model with the most images, and a note for the user if there are several models.

    Raises:
        DatasetError: there is no model.
    """
    found = find_models(root)
    if not found:
        raise DatasetError(
            "there is no reconstruction: no sparse/0 with cameras and images as .bin or .txt", path=str(root),
            hint=f"radfield data process PHOTOS {root}",
        )  # fmt: skip
    counts = {folder: count_images(folder) for folder in found}
    best = max(found, key=lambda folder: counts[folder])
    if len(found) == 1:
        return best, []
    others = ", ".join(f"{folder.relative_to(root)} ({counts[folder]})" for folder in found if folder != best)
    return best, [
        f"reading {best.relative_to(root)}, the largest model ({plural(counts[best], 'image')}), not {others}"
    ]
