"""Collects what is wrong with a config, whoever found it, so that everything is said at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from radfield_core.errors import Problem, RadfieldError, UsageError


class Mistakes:
    """Problems of options, and errors of what the options name; raised as one error at the end."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._kinds: set[type[RadfieldError]] = set()

    def __len__(self) -> int:
        return len(self.problems)

    def add(self, path: str, message: str, hint: str = "", kind: type[RadfieldError] = UsageError) -> None:
        """Remember one problem, which alone would be raised as `kind`."""
        self.problems.append(Problem(path, message, hint))
        self._kinds.add(kind)

    def take(self, error: RadfieldError) -> None:
        """Remember every problem of an error."""
        self.problems += error.problems
        self._kinds.add(type(error))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Take the error that ends the block, and go on after it."""
        try:
            yield
        except RadfieldError as error:
            self.take(error)

    def finish(self) -> None:
        """Raise everything found: as what it is if all is of one kind, as UsageError otherwise."""
        if self.problems:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else UsageError
            raise kind(problems=self.problems)
