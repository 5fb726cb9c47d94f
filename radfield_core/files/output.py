"""Choose the format of an output file. Check, before long work, that its path is writable and its folder is empty."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from radfield_core.errors import StorageError, UsageError, unwritable
from radfield_core.files.durable import temporary_path, write_new


def file_and_format(path: Path, formats: Sequence[str], chosen: str | None = None) -> tuple[Path, str]:
    """Return the path of the file that an exporter must write, and the format of that file.

    The format is the one that the user chose. If the user chose none, the ending of the path decides. If the path has
    no ending either, the format is the first of `formats`. A path without an ending gets the ending of the format.

    Text after a dot counts as an ending if it names a format, or if it is a letter followed by up to four letters or
    digits. So `model 1.5` has no ending.

    Args:
        path: the path that the user gave.
        formats: the formats that the exporter can write, as file endings without the dot.
        chosen: the format that the user chose, or None.

    Raises:
        UsageError: the ending of the path is unknown, or differs from the chosen format.

    Example:
        >>> file_and_format(Path("shape"), ("ply", "obj"))
        (PosixPath('shape.ply'), 'ply')
        >>> file_and_format(Path("shape.obj"), ("ply", "obj"))
        (PosixPath('shape.obj'), 'obj')
    """
    ending = path.suffix[1:].lower()
    if ending in formats:
        if chosen not in (None, ending):
            raise UsageError(
                f"the chosen format is {chosen}, but the path ends in .{ending}",
                path=str(path),
                hint=f"Write to {path.stem}.{chosen}, or choose no format",
            )
        return path, ending
    if re.fullmatch("[a-z][a-z0-9]{0,4}", ending):
        raise UsageError(
            f"files ending in .{ending} cannot be written here",
            path=str(path),
            hint="Write to " + " or ".join(f"{path.stem}.{name}" for name in formats),
        )
    ending = chosen or formats[0]
    return path.with_name(f"{path.name}.{ending}"), ending


def check_file(path: Path) -> None:
    """Raise StorageError if a file cannot be written at a path. Call this before a long computation of its content.

    A temporary file is written and deleted. Folders that are created for it are deleted too.

    Example:
        >>> check_file(Path("/dev/null/mesh.ply"))
        Traceback (most recent call last):
        ...
        radfield_core.errors.StorageError: /dev/null/mesh.ply: cannot be written: Not a directory
            try: Choose another path: this one leads through a file, not a folder
    """
    made: list[Path] = []
    trial: Path | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        for folder in reversed(path.parents):
            if folder.exists() and not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not folder.is_dir():
                folder.mkdir()
                made.append(folder)
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # fails if the name is too long
        trial = temporary_path(path)
        write_new(trial, b"radfield\n")
    except OSError as error:
        raise unwritable(OSError(error.errno, error.strerror), path) from error  # the path that the user gave
    finally:
        with contextlib.suppress(OSError):
            if trial is not None:
                trial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in reversed(made):
                folder.rmdir()


def check_folder(path: Path) -> None:
    """Raise StorageError if files cannot be written to a folder, which need not exist. See `check_file`.

    Example:
        >>> check_folder(Path("/dev/null/images"))
        Traceback (most recent call last):
        ...
        radfield_core.errors.StorageError: /dev/null/images: cannot be written: Not a directory
            try: Choose another path: this one leads through a file, not a folder
    """
    try:
        check_file(path / "radfield")
    except StorageError as error:
        raise StorageError(problems=[error.problems[0]._replace(path=str(path))]) from error.__cause__


def require_empty(folder: Path) -> None:
    """Raise UsageError if `folder` exists and is not an empty folder.

    Example:
        >>> require_empty(Path("/nowhere"))
        >>> require_empty(Path("/"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        radfield_core.errors.UsageError: ...
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "exists and is not an empty folder", path=str(folder), hint="Choose a path that does not exist yet"
        )
