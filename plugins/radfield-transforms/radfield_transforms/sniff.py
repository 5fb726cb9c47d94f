"""Is this a capture described by transforms.json? Looks at names and the beginning of one file."""

from __future__ import annotations

from pathlib import Path

_LOOKED_AT = 65536
_OWN_KEYS = (b'"fl_x"', b'"camera_model"', b'"aabb_scale"', b'"camera_angle_x"')


def sniff(path: Path) -> str | None:
    """Why a folder or file is in nerfstudio's or instant-ngp's format, or None."""
    if path.is_file():
        return "it is a transforms file" if path.suffix == ".json" and _has(path, _OWN_KEYS) else None
    if (path / "transforms.json").is_file():
        return "it holds transforms.json"
    if _has(path / "transforms_train.json", (b'"fl_x"',)):
        return "it holds transforms_train.json with fl_x"
    return None


def _has(path: Path, keys: tuple[bytes, ...]) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(_LOOKED_AT)
    except OSError:
        return False
    return b'"frames"' in start and any(key in start for key in keys)
