"""Calls of the observing hooks; an observer that fails never stops a run, unless the user asks for it."""

from __future__ import annotations

import logging
import os
from typing import Any

from radfield_core.errors import PluginError
from radfield_core.plugins.registry import Registry

logger = logging.getLogger(__name__)

MAX_ERRORS = 3
"""Errors after which an observer is no longer called."""

_log = logging.getLogger(__name__)


class Observers:
    """Calls the observing hooks of every plugin.

    An observer that raises is logged as a warning, and after three errors it is no longer called. With
    RADFIELD_STRICT_PLUGINS=1 the first error raises PluginError instead, which ends the run.

    Args:
        registry: the installed plugins.
    """

    def __init__(self, registry: Registry):
        self._hooks = registry.hooks
        self._strict = os.environ.get("RADFIELD_STRICT_PLUGINS") == "1"
        self._errors: dict[str, int] = {}

    def tell(self, hook: str, **news: Any) -> None:
        """Call the implementations of a hook.

        Args:
            hook: name of the hook, such as "radfield_step_ended".
            news: arguments of the hook; each implementation gets the ones that it takes.
        """
        for implementation in getattr(self._hooks.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            if self._errors.get(name, 0) >= MAX_ERRORS:
                continue
            try:
                implementation.function(*(news[argument] for argument in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also SystemExit: an observer must not end the run
                self._report(name, hook, error)

    def _report(self, name: str, hook: str, error: BaseException) -> None:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"plugin {name} failed in {hook}: {text}"
        if self._strict:
            hint = f"Set RADFIELD_DISABLE_PLUGINS={name.rpartition(':')[2]} to train without it"
            raise PluginError(message, hint=hint) from error
        self._errors[name] = self._errors.get(name, 0) + 1
        last = self._errors[name] == MAX_ERRORS
        _log.warning("%s%s", message, "; it is not called any more" if last else "")
