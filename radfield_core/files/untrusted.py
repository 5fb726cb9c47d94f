"""Safe access to files of unknown origin: check their names, report missing files, and limit how much is read.

A data set may come from a stranger. If a file cannot be used, DatasetError is raised instead of an exception of the
library that reads the file.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from radfield_core.errors import DatasetError, Problem
from radfield_core.files.regular import open_regular

MAX_NAMES_COMPARED = 5000
"""The name of a missing file is compared with at most this many names in its folder, to find a similar one."""

MAX_SIMILAR = 20
"""Similar names are searched for only this many of the missing files in a folder, because the search is slow."""

NO_SUCH_FILE = "there is no such file"


def safe_join(base: Path, name: str) -> Path:
    """Return the path of a file that a data set names. Check that the path lies inside the folder `base`.

    Symbolic links in the path are resolved. The check holds only at the moment of the call: a process that can write
    into `base` could later replace the file by a link.

    Args:
        base: the folder that must contain the file.
        name: a path relative to `base`. A backslash counts as a slash.

    Raises:
        DatasetError: the name is empty or absolute, leads out of `base`, or cannot be resolved.

    Example:
        >>> safe_join(Path("/data"), "images/a.png").name
        'a.png'
        >>> safe_join(Path("/data"), "../secret.txt")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        radfield_core.errors.DatasetError: ...
    """
    if not isinstance(name, str) or not name.strip():
        raise DatasetError(f"a file name is expected, not {name!r:.80}", path=str(base))
    if "\0" in name:
        raise DatasetError(f"the name {name!r:.80} contains a NUL character", path=str(base))
    relative = name.replace("\\", "/")
    if relative.startswith("/") or relative[1:2] == ":":
        raise DatasetError(
            f"the name {name!r:.200} is absolute", path=str(base), hint="Write names relative to this folder"
        )
    root = base.resolve()
    try:
        path = (root / relative).resolve()
        # If a link points to itself, resolve() leaves the rest of the path unresolved.
        settled = ".." not in path.parts and not any(part.is_symlink() for part in (path, *path.parents))
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(f"the name {name!r:.200} cannot be resolved: {error}", path=str(base)) from None
    if not settled or not path.is_relative_to(root):
        raise DatasetError(
            f"the name {name!r:.200} leads out of the folder, to {path}",
            path=str(base),
            hint="Copy the files into this folder, and write names relative to it",
        )
    return path


def display_path(path: Path, root: Path) -> str:
    """Return a path as messages show it: relative to `root` if it lies in that folder, unchanged if it does not.

    Example:
        >>> display_path(Path("/data/images/a.png"), Path("/data"))
        'images/a.png'
    """
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def missing_files(paths: Iterable[Path], root: Path) -> list[Problem]:
    """Return one problem for each path that is not a file. The hint names an existing file with a similar name.

    Names are similar if they differ only in case, in the file ending, or in a few letters. A file that is itself one of
    the paths is never proposed.

    Args:
        paths: the files that should exist.
        root: folder of the data set. The problems show paths relative to this folder.

    Example:
        >>> [str(problem) for problem in missing_files([Path("/absent/a.png")], Path("/absent"))]
        ['a.png: there is no such file: the folder /absent does not exist']
    """
    return [absence.problem for absence in absences(paths, root).values()]


class Absence(NamedTuple):
    """A file that is missing.

    Attributes:
        problem: what is missing, and a hint if there is a file with a similar name.
        renamed: the existing file or folder whose name differs only in case or ending, or "" if there is none.
    """

    problem: Problem
    renamed: str = ""


def absences(paths: Iterable[Path], root: Path) -> dict[Path, Absence]:
    """Return those paths that are not files, with the reasons. `missing_files` describes the arguments."""
    paths = list(paths)
    wanted, found = set(paths), dict[Path, Absence]()
    folders: dict[Path, _Folder] = {}
    for path in paths:
        if path in found or _is_file(path):
            continue
        name, folder = display_path(path, root), path.parent
        if os.path.isdir(path):
            hint = "Replace the folder by the file of that name"
            found[path] = Absence(Problem(name, "is a folder, not a file", hint), name)
            continue
        if folder not in folders:
            folders[folder] = _Folder(folder, wanted)
        found[path] = folders[folder].absence(path, root)
    return found


class _Folder:
    """A folder in which files are missing, and the names of existing files that may be proposed instead."""

    def __init__(self, folder: Path, wanted: Collection[Path]):
        self._folder, self._hints = folder, 0
        self._exists = folder.is_dir()
        self._names = [name for name in _names(folder) if folder / name not in wanted] if self._exists else []
        self._by_name = {name.lower(): name for name in reversed(self._names)}
        self._by_stem = {Path(name.lower()).stem: name for name in reversed(self._names)}

    def absence(self, path: Path, root: Path) -> Absence:
        """Return why a file that should be in the folder is missing."""
        name = display_path(path, root)
        if not self._exists:
            return _missing_folder(name, self._folder, root)
        if path.exists():
            return Absence(Problem(name, "is not a regular file", "Put a regular file in its place"), "")
        lower = path.name.lower()
        near = self._by_name.get(lower) or self._by_stem.get(Path(lower).stem) or self._by_stem.get(lower) or ""
        renamed = display_path(self._folder / near, root) if near else ""
        if not near and self._hints < MAX_SIMILAR:
            self._hints += 1
            near = _similar(path.name, self._names)
        hint = f"Use {display_path(self._folder / near, root)}, which exists" if near else ""
        return Absence(Problem(name, NO_SUCH_FILE, hint), renamed)


def _missing_folder(name: str, folder: Path, root: Path) -> Absence:
    """Return the reason why a file is missing: its folder does not exist. The problem names the topmost such folder."""
    while not folder.parent.is_dir() and folder != folder.parent:
        folder = folder.parent
    near = _similar(folder.name, _names(folder.parent))
    instead = display_path(folder.parent / near, root) if near else ""
    hint = f"Use the folder {instead}, which exists" if near else ""
    missing = folder if folder == root else display_path(folder, root)
    return Absence(Problem(name, f"{NO_SUCH_FILE}: the folder {missing} does not exist", hint), instead)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def _similar(name: str, names: list[str]) -> str:
    """Return the name in `names` that differs only in case or in a few letters, or "" if there is none."""
    same = [candidate for candidate in names if candidate.lower() == name.lower()]
    near = difflib.get_close_matches(name, names[:MAX_NAMES_COMPARED], n=1, cutoff=0.85)
    return next(iter([*same, *near]), "")


def read_limited(path: Path, limit: int, what: str = "file") -> bytes:
    """Read all bytes of a file, unless the file is too large.

    Args:
        path: the file.
        limit: largest allowed size in bytes.
        what: the kind of file, for the error message.

    Raises:
        DatasetError: the file does not exist, cannot be read or is larger than `limit`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.txt"
        ...     _ = path.write_bytes(b"text")
        ...     read_limited(path, 100)
        b'text'
    """
    try:
        if not path.is_file():
            problems = missing_files([path], path.parent)
            raise DatasetError(problems=[problem._replace(path=str(path)) for problem in problems])
        with open_regular(path, follow_links=True) as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot be read: {error}", path=str(path)) from None
    if len(data) > limit:
        raise DatasetError(f"the {what} is larger than {limit / 2**20:.0f} MiB", path=str(path))
    return data
