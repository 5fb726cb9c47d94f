"""Recognition of scenes in the layout of IDR and NeuS, from file names only."""

from __future__ import annotations

from pathlib import Path

CAMERA_FILES = ("cameras_sphere.npz", "cameras.npz")


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is recognized as this layout, or None if it is not."""
    found = next((name for name in CAMERA_FILES if (path / name).is_file()), None)
    return f"it holds {found} and image/" if found and (path / "image").is_dir() else None
