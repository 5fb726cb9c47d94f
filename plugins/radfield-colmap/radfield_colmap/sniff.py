"""Recognition of COLMAP reconstructions, from file names only."""

from __future__ import annotations

from pathlib import Path


def suffix_of(folder: Path) -> str | None:
    """Return the suffix, .bin or .txt, of the files `cameras` and `images` in a folder, or None if one of them is
    missing."""
    for suffix in (".bin", ".txt"):
        if all((folder / f"{part}{suffix}").is_file() for part in ("cameras", "images")):
            return suffix
    return None


def find_models(root: Path) -> list[Path]:
    """Return all folders that hold a model.

    Searches root, root/sparse, root/colmap/sparse, root/colmap, and the numbered folders inside each of these.
    """
    found = []
    for base in (root, root / "sparse", root / "colmap" / "sparse", root / "colmap"):
        try:
            inner = sorted(path for path in base.iterdir() if path.name.isdigit()) if base.is_dir() else []
        except OSError:
            inner = []
        found += [folder for folder in (base, *inner) if folder.is_dir() and suffix_of(folder)]
    return list(dict.fromkeys(found))


def sniff(path: Path) -> str | None:
    """Return the reason why a folder is recognized as a COLMAP reconstruction, or None if it is not."""
    for folder in find_models(path):
        return f"it holds {(folder.relative_to(path) / 'images').as_posix()}{suffix_of(folder)}"
    return None
