"""Write files that survive a crash of the program or of the machine.

A new file is written under a temporary name in the same folder, synced to the disk, and renamed to its final name. Then
the folder is synced too. The functions call `os.open`, `os.write`, `os.fsync`, and `os.rename` or `os.replace`, so that
tests can simulate a crash at each of these calls.

If a process is killed, its temporary files stay behind. They are removed when another process of this machine first
writes to the same folder. The name of a temporary file is `.tmp-<pid>-<machine and process>-<n>-<name>`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MACHINE = hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]
_PROCESS = uuid.uuid4().hex[:8]  # tells this process from an earlier one with the same id, as in a container
_TEMPORARY = re.compile(r"\.tmp-([0-9]{1,9})-([0-9a-f]{8})([0-9a-f]{8})-.+", re.DOTALL)
_numbers = itertools.count()  # tells two temporary files of this process apart
_MAX_NAME = 60  # characters of the final name in a temporary name, to keep that short enough for the file system
_cleaned: set[str] = set()  # folders that this process has searched for temporary files of killed processes


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
    try:
        temporary = temporary_path(path)
    except OSError as error:
        raise named(error, path) from None
    try:
        write_new(temporary, data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            named(error, path, temporary)
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
    temporary = temporary_path(path)
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
            sync(file)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            named(error, path, temporary)
        raise


def named(error: OSError, path: Path, temporary: Path | None = None) -> OSError:
    """Replace a temporary path in an error by the final path, and return the error.

    If the error has no file name, it gets the final path, too.
    """
    file = error.filename
    if not isinstance(file, str) or file == str(temporary):
        error.filename, error.filename2 = str(path), None
    elif temporary is not None and Path(file).is_relative_to(temporary):
        error.filename, error.filename2 = str(path / Path(file).relative_to(temporary)), None
    return error


def temporary_path(path: Path) -> Path:
    """Return a temporary path in the folder of `path`. No other process uses this temporary path at the same time.

    A missing folder is created. Temporary files that killed processes left in the folder are removed.
    """
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    if (key := os.path.realpath(folder)) not in _cleaned:
        _cleaned.add(key)
        remove_leftovers(folder)
    return folder / f".tmp-{os.getpid()}-{_MACHINE}{_PROCESS}-{next(_numbers)}-{path.name[-_MAX_NAME:]}"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that processes of this machine left in a folder when they were killed.

    A file that cannot be removed is ignored. A link is removed, but its target is not.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or match[2] != _MACHINE or is_running(int(match[1])):
                continue
            if (int(match[1]), match[3]) == (os.getpid(), _PROCESS):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """True if another process with this id is running on this machine.

    Return False for the id of this process. Temporary files are named after the process that wrote them, so a file that
    already bears this id is from an earlier process with the same id.
    """
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_new(path: Path, data: bytes) -> None:
    """Write a file directly under its final name, and sync the file to the disk.

    Use this function inside a temporary folder that is renamed when the folder is complete. If the function raises
    OSError, the file may be incomplete.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
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
