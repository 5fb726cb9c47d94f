"""Readers of the keys in a transforms file. They check every value that they read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from radfield_core import Problems, plural
from radfield_core.ops.distortion import MODELS

LENS_KEYS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
INTRINSIC_KEYS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y", *LENS_KEYS)
FRAME_KEYS = frozenset(
    {"file_path", "transform_matrix", "mask_path", "depth_file_path", "depth_path", "sharpness", "colmap_im_id",
     "camera_model", "is_fisheye", "rotation", *INTRINSIC_KEYS}
)  # fmt: skip
FILE_KEYS = frozenset(
    {"frames", "camera_model", "is_fisheye", "aabb_scale", "scale", "offset", "applied_transform", "applied_scale",
     "ply_file_path", "train_filenames", "val_filenames", "test_filenames", "orientation_override",
     "integer_depth_scale", "n_extra_learnable_dims", *INTRINSIC_KEYS}
)  # fmt: skip

_PERSPECTIVE = {
    "PINHOLE": "pinhole", "SIMPLE_PINHOLE": "pinhole", "SIMPLE_RADIAL": "simple_radial", "RADIAL": "radial",
    "OPENCV": "opencv", "FULL_OPENCV": "full_opencv",
}  # fmt: skip
_LENS_PARAMETERS = {
    "pinhole": (),
    "simple_radial": ("k1",),
    "radial": ("k1", "k2"),
    "opencv": ("k1", "k2", "p1", "p2"),
    "full_opencv": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "opencv_fisheye": ("k1", "k2", "k3", "k4"),
}
"""Lens -> the keys that hold its parameters, in the order that `radfield_core.ops.distortion` expects."""

assert all(MODELS[lens] == len(keys) for lens, keys in _LENS_PARAMETERS.items())


def parameters_of(lens: str) -> tuple[str, ...] | None:
    """Return the keys that hold the parameters of a lens, or None if the format does not support the lens."""
    return _LENS_PARAMETERS.get(lens)


def number(table: Mapping[str, Any], key: str, where: str, problems: Problems) -> float | None:
    """Return the number under a key, or None if the key is missing. An unusable value is added to `problems`."""
    value = table.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or abs(value) > 1e12:
        problems.add(where, f"{key} is {value!r:.60}, not a usable number")
        return None
    return float(value)


def lens_of(meta: Mapping[str, Any], table: Mapping[str, Any], where: str, problems: Problems) -> str:
    """Return the lens model of a frame. Keys of the frame (`table`) override keys of the file (`meta`)."""
    name = table.get("camera_model", meta.get("camera_model"))
    fisheye = table.get("is_fisheye", meta.get("is_fisheye"))
    given = {key for key in LENS_KEYS if type(table.get(key)) in (int, float) and table[key] != 0}
    if name in ("OPENCV_FISHEYE", "SIMPLE_FISHEYE", "FISHEYE") or (name is None and fisheye is True):
        return "opencv_fisheye"
    if name is not None and (not isinstance(name, str) or name not in _PERSPECTIVE):
        known = ", ".join([*_PERSPECTIVE, "OPENCV_FISHEYE"])
        problems.add(where, f"camera_model {name!r:.60} is not supported", f"Use one of {known}")
        return "pinhole"
    lens = _PERSPECTIVE[name] if name is not None else "opencv" if given else "pinhole"
    extra = given - set(_LENS_PARAMETERS[lens])
    if extra == {"k3"} and lens == "opencv":
        return "full_opencv"  # k3 is the next term of the radial polynomial, so FULL_OPENCV with zeros covers it
    if extra:
        problems.add(
            where,
            f"{(name or lens).upper()} has no {plural(len(extra), 'parameter').split()[1]} {', '.join(sorted(extra))}",
            "Set camera_model to FULL_OPENCV",
        )
    return lens


def intrinsics(
    table: Mapping[str, Any], size: tuple[float, float], where: str, problems: Problems
) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy in pixels, computed from the focal lengths or, without these, from the fields of view."""
    width, height = size
    angles = [number(table, f"camera_angle_{axis}", where, problems) for axis in "xy"]
    fx, fy = (number(table, f"fl_{axis}", where, problems) for axis in "xy")
    from_angle = [
        0.5 * length / math.tan(0.5 * angle) if angle is not None and 0 < angle < math.pi else None
        for angle, length in zip(angles, size, strict=True)
    ]
    fx = fx if fx is not None else from_angle[0]
    fy = fy if fy is not None else from_angle[1] if from_angle[1] is not None else fx
    fx = fx if fx is not None else fy
    if fx is None or fy is None:
        problems.add(where, "there is no focal length", "Give fl_x and fl_y in pixels, or camera_angle_x in radians")
        return 1.0, 1.0, width / 2, height / 2
    if fx <= 0 or fy <= 0:
        problems.add(where, f"the focal length is {min(fx, fy):g}, which is not positive")
    cx, cy = (number(table, key, where, problems) for key in ("cx", "cy"))
    return fx, fy, width / 2 if cx is None else cx, height / 2 if cy is None else cy


def unknown_keys(tables: Iterable[Mapping[str, Any]], known: frozenset[str]) -> list[str]:
    """Return the sorted keys of all tables that are not in `known`."""
    return sorted({key for table in tables for key in table} - known)


def present_in_all(frames: list[dict[str, Any]], key: str, names: list[str], problems: Problems) -> bool:
    """Return True if all frames have a key. If only some frames have the key, the others are added to `problems`."""
    missing = [name for frame, name in zip(frames, names, strict=True) if not frame.get(key)]
    if missing and len(missing) < len(frames):
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        problems.add(
            shown, f"{len(missing)} of {len(frames)} frames have no {key}", f"Give {key} for all frames, or for none"
        )
    return not missing


def folder_and_files(root: Path) -> tuple[Path, dict[str | None, Path]]:
    """Return the folder of a capture, and its transforms files by split. A file for all splits has the key None."""
    if root.suffix == ".json":
        return root.parent, {None: root}
    if (root / "transforms.json").is_file() or not (root / "transforms_train.json").is_file():
        return root, {None: root / "transforms.json"}
    files = {split: root / f"transforms_{split}.json" for split in ("train", "val", "test")}
    return root, {split: path for split, path in files.items() if path.is_file()}
