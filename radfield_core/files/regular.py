"""Open regular files only. Reading a pipe could wait forever, and a device such as /dev/zero never ends.

A run folder may come from a stranger. A link in it could lead to any file of the user, so files of a run are opened
without following links. A data set may contain links. `safe_join` resolves and checks them before its files are opened.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, BinaryIO

from radfield_core.errors import Problem, StorageError

MAX_LINKS_SHOWN = 10


def open_regular(path: Path, *, follow_links: bool = False) -> BinaryIO:
    """Open a file to read its bytes.

    Args:
        path: the file.
        follow_links: if False, `path` itself must not be a link. Links in its parent folders are always followed.

    Raises:
        OSError: the file cannot be opened, is a link, or is not a regular file.

    Example:
        >>> open_regular(Path("/dev/zero"))
        Traceback (most recent call last):
        ...
        OSError: [Errno 22] is not a regular file: '/dev/zero'
    """
    return os.fdopen(_opened(path, os.O_RDONLY, follow_links), "rb")


def open_to_append(path: Path) -> IO[str]:
    """Open a text file to read it and to append to it. A missing file is created.

    Raises:
        OSError: the file cannot be opened, is a link, or is not a regular file. Or the file has a second name (a hard
            link), so that appending would also change the file of that name.
    """
    handle = _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, follow_links=False)
    if os.fstat(handle).st_nlink > 1:
        os.close(handle)
        raise OSError(errno.EMLINK, "has a second name (a hard link), and would change under this name too", str(path))
    return os.fdopen(handle, "a+", encoding="utf-8", errors="replace")


def _opened(path: Path, flags: int, follow_links: bool) -> int:
    """Open a regular file and return its descriptor. With O_NONBLOCK, opening a pipe does not wait for a writer."""
    flags |= os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise OSError(errno.ELOOP, "is a link, which is not followed here", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return handle


def refuse_links_out(folder: Path, skipped: Path | None = None) -> None:
    """Raise StorageError if links below `folder` lead out of the folder. The error lists these links.

    Args:
        folder: the folder. It may itself be a link.
        skipped: a folder whose subfolders are not searched. Links directly inside this folder are still found.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     (Path(folder) / "b").symlink_to("/etc")
        ...     refuse_links_out(Path(folder))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        radfield_core.errors.StorageError: .../b: is a link that leads out of the folder, to /etc
            try: Replace the link by a copy of the file or folder
    """
    root, found = Path(os.path.realpath(folder)), []
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                shown = folder / path.relative_to(root)
                message = f"is a link that leads out of the folder, to {os.readlink(path)}"
                found.append(Problem(str(shown), message, "Replace the link by a copy of the file or folder"))
        if skipped is not None and parent == str(root / skipped.name):
            folders.clear()
    if found:
        raise StorageError(problems=found[:MAX_LINKS_SHOWN])
