"""The cache folder, for files that can be created again if they are deleted."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def cache_dir(name: str) -> Path:
    """Return the folder for one kind of cached files. The folder is created if it does not exist.

    The parent folder is $RADFIELD_CACHE if that variable is set. Otherwise it is $XDG_CACHE_HOME/radfield, or
    ~/.cache/radfield if XDG_CACHE_HOME is not set either. Other users can neither read the folder nor write to it; see
    `private_folder`.

    Args:
        name: name of the folder inside the cache, such as "pixels".

    Raises:
        OSError: the folder cannot be created, or is not private.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> with TemporaryDirectory() as base, patch.dict(os.environ, RADFIELD_CACHE=base):
        ...     cache_dir("pixels") == Path(base) / "pixels"
        True
    """
    base = os.environ.get("RADFIELD_CACHE")
    folder = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radfield"
    return private_folder(folder / name)


def private_folder(folder: Path) -> Path:
    """Create a folder that only this user can read and write, or check that an existing one is such a folder.

    If the folder belongs to this user and others can read it, their access is removed. If others can write to it, the
    folder is refused, because they may have put files into it.

    Raises:
        OSError: the folder cannot be created, belongs to another user, or can be written to by others.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as base:
        ...     oct(private_folder(Path(base) / "kernels").stat().st_mode & 0o777)
        '0o700'
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(folder))
    if found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "can be written to by other users; delete it", str(folder))
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder
