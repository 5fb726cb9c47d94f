"""Recognition of scenes in the layout of IDR and NeuS, from file names only."""

from __future__ import annotations

from pathlib import Path

from radfield_core import Fit

CAMERA_FILES = ("cameras_sphere.npz", "cameras.npz")


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is recognized as this layout, or None if it is not."""
    found = next((name for name in CAMERA_FILES if (path / name).is_file()), None)
    if found is None or not (path / "image").is_dir():
        return None
    return Fit(f"it holds {found} and image/", over={"colmap", "llff"})  # only `dtu` reads the object masks and sphere
