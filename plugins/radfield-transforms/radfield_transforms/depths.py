"""Checks of the depth images that a capture lists. radfield does not use depth images, so their faults are no errors.

A note tells the user if the unit of the depths seems to differ from the unit of the poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core import DatasetError, Problems, plural
from radfield_core.data import MAX_IMAGE_PIXELS, number
from radfield_core.files import missing_files, read_npy, safe_join

KEYS = ("depth_file_path", "depth_path")
MILLIMETRES = 1e-3
"""Factor of integer depths in nerfstudio. Files of instant-ngp give their own factor as integer_depth_scale."""

_FACTOR = 200.0
"""Largest plausible ratio between median depth and camera distance.

A wrong unit (mm instead of m) changes the ratio by a factor of 1000.
"""

_LOOKED_AT = 5


def depth_notes(
    tables: Sequence[Mapping[str, Any]], folder: Path, meta: Mapping[str, Any], distance: float, problems: Problems
) -> list[str]:
    """Return notes for the user, or [] if the frames list no depth images.

    The first note says that the depth images are not used, and how many of them are missing. There is a second note if
    the unit of the depths seems to differ from the unit of the poses.

    Args:
        tables: keys of each frame.
        folder: folder of the transforms file.
        meta: keys of the transforms file.
        distance: distance from the cameras to the point that they look at, in the unit of the poses.
        problems: gets an entry if integer_depth_scale is faulty.
    """
    listed = [next(table[key] for key in KEYS if table.get(key)) for table in tables if any(map(table.get, KEYS))]
    if not listed:
        return []
    paths = [path for path in (_existing(folder, name) for name in listed) if path is not None]
    missing = len(listed) - len(paths)
    notes = [
        f"the file lists {plural(len(listed), 'depth image')}, which radfield does not use"
        + (f"; {missing} of them cannot be found" if missing else "")
    ]
    scale = number(meta, "integer_depth_scale", "integer_depth_scale", problems)
    medians = [_median(path, MILLIMETRES if scale is None else scale)
               for path in paths[:: max(1, len(paths) // _LOOKED_AT)][:_LOOKED_AT]]  # fmt: skip
    known = [median for median in medians if median is not None]
    if not known:
        return notes
    median = float(np.median(known))
    if not distance / _FACTOR <= median <= distance * _FACTOR:
        theirs, the_poses = ("millimeters", "meters") if median > distance else ("meters", "millimeters")
        notes.append(
            f"the median depth is {median:.3g}, which is {median / distance:.2g} times the distance from the cameras "
            f"to the point that they look at ({distance:.3g}); the depths may be in {theirs}, the poses in {the_poses}"
        )
    return notes


def _existing(folder: Path, name: Any) -> Path | None:
    try:
        path = safe_join(folder, name)
    except DatasetError:
        return None
    return None if missing_files([path], folder) else path


def _median(path: Path, integer_scale: float) -> float | None:
    """Return the median of the valid depths, or None if there are no valid depths or the file cannot be read."""
    try:
        if path.suffix == ".npy":
            depths = read_npy(path, 4 * MAX_IMAGE_PIXELS)
        else:
            with Image.open(path, formats=("PNG", "TIFF")) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    return None
                depths = np.asarray(image)
    except Exception:  # decoders raise many kinds of errors, and depths are optional
        return None
    values = depths[np.isfinite(depths) & (depths > 0)] if depths.dtype.kind in "fiu" else depths[:0]
    if not len(values):
        return None
    return float(np.median(values)) * (integer_scale if depths.dtype.kind in "iu" else 1.0)
