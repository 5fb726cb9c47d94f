"""Recognition of captures in LLFF's format, from file names and the axes of the cameras."""

from __future__ import annotations

from pathlib import Path

from radfield_core import Fit

MAX_TURN_COSINE = 0.5
"""Cameras face forward if the cosine of the angle between each optical axis and the mean axis is larger than this."""


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is recognized as LLFF data, or None if it is not.

    Published scenes also hold the COLMAP model that the poses come from. If the cameras face forward, LLFF data are
    preferred, because their depth limits allow normalized device coordinates. Otherwise, the COLMAP model is preferred,
    because it has the lens and points.
    """
    file = path / "poses_bounds.npy"
    if not file.is_file():
        return None
    if faces_forward(file):
        return Fit("it holds poses_bounds.npy of cameras that face forward", over={"colmap"})
    return Fit("it holds poses_bounds.npy", under={"colmap"})


def faces_forward(file: Path) -> bool:
    """Return True if the cameras in poses_bounds.npy face forward. For a faulty file, return False."""
    import numpy as np

    from radfield_core import DatasetError
    from radfield_core.files import read_npy

    try:
        table = read_npy(file, 2**24)
    except DatasetError:
        return False
    if table.ndim != 2 or table.shape[1] != 17 or table.dtype.kind not in "fiu" or not np.isfinite(table).all():
        return False
    backward = table[:, :15].reshape(-1, 3, 5)[:, :, 2].astype(np.float64)
    mean = backward.mean(0)
    lengths = np.linalg.norm(backward, axis=1) * np.linalg.norm(mean)
    return bool(len(table) and (backward @ mean > MAX_TURN_COSINE * lengths).all())
