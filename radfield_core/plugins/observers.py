"""Telling observers what happens, so that none of them can stop a run unless that is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from radfield_core.errors import PluginError
from radfield_core.plugins.registry import Registry

MAX_ERRORS = 3
"""Errors after which an observer is no longer told anything."""


class Observers:
    """Calls the observing hooks of every plugin, each guarded.

    With RADFIELD_STRICT_PLUGINS=1 an observer that raises ends the run with PluginError. say: where remarks go; stderr
    by default.
    """

    def __init__(self, registry: Registry, *, say: Callable[[str], None] | None = None):
        self._hooks = registry.hooks
        self._strict = os.environ.get("RADFIELD_STRICT_PLUGINS") == "1"
        self._say = say or (lambda text: print(text, file=sys.stderr))
        self._errors: dict[str, int] = {}

    def tell(self, hook: str, **news: Any) -> None:
        """Call `hook` (such as "radfield_step_ended") of every plugin; each takes the parameters it names."""
        for implementation in getattr(self._hooks.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            if self._errors.get(name, 0) >= MAX_ERRORS:
                continue
            try:
                implementation.function(*(news[argument] for argument in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also SystemExit: an observer must not end the run
                self._failed(name, hook, error)

    def _failed(self, name: str, hook: str, error: BaseException) -> None:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        if self._strict:
            raise PluginError(
                f"plugin {name} failed in {hook}: {text}", hint=f"RADFIELD_DISABLE_PLUGINS={name.rpartition(':')[2]}"
            ) from error
        self._errors[name] = self._errors.get(name, 0) + 1
        dropped = self._errors[name] == MAX_ERRORS
        end = "; it is told nothing more" if dropped else ""
        self._say(f"plugin {name} failed in {hook}: {text}{end}")
