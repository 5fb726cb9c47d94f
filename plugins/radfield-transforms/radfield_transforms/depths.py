"""Checks of the depth images that a capture lists. All of them must exist.

A note tells the user if their unit seems to differ from the unit of the poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core import DatasetError, Problems, plural
from radfield_core.data import MAX_IMAGE_PIXELS
from radfield_core.files import missing_files, read_npy, safe_join
from radfield_transforms.meta import number, present_in_all

KEYS = ("depth_file_path", "depth_path")
MILLIMETRES = 1e-3
"""Factor of integer depths in nerfstudio. Files of instant-ngp give their own factor as integer_depth_scale."""

_FACTOR = 200.0
"""Largest plausible ratio between median depth and camera distance.

A wrong unit (mm instead of m) changes the ratio by a factor of 1000.
"""

_LOOKED_AT = 5


def depth_paths(tables: list[dict[str, Any]], names: list[str], folder: Path, problems: Problems) -> list[Path]:
    """Return the depth image of every frame, or [] if no frame has one.

    Add a problem if only some frames have one, or if a file is missing.
    """
    for key in KEYS:
        if not present_in_all(tables, key, names, problems):
            continue
        paths = []
        for table, name in zip(tables, names, strict=True):
            if not isinstance(table[key], str):
                problems.add(name, f"{key} is {table[key]!r:.60}, not a file name")
                continue
            try:
                paths.append(safe_join(folder, table[key]))
            except DatasetError as error:
                problems.found.extend(error.problems)
        problems.found.extend(missing_files(paths, folder.resolve()))
        return paths
    return []


def depth_notes(paths: Sequence[Path], meta: Mapping[str, Any], distance: float, problems: Problems) -> list[str]:
    """Return notes for the user, or [] if there are no depth images.

    The first note says that the depth images are not used. There is a second note if the unit of the depths seems to
    differ from the unit of the poses.

    Args:
        paths: the depth images.
        meta: keys of the transforms file.
        distance: distance from the cameras to the point that they look at, in the unit of the poses.
        problems: gets an entry if integer_depth_scale is faulty.
    """
    if not paths:
        return []
    notes = [f"the file lists {plural(len(paths), 'depth image')}, which radfield does not use"]
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
