"""A collection of mistakes in a config, from every check, so that all of them are reported at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from radfield_core.errors import Problem, RadfieldError, UsageError


class Mistakes:
    """Problems of options, and errors about what the options refer to; `finish` raises them as one error."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._kinds: set[type[RadfieldError]] = set()

    def __len__(self) -> int:
        return len(self.problems)

    def add(self, path: str, message: str, hint: str = "", kind: type[RadfieldError] = UsageError) -> None:
        """Add one problem; if it is the only one, it is raised as `kind`."""
        self.problems.append(Problem(path, message, hint))
        self._kinds.add(kind)

    def take(self, error: RadfieldError) -> None:
        """Add every problem of an error."""
        self.problems += error.problems
        self._kinds.add(type(error))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Run the block, and add the problems of the error that ends it, if any."""
        try:
            yield
        except RadfieldError as error:
            self.take(error)

    def finish(self) -> None:
        """Raise all problems, as their own kind of error if they are of one kind, else as UsageError."""
        if self.problems:
            kind = next(iter(self._kinds)) if len(self._kinds) == 1 else UsageError
            raise kind(problems=self.problems)
