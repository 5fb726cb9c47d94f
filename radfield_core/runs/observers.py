"""Call the hooks and the parts that observe a run. By default, an error in one of them does not stop the run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from radfield_core.config.run import RunConfig
from radfield_core.errors import PluginError
from radfield_core.interfaces import LiveRun, Observer
from radfield_core.plugins.registry import Registry
from radfield_core.runtime import randomness
from radfield_core.runtime.interrupts import Canceled

logger = logging.getLogger(__name__)

MAX_ERRORS = 3
"""Number of errors after which the hooks of a plugin are no longer called."""


class Observers:
    """Calls the hooks of all plugins that observe a run, and the observers that the run's config names.

    If one of them raises an exception, the exception is logged as a warning. After three exceptions from one plugin or
    observer, it is no longer called. If RADFIELD_STRICT_PLUGINS is 1, the first exception is raised as PluginError
    instead, which ends the run.

    Args:
        registry: the installed plugins.
        parts: the observers of the run's config, by name.
    """

    def __init__(self, registry: Registry, parts: Mapping[str, Observer] = MappingProxyType({})):
        self._hooks = registry.hooks
        self._parts = parts
        self._strict = os.environ.get("RADFIELD_STRICT_PLUGINS") == "1"
        self._errors: dict[str, int] = {}

    @staticmethod
    def of(run: RunConfig, registry: Registry) -> Observers:
        """Return the observers of a run. Raises PluginError if a part of its config is not an Observer."""
        parts = {}
        for name, choice in run.observers.items():
            part = parts[name] = choice.load()(choice.config)
            if not isinstance(part, Observer):
                owner = choice.component.distribution
                message = f"{choice.component.key} of {owner} builds {type(part).__name__}, which is not an Observer"
                raise PluginError(message, hint=f"Derive {type(part).__name__} from radfield_core.Observer")
        return Observers(registry, parts)

    def tell(self, hook: str, **news: Any) -> None:
        """Call all implementations of a hook.

        Args:
            hook: name of the hook, such as "radfield_step_ended".
            news: arguments of the hook. An implementation receives only the arguments that its parameters name.
        """
        for implementation in getattr(self._hooks.hook, hook).get_hookimpls():
            arguments = (news[argument] for argument in implementation.argnames)
            name = implementation.plugin_name
            disable = f"Set RADFIELD_DISABLE_PLUGINS={name.rpartition(':')[2]} to train without it"
            self._call(f"plugin {name}", hook, disable, implementation.function, *arguments)

    def tell_parts(self, method: str, *news: Any) -> None:
        """Call a method, such as "step_ended", of every observer in the config. `news` are its arguments."""
        for name, part in self._parts.items():
            with randomness.undisturbed():
                self._call(*self._named(name, method), getattr(part, method), *news)

    def wanting_a_look(self) -> list[str]:
        """Return the names of the observers that want to look at the model now."""
        return [
            name for name, part in self._parts.items() if self._call(*self._named(name, "wants_look"), part.wants_look)
        ]

    def look(self, names: Iterable[str], live: LiveRun) -> None:
        """Let observers look at the model."""
        for name in names:
            self._call(*self._named(name, "look"), self._parts[name].look, live)

    @staticmethod
    def _named(name: str, method: str) -> tuple[str, str, str]:
        """Return the words about a call of an observer: who is called, what for, and how to train without it."""
        return f"observer {name}", method, f"Add observers.{name}=none to train without it"

    @property
    def want_pictures(self) -> bool:
        """True if an observer needs the pictures of evaluated views."""
        return any(part.wants_pictures for part in self._parts.values())

    def _call(self, who: str, what: str, disable: str, function: Callable[..., object], *news: Any) -> object:
        """Call one function of an observing plugin or part, and return its result. If it has failed too often, or fails
        now, return None."""
        if self._errors.get(who, 0) >= MAX_ERRORS:
            return None
        try:
            return function(*news)
        except (KeyboardInterrupt, Canceled):
            raise
        except BaseException as error:  # includes SystemExit: an observer must not end the run
            text = " ".join(f"{type(error).__name__}: {error}".split())
            message = f"{who} failed in {what}: {text}"
            if self._strict:
                raise PluginError(message, hint=disable) from error
            self._errors[who] = self._errors.get(who, 0) + 1
            last = self._errors[who] == MAX_ERRORS
            logger.warning("%s%s", message, "; it is not called any more" if last else "")
            return None
