"""Report options that do not exist, with suggestions of the options that were meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from radfield_core.config.files import inline
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.option_names import OWN_TABLES, meant_paths
from radfield_core.errors import Problem
from radfield_core.names import nearest

COMMAND_LINE = "command line"
"""Origin of an option that was written as `key=value` on the command line."""

MAX_SUGGESTED = 3
"""Largest number of options that a hint suggests."""


class _Unknown(NamedTuple):
    """An option that does not exist.

    Attributes:
        number: index of the problem that reports the option.
        path: the option's path, as it was written.
        value: the option's value.
        origin: the layer in which the option was written, such as a file.
        near: the most similar name in the same table, or "".
    """

    number: int
    path: str
    value: Any
    origin: str
    near: str


class UnknownOptions:
    """The options of a run that do not exist. Each is a problem in `mistakes`."""

    def __init__(self, mistakes: Mistakes):
        self._mistakes = mistakes
        self._found: list[_Unknown] = []

    def add(self, path: str, value: Any, origin: str, known: Sequence[str], hint: str) -> None:
        """Report an option that does not exist.

        Args:
            path: the option's path.
            value: the option's value.
            origin: the layer in which the option was written, such as a file.
            known: the names of the options in the same table.
            hint: the hint to give if no known name is similar.
        """
        table, key = _split(path)
        near = nearest(key, known)
        listed = "" if near else f"; the options are {', '.join(known) or 'none'}"
        hint = _written(f"{table}{near}", value, origin) if near else hint
        self._found.append(_Unknown(len(self._mistakes), path, value, origin, near))
        self._mistakes.add(path, f"unknown option {key!r}{listed} ({origin})", hint)

    def suggest(self, paths: Sequence[str]) -> None:
        """Add a hint to each unknown option whose name exists in another table of the run. The hint gives that path.

        Args:
            paths: the paths of all options of the run.
        """
        for unknown in self._found:
            table, key = _split(unknown.path)
            found = meant_paths(key, [path for path in paths if path.startswith((table, *OWN_TABLES))])
            if unknown.near and any(_split(path)[1] != key for path in found):
                continue  # a similar name in the same table is more likely than a similar one elsewhere
            if 0 < len(found) <= MAX_SUGGESTED:
                hint = " or ".join(_written(path, unknown.value, unknown.origin) for path in found)
                hint = f"Write {hint}" if len(found) > 1 and not hint.startswith("Use ") else hint
                message = f"unknown option {key!r} ({unknown.origin})"
                self._mistakes.problems[unknown.number] = Problem(unknown.path, message, hint)


def _split(path: str) -> tuple[str, str]:
    """Split the path of an option into its table and its name. The table ends with a dot. The table is "" for
    an option of the run itself."""
    table, dot, key = path.rpartition(".")
    return table + dot, key


def _written(path: str, value: Any, origin: str) -> str:
    """Return text that sets an option: `path=value` for the command line, or only the path for a file."""
    if origin != COMMAND_LINE or isinstance(value, Mapping):
        return f"Use {path}"
    return f"{path}={value if isinstance(value, str) else inline(value)}"
