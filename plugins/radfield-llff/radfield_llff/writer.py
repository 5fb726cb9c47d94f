"""Writer of poses_bounds.npy and images/."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from radfield_core import Camera, Scene, UsageError
from radfield_core.data import StoredView, similarity_scale, views_to_store
from radfield_core.files import write_durably


def write(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """Write the views of all splits in data coordinates. Return the files written.

    The rows of poses_bounds.npy are in the order of the image file names.

    Raises:
        UsageError: a camera is not a pinhole with one focal length and a centered principal point.
    """
    views = views_to_store(scenes)
    for view in views:
        view.write_image(folder / "images" / view.file_name)
    rows = [np.concatenate([_matrix(view).ravel(), _bounds(view)]) for view in views]
    buffer = io.BytesIO()
    np.save(buffer, np.stack(rows))
    write_durably(folder / "poses_bounds.npy", buffer.getvalue())
    return [folder / "poses_bounds.npy", *(folder / "images" / view.file_name for view in views)]


def _matrix(view: StoredView) -> np.ndarray:
    """Return a matrix [3, 5] with the columns down, right, back, center, and (height, width, focal length)."""
    right, up, back, center = view.c2w.T
    return np.stack([-up, right, back, center, _height_width_focal(view.camera)], axis=-1)


def _height_width_focal(camera: Camera) -> np.ndarray:
    centered = abs(camera.cx - camera.width / 2) < 1e-6 and abs(camera.cy - camera.height / 2) < 1e-6
    if camera.model != "pinhole" or not centered or abs(camera.fx - camera.fy) > 1e-6:
        raise UsageError(
            "poses_bounds.npy supports only pinholes with one focal length and a centered principal point",
            path="--format llff", hint="Write another format, such as transforms or colmap",
        )  # fmt: skip
    return np.array([camera.height, camera.width, camera.fx], dtype=np.float64)


def _bounds(view: StoredView) -> np.ndarray:
    """Return the nearest and the farthest depth of a view. If it has no depth image, return the scene's near and far
    limits."""
    scale = similarity_scale(view.scene.to_data.double().numpy())
    truth = view.view_depth
    seen = None if truth is None else truth[truth.isfinite()].double()
    if seen is None or not len(seen):
        return scale * np.array([view.scene.near, view.scene.far])
    return scale * np.array([0.95 * float(seen.min()), 1.05 * float(seen.max())])
