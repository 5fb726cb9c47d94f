"""The registry of installed plugins and their parts. It finds the part that a name refers to.

A part is a component of a run that a plugin offers, such as a field or a sampler.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import pluggy

from radfield_core.errors import BrokenPlugin, PluginError, RadfieldError, UsageError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, Component
from radfield_core.plugins import hookspecs
from radfield_core.plugins.discovery import CORE, Plugin, discover
from radfield_core.plugins.first_party import FIRST_PARTY

UNLOADED = ("error", "incompatible", "disabled")
"""The statuses of a plugin that is not loaded. The parts of such a plugin are unknown."""


class Registry:
    """The installed plugins and the parts that they offer. `get_registry()` returns the registry of this process."""

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
        """Return the parts of one kind."""
        return tuple(component for component in self.components if component.kind == kind)

    def names(self, kind: str) -> list[str]:
        """Return the names of all parts of one kind, sorted. For methods, the names of presets are included."""
        return sorted({name for component in self.of_kind(kind) for name in component.names})

    def candidates(self, kind: str, name: str) -> list[Component]:
        """Return the parts that a name can refer to.

        The name can start with a distribution, as in `acme-hash:hash`. For methods, it can be the name of a preset.
        """
        distribution, _, bare = name.rpartition(":")
        wanted = normalize_distribution(distribution)
        named = [component for component in self.of_kind(kind) if bare in component.names]
        return [component for component in named if not wanted or component.distribution == wanted]

    def find(self, kind: str, name: str, *, home: str | None = None, write: Callable[[str], str] = str) -> Component:
        """Find the part that a name refers to.

        If radfield-core offers a part of that name, that part is returned. If several other distributions offer the
        name, the user must put the distribution in front, as in `acme-hash:hash`.

        In a preset or a default, the name needs no distribution in front: it means the part of the distribution that
        contains the preset or default. If that distribution offers no such part, it means the part of the project's own
        distributions.

        Args:
            kind: kind of the part.
            name: name of the part, with or without its distribution.
            home: the distribution whose preset or default contains the name, or None if the user wrote the name.
            write: a function that formats a name as the user must type it. Hints use this function.

        Raises:
            PluginError: the part is not installed. The hint says how to install it.
            BrokenPlugin: the plugin that offers the part, or that may offer it, failed to load.
            UsageError: the name is unknown, or several distributions offer a part of that name.
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

    def meant(self, kind: str, name: str) -> str:
        """Return the installed name that an unknown name probably means.

        If the unknown name is an alias, return the name for which it stands. Otherwise, return the most similar name,
        or "" if none is similar.
        """
        bare = name.rpartition(":")[2]
        aliases = {alias: each for part in self.of_kind(kind) for alias, each in part.aliases.items()}
        return aliases.get(bare.lower()) or nearest(bare, self.names(kind))

    def spelling(self, component: Component, name: str) -> str:
        """Return the shortest unambiguous name of a part.

        The name includes the distribution only if another distribution also offers a part of that name.
        """
        bare = name.rpartition(":")[2]
        try:
            clear = self.find(component.kind, bare) == component
        except UsageError:
            clear = False
        return bare if clear else f"{component.distribution}:{bare}"

    def _not_found(self, kind: str, name: str, *, by_user: bool, write: Callable[[str], str]) -> RadfieldError:
        """Return the error for a name that refers to no loaded part.

        The hint is for the first of these causes that applies: the distribution of the part is not installed; its
        plugin is not loaded; the name is misspelled; another plugin that is not loaded might offer the part.
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
            return _unloaded_error(unloaded)(message, hint=_remedy(unloaded))
        near = self.meant(kind, name)
        if unloaded and not near:
            return _unloaded_error(unloaded)(message, hint=_remedy(unloaded))
        error = UsageError if by_user else PluginError
        return error(message, hint=f"Use {write(near)}" if near else "radfield plugins list")


@lru_cache(maxsize=1)
def get_registry() -> Registry:
    """Return the registry of this process. The first call discovers the installed plugins."""
    return Registry.discover()


def _known_distributions(kind: str, name: str) -> list[str]:
    """Return a list with the project's own distribution that offers a part. If there is none, the list is empty."""
    key = f"{kind}:{name.rpartition(':')[2]}"
    return [distribution for distribution, keys in FIRST_PARTY.items() if key in keys]


def _might_offer(plugin: Plugin, kind: str, name: str) -> bool:
    """Return True if a plugin that is not loaded could offer the part.

    For the project's own plugins, FIRST_PARTY lists the parts. Every other plugin could offer the part.
    """
    known = FIRST_PARTY.get(plugin.distribution)
    return known is None or f"{kind}:{name.rpartition(':')[2]}" in known


def _unloaded_error(unloaded: Sequence[Plugin]) -> type[PluginError]:
    """Return the class of the error for a part that the given plugins may offer: a disabled plugin is not broken."""
    return PluginError if all(plugin.status == "disabled" for plugin in unloaded) else BrokenPlugin


def _remedy(unloaded: Sequence[Plugin]) -> str:
    """Return a hint that says how the user can get the given plugins loaded."""
    if all(plugin.status == "disabled" for plugin in unloaded):
        names = " and ".join(plugin.name for plugin in unloaded)
        return f"Unset RADFIELD_DISABLE_PLUGINS, or remove {names} from it"
    return "radfield plugins doctor"


def _unloaded_text(plugin: Plugin, *, offers: bool) -> str:
    verb = "offers" if offers else "may offer"
    state = "disabled" if plugin.status == "disabled" else f"not loaded ({plugin.message})"
    return f"plugin {plugin.name} ({plugin.distribution}), which {verb} it, is {state}"


def _mark_shadowed(plugins: list[Plugin]) -> tuple[Plugin, ...]:
    """Mark a plugin as "shadowed" if another distribution also offers a part or preset of the same kind and name.

    Return all plugins. The plugins of radfield-core are never marked.
    """
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
