"""Reader of COLMAP's text files. Images take two lines, other entries one. Lines that start with # are comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from radfield_colmap.model import MODEL_NAMES, PointTable, SparseCamera, SparseImage, camera
from radfield_core import DatasetError
from radfield_core.files import read_limited

MAX_BYTES = 2**30


def _lines(path: Path, keep_empty: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the number and text of every line that is not a comment. Empty lines are skipped unless `keep_empty`.

    The file may begin with a byte order mark, which some editors write.
    """
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError("is not UTF-8 text", path=str(path)) from None
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line.startswith("#") and (line or keep_empty):
            yield number, line


def _fail(path: Path, number: int, error: Exception | str) -> DatasetError:
    return DatasetError(f"line {number}: {error!s:.200}", path=str(path))


def _whole(word: str) -> int:
    if len(word) > 20:
        raise ValueError(f"{word[:20]}… is too long for a number")
    return int(word)


def read_cameras(path: Path) -> dict[int, SparseCamera]:
    """Return the cameras in cameras.txt by id."""
    cameras: dict[int, SparseCamera] = {}
    for number, line in _lines(path):
        words = line.split()
        try:
            if len(words) < 5:
                raise ValueError("expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS")
            if words[1] not in MODEL_NAMES:
                raise ValueError(f"unknown camera model {words[1]!r}")
            key = _whole(words[0])
            if key in cameras:
                raise ValueError(f"camera {key} occurs twice")
            parameters = tuple(float(word) for word in words[4:])
            cameras[key] = camera(MODEL_NAMES.index(words[1]), _whole(words[2]), _whole(words[3]), parameters)
        except ValueError as error:
            raise _fail(path, number, error) from None
    return cameras


def read_images(path: Path) -> list[SparseImage]:
    """Return the registered images in images.txt, with their keypoints. The line of keypoints may be empty."""
    images = []
    lines = _lines(path, keep_empty=True)
    for number, line in lines:
        if not line:
            continue
        words = line.split(maxsplit=9)
        try:
            if len(words) < 10:
                raise ValueError("expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
            pose = [float(word) for word in words[1:8]]
            camera_id = _whole(words[8])
            number, seen = next(lines, (number + 1, ""))
            values = np.array([float(word) for word in seen.split()])
            if len(values) % 3 or not np.isfinite(values).all():
                raise ValueError("keypoints are not triples X Y POINT3D_ID")
            ids = values[2::3]
            if (np.abs(ids) > 2**53).any():
                raise ValueError("a POINT3D_ID is too large")
        except ValueError as error:
            raise _fail(path, number, error) from None
        xy = values.reshape(-1, 3)[:, :2]
        images.append(
            SparseImage(words[9], camera_id, np.array(pose[:4]), np.array(pose[4:]), xy, ids.astype(np.int64))
        )
    return images


def read_points(path: Path) -> PointTable:
    """Return the points in points3D.txt."""
    ids, points, colors, errors = [], [], [], []
    for number, line in _lines(path):
        words = line.split(maxsplit=8)
        try:
            if len(words) < 8:
                raise ValueError("expected POINT3D_ID X Y Z R G B ERROR")
            key = _whole(words[0])
            if not 0 <= key < 2**63:
                raise ValueError(f"the POINT3D_ID {key} is out of range")
            ids.append(key)
            points.append([float(word) for word in words[1:4]])
            colors.append([_whole(word) for word in words[4:7]])
            if not all(0 <= value <= 255 for value in colors[-1]):
                raise ValueError(f"the color {words[4]} {words[5]} {words[6]} is not between 0 and 255")
            errors.append(float(words[7]))
        except ValueError as error:
            raise _fail(path, number, error) from None
    return PointTable(
        np.array(ids, np.int64), np.array(points, np.float64).reshape(-1, 3),
        np.array(colors, np.uint8).reshape(-1, 3), np.array(errors),
    )  # fmt: skip
