"""Reader of a reconstruction from binary or text files. It checks every entry. It ignores `rigs` and `frames` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from radfield_colmap import binary, text
from radfield_colmap.model import PointTable, SparseImage, SparseModel, empty_points
from radfield_colmap.sniff import suffix_of
from radfield_core import DatasetError, Problems, natural_key
from radfield_core.data import MAX_DISTANCE, unused_points, usable_points


def read_model(folder: Path) -> SparseModel:
    """Return the reconstruction in a folder. Raises a DatasetError that lists every faulty camera and image."""
    suffix = suffix_of(folder)
    if suffix is None:
        raise DatasetError("has no cameras and images as .bin or .txt", path=str(folder))
    form = binary if suffix == ".bin" else text
    problems = Problems()
    cameras = form.read_cameras(folder / f"cameras{suffix}")
    images = form.read_images(folder / f"images{suffix}")
    table, notes = _read_points(folder / f"points3D{suffix}", form.read_points)
    names = set()
    for image in images:
        fault = _fault(image, image.camera_id in cameras)
        if image.name in names:
            fault = "occurs twice"
        names.add(image.name)
        if fault:
            problems.add(folder / f"images{suffix}", f"image {image.name!r:.200} {fault}")
    problems.raise_as(DatasetError)
    return SparseModel(cameras, tuple(sorted(images, key=lambda image: natural_key(image.name))), *table, tuple(notes))


def _read_points(path: Path, read: Callable[[Path], PointTable]) -> tuple[PointTable, list[str]]:
    """Return the usable points, and messages for the user.

    Points are optional, because they only improve the near and far limits and the region. If the file is damaged, no
    points are returned.
    """
    if not path.is_file():
        return empty_points(0), []
    try:
        table = read(path)
    except DatasetError as error:
        return empty_points(0), [unused_points(error)]
    usable, notes = usable_points(table.points, path.name)
    return table.chosen(usable), notes


def _fault(image: SparseImage, has_camera: bool) -> str | None:
    pose = np.concatenate([image.quaternion, image.translation])
    if not np.isfinite(pose).all():
        return "has NaN or infinity in its pose"
    if np.abs(pose).max() > MAX_DISTANCE:
        return f"has a pose farther than {MAX_DISTANCE:g} from the origin"
    if abs(np.linalg.norm(image.quaternion) - 1) > 1e-2:
        return f"has a quaternion of length {np.linalg.norm(image.quaternion):.3g}, not 1"
    if not has_camera:
        return f"has camera {image.camera_id}, which is not in the cameras file"
    return None
