"""Reader of COLMAP's binary files. Every size is checked before it is used."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from radfield_colmap.model import MODEL_NAMES, N_PARAMETERS, PointTable, SparseCamera, SparseImage, camera, empty_points
from radfield_core import DatasetError
from radfield_core.files import read_limited

MAX_BYTES = 4 * 2**30
_KEY_POINT = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
_LONGEST_NAME = 4096


class Reader:
    """Cursor over the bytes of a file. Reading past the end raises DatasetError."""

    def __init__(self, path: Path):
        self.path = path
        self.data = read_limited(path, MAX_BYTES)
        self.at = 0

    def fail(self, message: str) -> DatasetError:
        """Return a DatasetError about this file. The caller raises it."""
        return DatasetError(message, path=str(self.path), hint="Copy the reconstruction again; the file may be damaged")

    def _advance(self, size: int) -> int:
        start = self.at
        if start + size > len(self.data):
            raise self.fail(f"ends at byte {len(self.data)}, in the middle of an entry at byte {start}")
        self.at = start + size
        return start

    def take(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Read one structure and return its fields."""
        return layout.unpack_from(self.data, self._advance(layout.size))

    def count(self, smallest: int) -> int:
        """Read the number of entries that follow. Each entry takes at least `smallest` bytes.

        Raises:
            DatasetError: the rest of the file is too short for so many entries.
        """
        (n,) = self.take(_COUNT)
        if n * smallest > len(self.data) - self.at:
            raise self.fail(f"states {n} entries, for which the file is too short")
        return int(n)

    def array(self, dtype: np.dtype, n: int) -> np.ndarray:
        """Read n entries, each with the layout `dtype`."""
        return np.frombuffer(self.data, dtype, n, self._advance(dtype.itemsize * n))

    def name(self) -> str:
        """Read a string that ends with a zero byte."""
        end = self.data.find(b"\0", self.at, self.at + _LONGEST_NAME)
        if end < 0:
            raise self.fail(f"the name at byte {self.at} has no end")
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
    """Return the cameras in cameras.bin by id."""
    reader = Reader(path)
    cameras: dict[int, SparseCamera] = {}
    for _ in range(reader.count(_CAMERA.size + 16)):
        number, model, width, height = reader.take(_CAMERA)
        if not 0 <= model < len(MODEL_NAMES):
            raise reader.fail(f"camera {number} has the camera model {model}, which is unknown")
        parameters = reader.take(struct.Struct(f"<{N_PARAMETERS[model]}d"))
        if number in cameras:
            raise reader.fail(f"camera {number} occurs twice")
        try:
            cameras[number] = camera(model, width, height, parameters)
        except ValueError as error:
            raise reader.fail(f"camera {number} {error}") from None
    return cameras


def read_images(path: Path) -> list[SparseImage]:
    """Return the registered images in images.bin, with their keypoints."""
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


def read_points(path: Path) -> PointTable:
    """Return the points in points3D.bin."""
    reader = Reader(path)
    n = reader.count(_POINT.size)
    table = empty_points(n)
    for i in range(n):
        number, x, y, z, *color, error, track = reader.take(_POINT)
        if number >= 2**63:
            raise reader.fail(f"point {i} has the id {number}, which is too large")
        table.ids[i], table.points[i], table.colors[i], table.errors[i] = number, (x, y, z), color, error
        reader._advance(8 * track)
    return table
