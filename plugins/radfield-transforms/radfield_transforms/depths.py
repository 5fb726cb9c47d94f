"""Depth images that a capture lists: whether they are all there, and whether they are in the units of its poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core import DatasetError, Problems
from radfield_core.data import MAX_IMAGE_PIXELS
from radfield_core.files import missing_files, read_npy, safe_join
from radfield_transforms.meta import number, present_in_all

KEYS = ("depth_file_path", "depth_path")
MILLIMETRES = 1e-3
"""What nerfstudio multiplies integer depths with; instant-ngp's files name their own factor."""

_FACTOR = 200.0
"""Between a median depth and the distance to what is looked at, hardly ever; between units of length, a thousand."""

_LOOKED_AT = 5


def depth_paths(tables: list[dict[str, Any]], names: list[str], folder: Path, problems: Problems) -> list[Path]:
    """The depth image of every frame, or none at all; frames that lack theirs, and files that do, go to `problems`."""
    for key in KEYS:
        if not present_in_all(tables, key, names, problems):
            continue
        paths = []
        for table, name in zip(tables, names, strict=True):
            if not isinstance(table[key], str):
                problems.add(name, f"{key} is {table[key]!r:.60}, not a name")
                continue
            try:
                paths.append(safe_join(folder, table[key]))
            except DatasetError as error:
                problems.found.extend(error.problems)
        problems.found.extend(missing_files(paths, folder.resolve()))
        return paths
    return []


def depth_notes(paths: Sequence[Path], meta: Mapping[str, Any], distance: float, problems: Problems) -> list[str]:
    """Remarks: that depth images are not used, and if they seem to be in another unit than the poses.

    distance: of the cameras to what they look at, in the units of the poses.
    """
    if not paths:
        return []
    notes = [f"{len(paths)} depth images are listed; they are not used"]
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
            f"the depths' median is {median:.3g}, {median / distance:.2g} times the cameras' distance to what they "
            f"look at ({distance:.3g}): are they in {theirs}, and the poses in {the_poses}?"
        )
    return notes


def _median(path: Path, integer_scale: float) -> float | None:
    """The median depth of what has one; None if the file cannot be read, which harms nothing."""
    try:
        if path.suffix == ".npy":
            depths = read_npy(path, 4 * MAX_IMAGE_PIXELS)
        else:
            with Image.open(path, formats=("PNG", "TIFF")) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    return None
                depths = np.asarray(image)
    except Exception:  # decoders raise many kinds
        return None
    values = depths[np.isfinite(depths) & (depths > 0)] if depths.dtype.kind in "fiu" else depths[:0]
    if not len(values):
        return None
    return float(np.median(values)) * (integer_scale if depths.dtype.kind in "iu" else 1.0)
