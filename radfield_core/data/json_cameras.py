"""Read the intrinsics of cameras from JSON, with the keys of nerfstudio, instant-ngp and NeRF's Blender files.

The keys of a frame override the keys of its file. Every value is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from radfield_core.data.capture import common_lens
from radfield_core.data.image_files import ImageFault, read_header
from radfield_core.data.similarity import Array
from radfield_core.errors import DatasetError, Problems
from radfield_core.names import plural
from radfield_core.ops.distortion import MODELS, PANORAMIC

LENS_KEYS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
INTRINSIC_KEYS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y", *LENS_KEYS)
CAMERA_KEYS = frozenset({"camera_model", "is_fisheye", "latlong", "equirectangular", *INTRINSIC_KEYS})
"""All keys that describe a camera, in a frame or in the file."""

MAX_SIDE = 1_000_000
"""Largest width and height in pixels that a file may state."""

MIN_ANGLE = 1e-3
"""A usable field of view, in radians, is larger than this and smaller than π minus this."""

MAX_FOCAL_DIFFERENCE = 0.01
"""The user gets a message if a focal length differs from that of the field of view by more than this share."""

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
    "equirectangular": (),
}
"""Lens -> the keys that hold its parameters, in the order that `radfield_core.ops.distortion` expects."""

assert all(MODELS[lens] == len(keys) for lens, keys in _LENS_PARAMETERS.items())


@dataclass(frozen=True, eq=False)
class JsonCameras:
    """The intrinsics of V views.

    Attributes:
        intrinsics: [V, 4], fx, fy, cx, cy in pixels.
        sizes: [V, 2] int64, width and height in pixels of the images for which the intrinsics hold.
        model: name of the lens model, which all views share.
        distortion: [V, K], parameters of the lens model, or None if it has none.
        notes: messages for the user.
    """

    intrinsics: Array
    sizes: np.ndarray
    model: str
    distortion: Array | None
    notes: list[str]


def read_json_cameras(
    frames: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    images: Sequence[Path],
    names: Sequence[str],
    file: str,
    root: Path,
    problems: Problems,
) -> JsonCameras:
    """Read the intrinsics of all frames. If a file states no image size, use the size of its images.

    Args:
        frames: V pairs: the keys of the file that lists a frame, and the keys of the frame.
        images: V image files.
        names: V names of the frames, for the problems.
        file: name of the file, for problems with keys that all frames share.
        root: folder of the data set, for messages.
        problems: collects all faults. Faulty values are replaced by arbitrary ones in the result.

    Example:
        >>> frame = {"camera_angle_x": 1.5707963267948966, "w": 8, "h": 6}
        >>> cameras = read_json_cameras([({}, frame)], [Path("a.png")], ["a"], "cameras.json", Path(), Problems())
        >>> [round(value, 3) for value in cameras.intrinsics[0].tolist()]
        [4.0, 4.0, 4.0, 3.0]
    """
    shared = not any(key in frame for _, frame in frames for key in INTRINSIC_KEYS)
    tables = [{**{key: meta[key] for key in CAMERA_KEYS if key in meta}, **frame} for meta, frame in frames]
    sizes = _sizes(tables, images, [file if shared else name for name in names], shared, problems)
    rows, lenses, notes = [], [], []
    for i, (table, name, size) in enumerate(zip(tables, names, sizes, strict=True)):
        found = Problems() if shared and i else problems  # all frames would repeat the problems of the first one
        where = file if shared else name
        lens = lens_of(table, where, found)
        rows.append((panorama if lens in PANORAMIC else intrinsics)(table, size, where, found))
        lenses.append((lens, [number(table, key, where, found) or 0.0 for key in _LENS_PARAMETERS[lens]]))
        notes += _differences(table, size, where) if lens not in PANORAMIC else []
    try:
        model, distortion = common_lens(lenses, root)
    except DatasetError as error:
        problems.found += error.problems
        model, distortion = "pinhole", None
    return JsonCameras(
        np.array(rows, np.float64).reshape(-1, 4),
        np.array(sizes, np.int64).reshape(-1, 2),
        model,
        distortion,
        list(dict.fromkeys(notes))[:1],
    )


def _sizes(
    tables: Sequence[Mapping[str, Any]], images: Sequence[Path], names: Sequence[str], shared: bool, problems: Problems
) -> list[tuple[int, int]]:
    """Return V sizes (width, height): for each view, the size of the image for which its intrinsics hold.

    If the keys `w` and `h` are missing, the size of the view's image is used. If all views also share the intrinsics,
    the size of the first readable image is used for all, so that images of another size are noticed.
    """
    result: list[tuple[int, int]] = []
    for i, (table, image, name) in enumerate(zip(tables, images, names, strict=True)):
        if shared and result and result[-1] != (0, 0):
            result.append(result[-1])
            continue
        stated = stated_size(table, name, Problems() if shared and i else problems)
        result.append(stated or _image_size(image))
    known = next((size for size in result if size != (0, 0)), (1, 1))
    return [known if size == (0, 0) else size for size in result]


def _image_size(image: Path) -> tuple[int, int]:
    """Return the size of an image, or (0, 0) if it cannot be read. The check of images reports this fault."""
    try:
        return read_header(image)[:2]
    except ImageFault:
        return 0, 0


def stated_size(table: Mapping[str, Any], where: str, problems: Problems) -> tuple[int, int] | None:
    """Return the width and height under the keys `w` and `h`, or None if both are missing."""
    width, height = table.get("w"), table.get("h")
    if width is None and height is None:
        return None
    if _is_side(width) and _is_side(height):
        return int(width), int(height)
    problems.add(
        where,
        f"the size is {width!r:.40}×{height!r:.40}; give w and h both in whole pixels from 1 to {MAX_SIDE}, or neither",
    )
    return None


def _is_side(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and 1 <= value <= MAX_SIDE and value % 1 == 0


def parameters_of(lens: str) -> tuple[str, ...] | None:
    """Return the keys that hold the parameters of a lens, or None if the lens has no keys.

    Example:
        >>> parameters_of("radial"), parameters_of("fov")
        (('k1', 'k2'), None)
    """
    return _LENS_PARAMETERS.get(lens)


def number(table: Mapping[str, Any], key: str, where: str, problems: Problems) -> float | None:
    """Return the number under a key, or None if the key is missing. An unusable value is added to `problems`.

    Example:
        >>> number({"cx": 20}, "cx", "frame 0", Problems())
        20.0
    """
    value = table.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or abs(value) > 1e12:
        problems.add(where, f"{key} is {value!r:.60}, not a usable number")
        return None
    return float(value)


def lens_of(table: Mapping[str, Any], where: str, problems: Problems) -> str:
    """Return the lens model of a frame, from the keys of the frame and of its file.

    Example:
        >>> lens_of({"k1": 0.1}, "frame 0", Problems()), lens_of({}, "frame 0", Problems())
        ('opencv', 'pinhole')
    """
    name, fisheye = table.get("camera_model"), table.get("is_fisheye")
    if name is None and table.get("equirectangular"):
        message = "equirectangular means an equal-area cylinder in instant-ngp, which is not supported"
        problems.add(where, message, "For panoramas whose rows are latitudes, write latlong instead")
        return "equirectangular"
    given = {key for key in LENS_KEYS if type(table.get(key)) in (int, float) and table[key] != 0}
    if name in ("OPENCV_FISHEYE", "SIMPLE_FISHEYE", "FISHEYE") or (name is None and fisheye is True):
        return "opencv_fisheye"
    if name == "EQUIRECTANGULAR" or (name is None and table.get("latlong")):
        if given:
            problems.add(where, f"a panorama has no lens parameter {', '.join(sorted(given))}", "Remove these keys")
        return "equirectangular"
    if name is not None and (not isinstance(name, str) or name not in _PERSPECTIVE):
        known = ", ".join([*_PERSPECTIVE, "OPENCV_FISHEYE", "EQUIRECTANGULAR"])
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
    table: Mapping[str, Any], size: tuple[int, int], where: str, problems: Problems
) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy in pixels, computed from the focal lengths or, without these, from the fields of view.

    If there is only one focal length or field of view, fy = fx. If cx and cy are missing, the principal point is the
    image center.

    Example:
        >>> intrinsics({"fl_x": 50.0, "cx": 18.0}, (40, 30), "frame 0", Problems())
        (50.0, 50.0, 18.0, 15.0)
    """
    width, height = size
    focal = [number(table, f"fl_{axis}", where, problems) for axis in "xy"]
    for i, axis in enumerate("xy"):
        if focal[i] is None:
            focal[i] = _focal_of_angle(table, axis, size[i], where, problems)
    fx, fy = focal[0] if focal[0] is not None else focal[1], focal[1] if focal[1] is not None else focal[0]
    if fx is None or fy is None:
        problems.add(where, "there is no focal length", "Give fl_x and fl_y in pixels, or camera_angle_x in radians")
        return 1.0, 1.0, width / 2, height / 2
    if fx <= 0 or fy <= 0:
        problems.add(where, f"the focal length is {min(fx, fy):g}, which is not positive")
    cx, cy = (number(table, key, where, problems) for key in ("cx", "cy"))
    return fx, fy, width / 2 if cx is None else cx, height / 2 if cy is None else cy


