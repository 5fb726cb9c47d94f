"""Errors that users see. An error has an exit code and one or more problems, each with a path, a message and a hint."""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from radfield_core.names import Lines, printable

STORAGE_HINTS = {
    errno.ENOSPC: "Free space on the disk",
    errno.EDQUOT: "Free space on the disk: your quota is used up",
    errno.EFBIG: "Raise the limit on the size of files: ulimit -f unlimited",
    errno.EACCES: "Choose a path that you may write to",
    errno.EPERM: "Choose a path that you may write to",
    errno.EROFS: "Choose a path on a writable disk",
    errno.EEXIST: "Choose another name: something else has this name",
    errno.ELOOP: "Replace the link by a copy of the file",
    errno.EINVAL: "Replace it by a regular file",
    errno.ENOTDIR: "Choose another path: this one leads through a file, not a folder",
    errno.EISDIR: "Choose another name: a folder has this name",
    errno.ENAMETOOLONG: "Choose a shorter name",
}
"""Error number of an OSError -> hint for the user."""


MAX_TEXT = 2000
"""Longest text of a path, a message or a hint that is printed. The names in it may come from a stranger."""


MAX_ALIKE = 20
"""At most this many problems with the same message are printed."""


class Problem(NamedTuple):
    """One fault.

    Attributes:
        path: option or file that is at fault; "" if there is none.
        message: what is wrong. It starts without a capital letter and ends without a full stop. Line breaks in it are
            escaped, because names in it may come from a stranger. For a message of several lines, pass a `Lines`
            object.
        hint: a command to type, or an imperative sentence; "" if there is none.

    Example:
        >>> print(Problem("images/3.png", "is empty", "Copy the image again"))
        images/3.png: is empty
            try: Copy the image again
    """

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.headline() + (f"\n    try: {shortened(self.hint)}" if self.hint else "")

    def headline(self) -> str:
        """Return the path and the message on one line, or on several if the message is made of `Lines`."""
        where = f"{shortened(self.path)}: " if self.path else ""
        return f"{where}{shortened(self.message)}"


def shortened(text: str) -> str:
    """Return a text that can be printed, on one line and not longer than a screen."""
    text = printable(text)
    if len(text) <= MAX_TEXT or isinstance(text, Lines):
        return text
    return f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def summarized(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems for printing. Of many problems with the same message, return the first ones and the number of
    the others.

    Messages that differ only in numbers count as the same, such as those of images that were cut off at several places.

    Example:
        >>> problems = [Problem(f"{number}.png", "is empty") for number in range(1000)]
        >>> print(*summarized(problems)[-2:], sep="\\n")
        19.png: is empty
        980 more: is empty
    """
    problems = list(problems)
    total, printed = Counter(map(_kind, problems)), Counter[str]()
    result = []
    for problem in problems:
        kind = _kind(problem)
        printed[kind] += 1
        if total[kind] <= MAX_ALIKE + 1 or printed[kind] <= MAX_ALIKE:
            result.append(problem)
        elif printed[kind] == MAX_ALIKE + 1:
            result.append(Problem(f"{total[kind] - MAX_ALIKE} more", problem.message, problem.hint))
    return result


def _kind(problem: Problem) -> str:
    return re.sub(r"\d+", "0", problem.message) if problem.path else f"{problem.message}: no path"


class RadfieldError(Exception):
    """An error that ends the program. All of its problems are printed, and `code` is the program's exit code.

    For a single problem, pass `message`, `path` and `hint`. For several problems, pass `problems` instead.

    Args:
        message: message of the single problem; see `Problem`.
        path: path of the single problem.
        hint: hint of the single problem.
        problems: several problems.
    """

    code = 1

    def __init__(self, message: str = "", *, path: str = "", hint: str = "", problems: Iterable[Problem] = ()):
        self.problems = tuple(problems) or (Problem(str(path), message, hint),)
        super().__init__(Lines("\n".join(str(problem) for problem in self.problems)))


class UsageError(RadfieldError):
    """The command line, the config or the combination of parts is wrong.

    Example:
        >>> print(UsageError("is 0; at least 1 is needed", path="trainer.n_rays", hint="trainer.n_rays=1024"))
        trainer.n_rays: is 0; at least 1 is needed
            try: trainer.n_rays=1024
    """

    code = 2


class Diverged(RadfieldError):
    """The loss was not finite for too many training steps in a row."""

    code = 3


class NoSurface(RadfieldError):
    """The surface (level set) that should be extracted is empty."""

    code = 4


class DatasetError(RadfieldError):
    """The data cannot be used. The error's problems list every fault that was found."""

    code = 65


class NoSuchSplit(DatasetError):
    """The data has no split of the requested name, or that split is empty. Other splits of the data may be complete."""


class SplitWithoutImages(NoSuchSplit):
    """The data lists views for a held-out split, but none of their images exists."""


class PluginError(RadfieldError):
    """A part cannot be used: it is not installed, its code fails, or what it returns breaks the interface of its
    kind."""

    code = 69


class BrokenPlugin(PluginError):
    """A plugin is installed, but it cannot be loaded: its code cannot be imported, its declaration is faulty, or it was
    written for another version of the plugin interface."""

    code = 78


class StorageError(RadfieldError):
    """A file of a run, or another output file, cannot be read or written."""

    code = 74


def unwritable(error: OSError, path: object) -> StorageError:
    """Return the StorageError for a file that the operating system refuses to write.

    The returned error names the file that `error` names. If `error` names no file, it names `path`.

    A BrokenPipeError is raised again: the file is not at fault, the program that read the output has exited.
    """
    if isinstance(error, BrokenPipeError):
        raise error
    named = error.filename if isinstance(error.filename, str) else path
    return StorageError(
        f"cannot be written: {error.strerror}",
        path=str(named),
        hint=STORAGE_HINTS.get(error.errno or 0, "Make room on the disk, and check the permissions of the folder"),
    )


class Problems:
    """A collection of problems, which reports all of them in one error.

    Example:
        >>> problems = Problems()
        >>> problems.add("images/3.png", "is empty")
        >>> problems.add("images/7.png", "is missing")
        >>> problems.raise_as(DatasetError)
        Traceback (most recent call last):
        radfield_core.errors.DatasetError: images/3.png: is empty
        images/7.png: is missing
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, path: object, message: str, hint: str = "") -> None:
        """Add one problem. `Problem` describes the arguments."""
        self.found.append(Problem(str(path), message, hint))

    def raise_as(self, kind: type[RadfieldError]) -> None:
        """Raise an error of class `kind` that lists all problems. Do nothing if there are no problems."""
        if self.found:
            raise kind(problems=self.found)
