"""Is this folder a COLMAP reconstruction? Looks at names only."""

from __future__ import annotations

from pathlib import Path


def sniff(path: Path) -> str | None:
    """Why a folder is in COLMAP's format, or None."""
    for folder in ("sparse/0", "sparse", "colmap/sparse/0", "."):
        for suffix in (".bin", ".txt"):
            if all((path / folder / f"{part}{suffix}").is_file() for part in ("cameras", "images")):
                return f"it holds {folder}/images{suffix}" if folder != "." else f"it holds images{suffix}"
    return None
