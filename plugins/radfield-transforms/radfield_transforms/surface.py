"""The depth and normal images that a capture lists. They are optional: losses such as loss:depth compare with them.

A note tells the user if the unit of the depths seems to differ from the unit of the poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core import DatasetError, Problems, SurfaceOptions, plural
from radfield_core.data import MILLIMETERS, SurfaceFiles, number, read_depths
from radfield_core.files import missing_files, safe_join

DEPTH_KEYS = ("depth_file_path", "depth_path")
NORMAL_KEYS = ("normal_file_path", "normal_path")
UNIT_KEYS = ("depth_unit_scale_factor", "integer_depth_scale")
"""Keys of the unit of depths that are whole numbers, in files of nerfstudio and of instant-ngp."""

_FACTOR = 200.0
"""Largest plausible ratio between median depth and camera distance.

A wrong unit (mm instead of m) changes the ratio by a factor of 1000.
"""

_LOOKED_AT = 5


def surface_files(
    tables: Sequence[Mapping[str, Any]],
    folder: Path,
    meta: Mapping[str, Any],
    options: SurfaceOptions,
    distance: float,
    problems: Problems,
) -> tuple[SurfaceFiles | None, list[str]]:
    """Return the depth and normal images that the frames list, or None if they list none, and notes for the user.

    There is a note if listed images are missing, and one if the unit of the depths seems to differ from the unit of the
    poses.

    Args:
        tables: keys of each frame.
        folder: folder of the transforms file.
        meta: keys of the transforms file.
        options: options that say what the numbers of the images mean.
        distance: distance from the cameras to the point that they look at, in the unit of the poses.
        problems: gets an entry if the unit of depths is faulty.
    """
    units = [number(meta, key, key, problems) for key in UNIT_KEYS]
    unit = next((unit for unit in units if unit is not None), MILLIMETERS)
    if not 0 < unit < 1e6:
        problems.add("the unit of depths", f"is {unit:g}", "Set data.depth_unit to a positive number")
    depths, notes = _listed(tables, DEPTH_KEYS, "depth", folder)
    normals, more = _listed(tables, NORMAL_KEYS, "normal", folder)
    if not depths and not normals:
        return None, [*notes, *more]
    files = SurfaceFiles(options, depths, normals, unit)
    return files, [*notes, *more, *_unit_notes([path for path in depths if path is not None], files, distance)]


def _listed(
    tables: Sequence[Mapping[str, Any]], keys: Sequence[str], what: str, folder: Path
) -> tuple[list[Path | None], list[str]]:
    """Return the existing file of each frame, or [] if there is none, and a note if listed files are missing."""
    names = [next((table[key] for key in keys if table.get(key)), None) for table in tables]
    paths = [None if name is None else _existing(folder, name) for name in names]
    listed = sum(name is not None for name in names)
    missing = listed - sum(path is not None for path in paths)
    notes = []
    if missing:
        notes = [f"the file lists {plural(listed, f'{what} image')}; {missing} of them cannot be found"]
    return paths if any(paths) else [], notes


def _unit_notes(paths: Sequence[Path], files: SurfaceFiles, distance: float) -> list[str]:
    medians = [_median(path, files) for path in paths[:: max(1, len(paths) // _LOOKED_AT)][:_LOOKED_AT]]
    known = [median for median in medians if median is not None]
    if not known:
        return []
    median = float(np.median(known))
    if distance / _FACTOR <= median <= distance * _FACTOR:
        return []
    theirs, the_poses = ("millimeters", "meters") if median > distance else ("meters", "millimeters")
    return [
        f"the median depth is {median:.3g}, which is {median / distance:.2g} times the distance from the cameras "
        f"to the point that they look at ({distance:.3g}); the depths may be in {theirs}, the poses in {the_poses}; "
        "if so, set data.depth_unit"
    ]


def _existing(folder: Path, name: Any) -> Path | None:
    try:
        path = safe_join(folder, name)
    except DatasetError:
        return None
    return None if missing_files([path], folder) else path


def _median(path: Path, files: SurfaceFiles) -> float | None:
    """Return the median of the valid depths, or None if there are no valid depths or the file cannot be read."""
    try:
        depths = read_depths(path)
    except DatasetError:  # reported where the depths are used
        return None
    values = depths[np.isfinite(depths) & (depths > 0)]
    if not len(values):
        return None
    unit = files.options.depth_unit or (files.integer_unit if depths.dtype.kind in "iu" else 1.0)
    return float(np.median(values)) * unit
