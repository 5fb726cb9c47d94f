"""Write files that survive a crash of the program or of the machine.

A new file is written under a temporary name in the same folder, synced to the disk, and renamed to its final name. Then
the folder is synced too. The functions call `os.open`, `os.write`, `os.fsync`, and `os.rename` or `os.replace`, so that
tests can simulate a crash at each of these calls.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_durably(path: Path, data: bytes | str) -> None:
    """Write or replace a file. Missing parent folders are created.

    At every moment, the file has either its old content or its complete new content.

    Args:
        path: the file.
        data: the new content. Text is encoded as UTF-8.

    Raises:
        OSError: the file cannot be written. An existing file of that name is unchanged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a" / "b.txt"
        ...     write_durably(path, "text")
        ...     path.read_text()
        'text'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        write_new(temporary, data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync(path.parent)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Provide a temporary path for a new file or folder, and rename it to `path` after the `with` block.

    The new files are synced to the disk before the renaming, and the parent folder of `path` is synced after it. If the
    block raises an exception, the temporary file or folder is deleted, and an existing `path` is unchanged.

    Args:
        path: the final file or folder. If the block writes a folder, `path` must be an empty folder or must not exist.

    Raises:
        OSError: the temporary path cannot be renamed to `path`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with atomic_path(Path(folder) / "b.txt") as temporary:
        ...         _ = temporary.write_text("text")
        ...     (Path(folder) / "b.txt").read_text()
        'text'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
            sync(file)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def write_new(path: Path, data: bytes) -> None:
    """Write a file directly under its final name, and sync the file to the disk.

    Use this function inside a temporary folder that is renamed when the folder is complete. If the function raises
    OSError, the file may be incomplete.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the list of files in a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
