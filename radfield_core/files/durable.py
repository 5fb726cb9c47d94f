"""Durable files: once a function below has returned, its file survives a crash of the program or of the machine.

A new file is written beside the old one, synced to the disk and renamed over it; then the folder is synced. All bytes
go through `os.open`, `os.write`, `os.fsync` and `os.rename` or `os.replace`, so that tests can inject a crash at each
of these calls.
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
    """Write or replace a file, and create the folders above it; text is written as UTF-8.

    At every moment the file has either its old content or the whole new content.

    Args:
        path: the file.
        data: its content.

    Raises:
        OSError: the file cannot be written; an earlier file of that name is unchanged.

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
    """Provide a temporary path for a file or a folder that other code writes; rename it to `path` at the end.

    The files are synced before the rename, and the folder above `path` after it. If the block raises, the temporary
    file or folder is deleted, and whatever `path` was before is unchanged.

    Args:
        path: the final file or folder. A folder replaces only an empty folder or none.

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
    """Write a file in place and sync it, for a folder that is renamed once all of its files are written.

    Raises OSError; the file may then be incomplete.
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
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
