"""The cache folder, for files that can be created again if they are deleted."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(name: str) -> Path:
    """Return the folder for one kind of cached files. The folder is created if it does not exist.

    The parent folder is $RADFIELD_CACHE if that variable is set. Otherwise it is $XDG_CACHE_HOME/radfield, or
    ~/.cache/radfield if XDG_CACHE_HOME is not set either. Other users cannot read a folder that this function creates.

    Args:
        name: name of the folder inside the cache, such as "pixels".

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
