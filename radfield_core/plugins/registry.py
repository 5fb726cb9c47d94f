"""The registry of installed plugins and their parts. It finds the part that a name refers to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import pluggy

from radfield_core.errors import PluginError, RadfieldError, UsageError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, Component
from radfield_core.plugins import hookspecs
from radfield_core.plugins.discovery import CORE, Plugin, discover
from radfield_core.plugins.first_party import FIRST_PARTY

UNLOADED = ("error", "incompatible", "disabled")
"""The statuses of plugins that are not loaded, so that their parts are unknown."""


class Registry:
    """Installed plugins and the parts that they offer. `get_registry()` returns the registry of this process."""

    def __init__(self, plugins: Iterable[Plugin], hooks: pluggy.PluginManager):
        self.plugins = _mark_shadowed(list(plugins))
        self.hooks = hooks

    @classmethod
    def discover(cls, environ: Mapping[str, str] | None = None) -> Registry:
        """Create a registry of all installed plugins.

        If `environ` is given, it is used in place of the process's environment variables.
        """
        hooks = pluggy.PluginManager("radfield")
        hooks.add_hookspecs(hookspecs)
        return cls(discover(hooks, os.environ if environ is None else environ), hooks)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """All parts, ordered by kind, name and distribution."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return tuple(sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.distribution)))

    def of_kind(self, kind: str) -> tuple[Component, ...]:
        """The parts of one kind."""
        return tuple(component for component in self.components if component.kind == kind)

    def names(self, kind: str) -> list[str]:
        """All names of parts of one kind, sorted. For methods, they include the names of presets."""
        return sorted({name for component in self.of_kind(kind) for name in component.names})

    def candidates(self, kind: str, name: str) -> list[Component]:
        """The parts that a name can refer to.

        The name can have its distribution in front, as in `acme-hash:hash`. For methods, it can be that of a preset.
        """
        distribution, _, bare = name.rpartition(":")
        wanted = normalize_distribution(distribution)
        named = [component for component in self.of_kind(kind) if bare in component.names]
        return [component for component in named if not wanted or component.distribution == wanted]

    def find(self, kind: str, name: str, *, home: str | None = None, write: Callable[[str], str] = str) -> Component:
        """Find the part that a name refers to.

        If radfield-core offers the name, its part is taken. If several other distributions offer the name, the user
        must put the distribution in front, as in `acme-hash:hash`. This is not needed for a name in a preset or a
        default. There, the part comes from the distribution that contains the preset or default. If that distribution
        does not offer the name, the part comes from the project's own distribution that does.

        Args:
            kind: kind of the part.
            name: name of the part, with or without its distribution.
            home: the distribution whose preset or default contains the name, or None if the user wrote it.
            write: formats a name for hints, as the user must type it.

        Raises:
            PluginError: the part is not installed, or its plugin failed to load. The hint says how to install or repair
                it.
            UsageError: the name is unknown, or several distributions offer it.
        """
        found = self.candidates(kind, name)
        preferred = [CORE] if home is None else [CORE, home, *_known_distributions(kind, name)]
        for distribution in preferred:
            chosen = [component for component in found if component.distribution == distribution]
            if len(chosen) == 1:
                return chosen[0]
        if len(found) == 1:
            return found[0]
        if found:
            spellings = " or ".join(write(f"{component.distribution}:{name}") for component in found)
            owners = " and ".join(component.distribution for component in found)
            raise UsageError(f"{kind} {name!r} is offered by {owners}", hint=f"Use {spellings}")
        raise self._not_found(kind, name, by_user=home is None, write=write)

    def spelling(self, component: Component, name: str) -> str:
        """The shortest unambiguous name of a part. It includes the distribution only if others offer the same name."""
        bare = name.rpartition(":")[2]
        try:
            clear = self.find(component.kind, bare) == component
        except UsageError:
            clear = False
        return bare if clear else f"{component.distribution}:{bare}"

    def _not_found(self, kind: str, name: str, *, by_user: bool, write: Callable[[str], str]) -> RadfieldError:
        """The error for a name that refers to no loaded part.

        The hint depends on the first cause that applies: the part's distribution is not installed; its plugin is not
        loaded; the name is misspelled; a plugin that is not loaded might offer the part.
        """
        names = self.names(kind)
        known = _known_distributions(kind, name)
        unloaded = [p for p in self.plugins if p.status in UNLOADED and _might_offer(p, kind, name)]
        message = "; ".join(
            [
                f"unknown {kind} {name!r}",
                f"installed: {', '.join(names)}" if names else f"no {kind} is installed",
                *(_unloaded_text(plugin, offers=plugin.distribution in known) for plugin in unloaded),
            ]
        )
        if known and not any(plugin.distribution in known for plugin in self.plugins):
            return PluginError(message, hint=f"pip install {known[0]}")
        if any(plugin.distribution in known for plugin in unloaded):
            return PluginError(message, hint=_remedy(unloaded))
        near = nearest(name.rpartition(":")[2], names)
        if unloaded and not near:
            return PluginError(message, hint=_remedy(unloaded))
        error = UsageError if by_user else PluginError
        return error(message, hint=f"Use {write(near)}" if near else "radfield plugins list")


@lru_cache(maxsize=1)
def get_registry() -> Registry:
    """The registry of this process. The first call discovers the installed plugins."""
    return Registry.discover()


def _known_distributions(kind: str, name: str) -> list[str]:
    """The project's own distribution that offers a part, in a list. The list is empty if there is none."""
    key = f"{kind}:{name.rpartition(':')[2]}"
    return [distribution for distribution, keys in FIRST_PARTY.items() if key in keys]


def _might_offer(plugin: Plugin, kind: str, name: str) -> bool:
    """True if a plugin that is not loaded could offer the part. The parts of the project's own plugins are known."""
    known = FIRST_PARTY.get(plugin.distribution)
    return known is None or f"{kind}:{name.rpartition(':')[2]}" in known


def _remedy(unloaded: Sequence[Plugin]) -> str:
    """A hint that says how to get the given plugins loaded."""
    if all(plugin.status == "disabled" for plugin in unloaded):
        names = " and ".join(plugin.name for plugin in unloaded)
        return f"Unset RADFIELD_DISABLE_PLUGINS, or remove {names} from it"
    return "radfield plugins doctor"


def _unloaded_text(plugin: Plugin, *, offers: bool) -> str:
    verb = "offers" if offers else "may offer"
    state = "disabled" if plugin.status == "disabled" else f"not loaded ({plugin.message})"
    return f"plugin {plugin.name} ({plugin.distribution}), which {verb} it, is {state}"


def _mark_shadowed(plugins: list[Plugin]) -> tuple[Plugin, ...]:
    """Give the status "shadowed" to each plugin that offers a name which another distribution offers too."""
    owners: dict[tuple[str, str], list[str]] = {}
    for plugin in plugins:
        for component in plugin.components:
            for name in component.names:
                owners.setdefault((component.kind, name), []).append(component.distribution)
    rows = []
    for plugin in plugins:
        remarks = []
        for component, name in ((part, name) for part in plugin.components for name in part.names):
            others = [owner for owner in owners[component.kind, name] if owner != component.distribution]
            if others and component.distribution != CORE:
                offered = f"{component.kind}:{name} is also offered by {' and '.join(others)}"
                remarks.append(f"{offered}; write {component.distribution}:{name}")
        rows.append(plugin._replace(status="shadowed", message="; ".join(remarks)) if remarks else plugin)
    return tuple(rows)