def panorama(
    table: Mapping[str, Any], size: tuple[int, int], where: str, problems: Problems
) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy of an equirectangular image, with fx and fy in pixels per radian.

    As in nerfstudio, `fl_x` is the number of columns in half a turn, and `fl_y` is the number of rows from pole to
    pole: half the width and the height of a full panorama. Without these keys, the image is a full panorama.

    Example:
        >>> [round(value, 2) for value in panorama({}, (360, 180), "frame 0", Problems())]
        [57.3, 57.3, 180.0, 90.0]
    """
    width, height = size
    columns, rows, cx, cy = (number(table, key, where, problems) for key in ("fl_x", "fl_y", "cx", "cy"))
    columns, rows = width / 2 if columns is None else columns, height if rows is None else rows
    if min(columns, rows) <= 0:
        problems.add(where, f"the focal length is {min(columns, rows):g}, which is not positive")
        columns, rows = width / 2, height
    across, upward = 180 * width / columns, 180 * height / rows
    if across > 360 * (1 + MAX_FOCAL_DIFFERENCE) or upward > 180 * (1 + MAX_FOCAL_DIFFERENCE):
        problems.add(
            where,
            f"fl_x = {columns:g} and fl_y = {rows:g} stretch the panorama of {width}×{height} over {across:.0f}° × "
            f"{upward:.0f}°, but there are only 360° × 180°",
            f"Set fl_x to {width / 2:g} and fl_y to {height}, or leave them out",
        )
    return columns / math.pi, rows / math.pi, width / 2 if cx is None else cx, height / 2 if cy is None else cy


def _focal_of_angle(table: Mapping[str, Any], axis: str, length: int, where: str, problems: Problems) -> float | None:
    """Return the focal length in pixels, computed from the field of view along one axis, or None if the key is
    missing."""
    key = f"camera_angle_{axis}"
    angle = number(table, key, where, problems)
    if angle is None:
        return None
    if not MIN_ANGLE < angle < math.pi - MIN_ANGLE:
        problems.add(where, f"{key} is {angle:g}; an angle in radians between 0 and π is needed")
        return None
    return 0.5 * length / math.tan(0.5 * angle)


def _differences(table: Mapping[str, Any], size: tuple[int, int], where: str) -> list[str]:
    """Return messages if the focal length and the field of view contradict each other. Their values must be valid."""
    for axis, length in zip("xy", size, strict=True):
        given = number(table, f"fl_{axis}", where, Problems())
        angle = _focal_of_angle(table, axis, length, where, Problems())
        if given and angle and abs(given / angle - 1) > MAX_FOCAL_DIFFERENCE:
            return [
                f"{where}: fl_{axis} is {given:g}, but camera_angle_{axis} means {angle:g} pixels; fl_{axis} is used"
            ]
    return []


def unknown_keys(tables: Iterable[Mapping[str, Any]], known: Iterable[str]) -> list[str]:
    """Return the sorted keys of all tables that are not in `known`.

    Example:
        >>> unknown_keys([{"w": 3, "iso": 100}], INTRINSIC_KEYS)
        ['iso']
    """
    return sorted({key for table in tables for key in table} - set(known))


def unknown_key_notes(keys: Sequence[str]) -> list[str]:
    """Return a list with one message, which says that the given keys are not understood. Without keys, return [].

    Example:
        >>> unknown_key_notes(["iso"])
        ['keys that are not understood are ignored: iso']
    """
    return [f"keys that are not understood are ignored: {', '.join(keys)[:300]}"] if keys else []


def present_in_all(frames: Sequence[Mapping[str, Any]], key: str, names: Sequence[str], problems: Problems) -> bool:
    """Return True if all frames have a key. If only some frames have the key, the others are added to `problems`.

    Example:
        >>> present_in_all([{"mask_path": "a.png"}], "mask_path", ["frame 0"], Problems())
        True
    """
    missing = [name for frame, name in zip(frames, names, strict=True) if not frame.get(key)]
    if missing and len(missing) < len(frames):
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        problems.add(
            shown, f"{len(missing)} of {len(frames)} frames have no {key}", f"Give {key} for all frames, or for none"
        )
    return not missing
