"""Recognition of captures in the format of LLFF, from file names only."""

from __future__ import annotations

from pathlib import Path


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is in the format of LLFF, or None."""
    return "it holds poses_bounds.npy" if (path / "poses_bounds.npy").is_file() else None
