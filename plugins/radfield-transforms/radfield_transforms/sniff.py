"""Recognition of captures described by transforms.json, from file names and the first bytes of one file."""

from __future__ import annotations

from pathlib import Path

from radfield_core import Fit

_READ_BYTES = 65536
_OWN_KEYS = (b'"fl_x"', b'"camera_model"', b'"aabb_scale"', b'"camera_angle_x"')


def sniff(path: Path) -> str | None:
    """Return the reason why a folder or file is recognized as a transforms.json capture, or None if it is not."""
    if path.is_file():
        return "it is a transforms file" if path.suffix == ".json" and _has(path, _OWN_KEYS) else None
    if (path / "transforms.json").is_file():  # it may list masks and splits, and was often made from COLMAP's model
        return Fit("it holds transforms.json", over={"colmap"})
    if _has(path / "transforms_train.json", (b'"fl_x"',)):  # as BlenderNeRF writes, with a box of its own
        return Fit("it holds transforms_train.json with fl_x", over={"blender", "colmap"})
    return None


def _has(path: Path, keys: tuple[bytes, ...]) -> bool:
    if not path.is_file():  # opening a pipe would wait forever
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_READ_BYTES)
    except OSError:
        return False
    return b'"frames"' in start and any(key in start for key in keys)
