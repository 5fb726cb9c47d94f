"""Recognition of captures in LLFF's format, from file names only."""

from __future__ import annotations

from pathlib import Path


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is recognized as LLFF data, or None if it is not."""
    return "it holds poses_bounds.npy" if (path / "poses_bounds.npy").is_file() else None
