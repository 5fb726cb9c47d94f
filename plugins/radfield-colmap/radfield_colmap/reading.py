"""Reader of a reconstruction from binary or text files. It checks every entry. It ignores `rigs` and `frames` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radfield_colmap import binary, text
from radfield_colmap.model import SparseImage, SparseModel
from radfield_colmap.sniff import suffix_of
from radfield_core import DatasetError, Problems
from radfield_core.data import MAX_DISTANCE


def read_model(folder: Path) -> SparseModel:
    """Return the reconstruction in a folder. Raises a DatasetError that lists every faulty entry."""
    suffix = suffix_of(folder)
    if suffix is None:
        raise DatasetError("has no cameras and images as .bin or .txt", path=str(folder))
    form = binary if suffix == ".bin" else text
    problems = Problems()
    cameras = form.read_cameras(folder / f"cameras{suffix}")
    images = form.read_images(folder / f"images{suffix}")
    ids, points, errors = np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0)
    if (folder / f"points3D{suffix}").is_file():
        ids, points, errors = form.read_points(folder / f"points3D{suffix}")
        if not np.isfinite(points).all() or np.abs(points).max(initial=0.0) > MAX_DISTANCE:
            problems.add(
                folder / f"points3D{suffix}",
                f"has points that are not finite, or farther than {MAX_DISTANCE:g} from the origin",
            )
    names = set()
    for image in images:
        fault = _fault(image, image.camera_id in cameras)
        if image.name in names:
            fault = "occurs twice"
        names.add(image.name)
        if fault:
            problems.add(folder / f"images{suffix}", f"image {image.name!r:.200} {fault}")
    problems.raise_as(DatasetError)
    return SparseModel(cameras, tuple(sorted(images, key=lambda image: image.name)), ids, points, errors)


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
