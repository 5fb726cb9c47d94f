"""Is this a capture in LLFF's format? Looks at names only."""

from __future__ import annotations

from pathlib import Path


def sniff(path: Path) -> str | None:
    """Why a folder is in LLFF's format, or None."""
    return "it holds poses_bounds.npy" if (path / "poses_bounds.npy").is_file() else None
