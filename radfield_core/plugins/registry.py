"""What is installed: plugins, the parts they offer, and what the name of a part means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import pluggy

from radfield_core.errors import PluginError, RadfieldError, UsageError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, Component
from radfield_core.plugins import hookspecs
from radfield_core.plugins.discovery import CORE, Plugin, discover
from radfield_core.plugins.first_party import FIRST_PARTY

_UNLOADED = ("error", "incompatible", "disabled")
"""States of a plugin whose parts are not known."""


class Registry:
    """Installed plugins and the parts they offer. Make one with `Registry.discover()` or take `get_registry()`."""

    def __init__(self, plugins: Iterable[Plugin], hooks: pluggy.PluginManager):
        self.plugins = _mark_shadowed(list(plugins))
        self.hooks = hooks

    @classmethod
    def discover(cls, environ: Mapping[str, str] | None = None) -> Registry:
        """The registry of everything installed, as `discover` finds it under `environ`."""
        hooks = pluggy.PluginManager("radfield")
        hooks.add_hookspecs(hookspecs)
        return cls(discover(hooks, os.environ if environ is None else environ), hooks)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """Every part on offer, ordered by kind, name and distribution."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return tuple(sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.distribution)))

    def of_kind(self, kind: str) -> tuple[Component, ...]:
        """The parts of one kind."""
        return tuple(component for component in self.components if component.kind == kind)

    def names(self, kind: str) -> list[str]:
        """What may be written to choose a part of this kind: every part's name, and every method's presets."""
        return sorted({name for component in self.of_kind(kind) for name in component.names})

    def candidates(self, kind: str, name: str) -> list[Component]:
        """Every part that `name` may mean: `hash`, `acme-hash:hash`, or one of a method's presets."""
        distribution, _, bare = name.rpartition(":")
        wanted = normalize_distribution(distribution)
        named = [component for component in self.of_kind(kind) if bare in component.names]
        return [component for component in named if not wanted or component.distribution == wanted]

    def find(self, kind: str, name: str, *, home: str | None = None) -> Component:
        """The part that `name` means.

        A bare name means core's part if core has one. Of several others it means none, unless the name was not written
        by a user but by a preset or a default: then `home`, the distribution that wrote it, and after it the
        distribution known for the part, are preferred.

        Raises PluginError if the part is missing, with which plugin failed to load or how to install it; UsageError if
        the name is nobody's or several's, with the nearest name and what is installed.
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
            raise UsageError(
                f"{kind} {name!r} is offered by {' and '.join(c.distribution for c in found)}",
                hint=f"write {' or '.join(f'{c.distribution}:{name}' for c in found)}",
            )
        raise self._not_found(kind, name, written=home is None)

    def spelling(self, component: Component, name: str) -> str:
        """How to write `name` so that it always means `component`: bare where that is clear."""
        bare = name.rpartition(":")[2]
        try:
            clear = self.find(component.kind, bare) == component
        except UsageError:
            clear = False
        return bare if clear else f"{component.distribution}:{bare}"

    def _not_found(self, kind: str, name: str, *, written: bool) -> RadfieldError:
        """The error for a name that means nothing here; `written` by a user, not by a preset or a default."""
        names = self.names(kind)
        parts = [f"unknown {kind} {name!r}", f"installed: {', '.join(names)}" if names else f"no {kind} is installed"]
        known = _known_distributions(kind, name)
        unloaded = [p for p in self.plugins if p.status in _UNLOADED and _might_offer(p, kind, name)]
        for plugin in unloaded:
            offers = "which offers it" if plugin.distribution in known else "which may offer it"
            parts.append(f"plugin {plugin.name} ({plugin.distribution}), {offers}, is {_state(plugin)}")
        near = nearest(name.rpartition(":")[2], names)
        error: type[RadfieldError] = PluginError
        known_unloaded = any(plugin.distribution in known for plugin in unloaded)
        if not known_unloaded and known and known[0] not in {plugin.distribution for plugin in self.plugins}:
            hint = f"pip install {known[0]}"
        elif known_unloaded or (unloaded and not near):
            hint = _remedy(unloaded)
        else:
            error, hint = UsageError if written else PluginError, near or "radfield plugins list"
        return error("; ".join(parts), hint=hint)


@lru_cache(maxsize=1)
def get_registry() -> Registry:
    """The registry of this process, discovered when first asked for."""
    return Registry.discover()


def _known_distributions(kind: str, name: str) -> list[str]:
    """First-party distributions known to offer a part, as a list of none or one."""
    key = f"{kind}:{name.rpartition(':')[2]}"
    return [distribution for distribution, keys in FIRST_PARTY.items() if key in keys]


def _might_offer(plugin: Plugin, kind: str, name: str) -> bool:
    """Whether a plugin that did not load might have offered the part: unless it is known for others only."""
    known = FIRST_PARTY.get(plugin.distribution)
    return known is None or f"{kind}:{name.rpartition(':')[2]}" in known


def _remedy(unloaded: Sequence[Plugin]) -> str:
    if all(plugin.status == "disabled" for plugin in unloaded):
        names = " and ".join(plugin.name for plugin in unloaded)
        return f"RADFIELD_DISABLE_PLUGINS unset, or without {names}"
    return "radfield plugins doctor"


def _state(plugin: Plugin) -> str:
    return "disabled" if plugin.status == "disabled" else f"not loaded ({plugin.message})"


def _mark_shadowed(plugins: list[Plugin]) -> tuple[Plugin, ...]:
    """The plugins, those with a part or preset that its bare name does not mean marked as shadowed."""
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
