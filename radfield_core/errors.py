"""Errors that users see: what is wrong, where, what to try, and the exit code of the program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing wrong: where (a config path or a file), what, and what to try."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f"\n    try: {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class RadfieldError(Exception):
    """An error with an exit code and one or more problems, all of which are shown at once."""

    code = 1

    def __init__(self, message: str = "", *, path: str = "", hint: str = "", problems: Iterable[Problem] = ()):
        self.problems = tuple(problems) or (Problem(str(path), message, hint),)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(RadfieldError):
    """The command line, the config or the combination of parts is wrong."""

    code = 2


class Diverged(RadfieldError):
    """Training produced no finite loss for too long."""

    code = 3


class NoSurface(RadfieldError):
    """The level set asked for is empty."""

    code = 4


class DatasetError(RadfieldError):
    """The data cannot be used; every fault found is among the problems."""

    code = 65


class NoSuchSplit(DatasetError):
    """The data is without this split, which is no fault of the others."""


class PluginError(RadfieldError):
    """A part is not installed, or its plugin failed to load."""

    code = 69


class StorageError(RadfieldError):
    """Reading or writing a run failed."""

    code = 74


def unwritable(error: OSError, path: object) -> StorageError:
    """The error of a result that the system does not let be written."""
    return StorageError(
        f"cannot be written: {error.strerror}", path=str(path), hint="room on the disk, and the right to write there"
    )


class Problems:
    """Collects problems so that all are reported at once: `add` each, then `raise_as(DatasetError)`."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, path: object, message: str, hint: str = "") -> None:
        """Remember one problem."""
        self.found.append(Problem(str(path), message, hint))

    def raise_as(self, kind: type[RadfieldError]) -> None:
        """Raise `kind` with everything found; do nothing if nothing was."""
        if self.found:
            raise kind(problems=self.found)
