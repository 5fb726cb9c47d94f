"""The folder for files that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(name: str) -> Path:
    """The folder for one kind of cached files; it is created if it does not exist.

    The folder lies in $RADFIELD_CACHE, else in $XDG_CACHE_HOME/radfield, else in ~/.cache/radfield. Only the user can
    read a folder that this function creates.

    Args:
        name: name of the folder, such as "pixels".

    Raises:
        OSError: the folder cannot be created.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> with TemporaryDirectory() as base, patch.dict(os.environ, RADFIELD_CACHE=base):
        ...     cache_dir("pixels") == Path(base) / "pixels"
        True
    """
    base = os.environ.get("RADFIELD_CACHE")
    folder = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radfield"
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
