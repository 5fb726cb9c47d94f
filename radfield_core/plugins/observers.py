"""Call the hooks that observe a run. By default, an error in such a hook does not stop the run."""

from __future__ import annotations

import logging
import os
from typing import Any

from radfield_core.errors import PluginError
from radfield_core.plugins.registry import Registry

logger = logging.getLogger(__name__)

MAX_ERRORS = 3
"""Number of errors after which the hooks of a plugin are no longer called."""

_log = logging.getLogger(__name__)


class Observers:
    """Calls the hooks of all plugins that observe a run.

    If a hook raises an exception, the exception is logged as a warning. After three exceptions from one plugin, the
    hooks of that plugin are no longer called. If RADFIELD_STRICT_PLUGINS is 1, the first exception is raised as
    PluginError instead, which ends the run.

    Args:
        registry: the installed plugins.
    """

    def __init__(self, registry: Registry):
        self._hooks = registry.hooks
        self._strict = os.environ.get("RADFIELD_STRICT_PLUGINS") == "1"
        self._errors: dict[str, int] = {}

    def tell(self, hook: str, **news: Any) -> None:
        """Call all implementations of a hook.

        Args:
            hook: name of the hook, such as "radfield_step_ended".
            news: arguments of the hook. An implementation receives only the arguments that its parameters name.
        """
        for implementation in getattr(self._hooks.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            if self._errors.get(name, 0) >= MAX_ERRORS:
                continue
            try:
                implementation.function(*(news[argument] for argument in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # includes SystemExit: an observing plugin must not end the run
                self._report(name, hook, error)

    def _report(self, name: str, hook: str, error: BaseException) -> None:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"plugin {name} failed in {hook}: {text}"
        if self._strict:
            hint = f"Set RADFIELD_DISABLE_PLUGINS={name.rpartition(':')[2]} to train without it"
            raise PluginError(message, hint=hint) from error
        self._errors[name] = self._errors.get(name, 0) + 1
        last = self._errors[name] == MAX_ERRORS
        _log.warning("%s%s", message, "; its hooks are not called any more" if last else "")
