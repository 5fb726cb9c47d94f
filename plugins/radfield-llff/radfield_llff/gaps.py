"""Find out which images of a folder are missing. The rows of poses_bounds.npy contain no names of images."""

from __future__ import annotations

import os
import re
from pathlib import Path

from radfield_core.data import IMAGE_SUFFIXES


def image_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder, sorted. This is the order of the rows of poses_bounds.npy."""
    return sorted(
        name for name in os.listdir(folder) if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
    )


def with_missing(folder: Path, n: int) -> list[str]:
    """Return the sorted names of the n images that a folder should hold, including images that are missing.

    The missing names are known in two cases: another folder of the same scene holds n images, including all images of
    this folder, or the names are numbered and the last number is the first plus n − 1. Otherwise, return only the names
    that exist.
    """
    names = image_names(folder)
    if not 0 < len(names) < n:
        return names
    for other in sorted(folder.parent.glob("images*")):
        whole = [Path(name).stem for name in image_names(other)] if other.is_dir() else []
        known = {Path(name).stem: name for name in names}
        if len(whole) == n and known.keys() <= set(whole):
            return [known.get(stem, stem + Path(names[0]).suffix) for stem in whole]
    return _numbered(names, n) or names


def _numbered(names: list[str], n: int) -> list[str] | None:
    """Return n consecutively numbered names, from the first of `names` to the last, or None if that is not possible.

    It is possible if the first and the last number differ by n − 1, and the sequence contains all `names`.
    """
    parts = [re.fullmatch(r"(.*?)([0-9]{1,9})(\.[^.]*)", name) for name in names]
    first, last = parts[0], parts[-1]
    if first is None or last is None or len(first[2]) != len(last[2]) or int(last[2]) - int(first[2]) != n - 1:
        return None
    start, width = int(first[2]), len(first[2])
    every = [f"{first[1]}{start + i:0{width}d}{first[3]}" for i in range(n)]
    return every if set(names) <= set(every) else None
