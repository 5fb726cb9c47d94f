"""COLMAP's binary files, read with every size checked before it is believed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from radfield_colmap.model import MODEL_NAMES, N_PARAMETERS, SparseCamera, SparseImage, camera
from radfield_core import DatasetError
from radfield_core.files import read_limited

MAX_BYTES = 4 * 2**30
_KEY_POINT = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
_LONGEST_NAME = 4096


class Reader:
    """A cursor over a file's bytes; asking for more than there is raises DatasetError."""

    def __init__(self, path: Path):
        self.path = path
        self.data = read_limited(path, MAX_BYTES)
        self.at = 0

    def fail(self, message: str) -> DatasetError:
        """An error about this file."""
        return DatasetError(message, path=str(self.path), hint="copying the reconstruction again")

    def _advance(self, size: int) -> int:
        start = self.at
        if start + size > len(self.data):
            raise self.fail(f"ends at byte {len(self.data)}, in the middle of an entry at byte {start}")
        self.at = start + size
        return start

    def take(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The fields of one structure."""
        return layout.unpack_from(self.data, self._advance(layout.size))

    def count(self, smallest: int) -> int:
        """A number of entries of at least `smallest` bytes each, believed only if that many can follow."""
        (n,) = self.take(_COUNT)
        if n * smallest > len(self.data) - self.at:
            raise self.fail(f"claims {n} entries, for which the file is too short")
        return int(n)

    def array(self, dtype: np.dtype, n: int) -> np.ndarray:
        """n entries of a fixed layout."""
        return np.frombuffer(self.data, dtype, n, self._advance(dtype.itemsize * n))

    def name(self) -> str:
        """A string that ends with a zero byte."""
        end = self.data.find(b"\0", self.at, self.at + _LONGEST_NAME)
        if end < 0:
            raise self.fail(f"the name at byte {self.at} does not end")
        text = self.data[self.at : end]
        self.at = end + 1
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail(f"the name at byte {end - len(text)} is not UTF-8") from None


_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")


def read_cameras(path: Path) -> dict[int, SparseCamera]:
    """cameras.bin: number -> camera."""
    reader = Reader(path)
    cameras: dict[int, SparseCamera] = {}
    for _ in range(reader.count(_CAMERA.size + 16)):
        number, model, width, height = reader.take(_CAMERA)
        if not 0 <= model < len(MODEL_NAMES):
            raise reader.fail(f"camera {number} has the unknown model {model}")
        parameters = reader.take(struct.Struct(f"<{N_PARAMETERS[model]}d"))
        if number in cameras:
            raise reader.fail(f"camera {number} occurs twice")
        try:
            cameras[number] = camera(model, width, height, parameters)
        except ValueError as error:
            raise reader.fail(f"camera {number} {error}") from None
    return cameras


def read_images(path: Path) -> list[SparseImage]:
    """images.bin: every registered image with its key points."""
    reader = Reader(path)
    images = []
    for _ in range(reader.count(_IMAGE.size + 1 + _COUNT.size)):
        _, *pose, camera_id = reader.take(_IMAGE)
        name = reader.name()
        key_points = reader.array(_KEY_POINT, reader.count(_KEY_POINT.itemsize))
        images.append(
            SparseImage(
                name, camera_id, np.array(pose[:4]), np.array(pose[4:]), key_points["xy"].astype(np.float64),
                key_points["point"].astype(np.int64),
            )
        )  # fmt: skip
    return images


def read_points(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """points3D.bin: ids [P], points [P, 3], mean reprojection errors [P]."""
    reader = Reader(path)
    n = reader.count(_POINT.size)
    ids, points, errors = np.zeros(n, np.int64), np.zeros((n, 3)), np.zeros(n)
    for i in range(n):
        number, x, y, z, _, _, _, error, track = reader.take(_POINT)
        if number >= 2**63:
            raise reader.fail(f"point {i} has the number {number}")
        ids[i], points[i], errors[i] = number, (x, y, z), error
        reader._advance(8 * track)
    return ids, points, errors
