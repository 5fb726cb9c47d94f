"""Collect the mistakes in a config, so that a single error reports all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from radfield_core.errors import PluginError, Problem, RadfieldError, UsageError


class Mistakes:
    """Problems that were found in a config. `finish` raises all of them as one error."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._kinds: set[type[RadfieldError]] = set()

    def __len__(self) -> int:
        return len(self.problems)

    def add(self, path: str, message: str, hint: str = "", kind: type[RadfieldError] = UsageError) -> None:
        """Add one problem. `finish` raises an error of the class `kind` if all problems have this class."""
        self.problems.append(Problem(path, message, hint))
        self._kinds.add(kind)

    def take(self, error: RadfieldError) -> None:
        """Add every problem of an error."""
        self.problems += error.problems
        self._kinds.add(type(error))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Run a `with` block. If it raises RadfieldError, add the error's problems and continue after the block."""
        try:
            yield
        except RadfieldError as error:
            self.take(error)

    def finish(self) -> None:
        """If there are problems, raise one error that contains all of them.

        If all problems were added with the same class of error, that class is raised. Errors of plugins that are
        missing and broken together are raised as PluginError. In any other case, UsageError is raised.
        """
        if not self.problems:
            return
        if len(self._kinds) == 1:
            raise next(iter(self._kinds))(problems=self.problems)
        only_plugins = all(issubclass(kind, PluginError) for kind in self._kinds)
        raise (PluginError if only_plugins else UsageError)(problems=self.problems)
