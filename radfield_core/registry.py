"""What is installed: plugins discovered one by one, so that a broken one takes nothing else down, and their parts.

Discovery imports each plugin's declaration and nothing else. A declaration that imports torch or numpy is stopped at
that line, which keeps `radfield plugins list` quick whatever is installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy

from radfield_core import API_VERSION, hookspecs
from radfield_core.capabilities import vocabulary_faults
from radfield_core.errors import PluginError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, Component

GROUP = "radfield.plugins"
CORE = "radfield-core"
FORBIDDEN = ("torch", "numpy")
"""What a declaration may not import: they cost seconds and tenths of seconds at every start."""

FIRST_PARTY: dict[str, tuple[str, ...]] = {
    "radfield-synthetic": ("dataparser:synthetic",),
    "radfield-blender": (
        "dataparser:blender",
        "dataparser:blender-multiscale",
        "dataparser:tiny-nerf",
        "converter:multiscale",
    ),
    "radfield-llff": ("dataparser:llff",),
    "radfield-dtu": ("dataparser:dtu",),
    "radfield-transforms": ("dataparser:transforms",),
    "radfield-colmap": ("dataparser:colmap",),
    "radfield-frequency": ("encoding:frequency",),
    "radfield-ipe": ("encoding:ipe",),
    "radfield-hash": ("encoding:hash",),
    "radfield-sh": ("encoding:sh",),
    "radfield-occupancy": ("sampler:occupancy",),
    "radfield-nerf": ("method:nerf", "method:tiny-nerf", "field:nerf"),
    "radfield-mipnerf": ("method:mipnerf", "field:mipnerf", "sampler:mip"),
    "radfield-ngp": ("method:ngp", "field:ngp"),
    "radfield-neus": (
        "method:neus",
        "method:neus-fast",
        "field:neus",
        "field:inverted-sphere",
        "sampler:neus",
        "sampler:inverted-sphere",
    ),
    "radfield-mesh": ("exporter:mesh", "exporter:pointcloud", "metric:chamfer", "metric:point-to-mesh"),
}
"""Known distributions and their parts, so that a missing part can name the `pip install` line."""


class Plugin(NamedTuple):
    """One row of `radfield plugins list`.

    status: ok · error (raised, or breaks a rule) · incompatible (written for another interface) · disabled (by
    RADFIELD_DISABLE_PLUGINS) · shadowed (works, but some part is not reached by its bare name).
    """

    name: str
    distribution: str
    version: str
    module: str
    status: str
    message: str = ""
    traceback: str = ""
    components: tuple[Component, ...] = ()


class _Fault(Exception):
    """A declaration breaks a rule; `status` says which kind."""

    def __init__(self, status: str, message: str):
        self.status = status
        super().__init__(message)


class _Stop:
    """A finder on sys.meta_path that refuses slow packages while a declaration is imported, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        top = name.partition(".")[0]
        if top in FORBIDDEN:
            self.asked.append(top)
            raise ImportError(f"a plugin's declaration may not import {top}; import it in the module of the part")


class Registry:
    """Installed plugins and the parts they offer. Make one with `Registry.discover()` or take `get_registry()`."""

    def __init__(self, plugins: Iterable[Plugin], hooks: pluggy.PluginManager):
        self.plugins = _mark_shadowed(list(plugins))
        self.hooks = hooks

    @classmethod
    def discover(cls, environ: Mapping[str, str] | None = None) -> Registry:
        """Import every plugin's declaration, in the order of (distribution, name), each on its own.

        RADFIELD_DISABLE_PLUGINS names plugins or distributions to leave out, `*` all but core's own;
        RADFIELD_STRICT_PLUGINS=1 raises PluginError for the first that does not load.
        """
        environ = os.environ if environ is None else environ
        disabled = {name.strip() for name in environ.get("RADFIELD_DISABLE_PLUGINS", "").split(",") if name.strip()}
        hooks = pluggy.PluginManager("radfield")
        hooks.add_hookspecs(hookspecs)
        plugins = []
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_distribution(entry)[0], entry.name)):
            plugin = _load(entry, hooks, disabled)
            if plugin.status in ("error", "incompatible") and environ.get("RADFIELD_STRICT_PLUGINS") == "1":
                raise PluginError(plugin.message, path=f"plugin {plugin.name}", hint="radfield plugins doctor")
            plugins.append(plugin)
        return cls(plugins, hooks)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """Every part on offer, ordered by kind, name and distribution."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return tuple(sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.distribution)))

    def of_kind(self, kind: str) -> tuple[Component, ...]:
        """The parts of one kind."""
        return tuple(component for component in self.components if component.kind == kind)

    def candidates(self, kind: str, name: str) -> list[Component]:
        """Every part that `name` may mean: `hash`, `acme-hash:hash`, or one of a method's presets."""
        distribution, _, bare = name.rpartition(":")
        wanted = normalize_distribution(distribution)
        named = [c for c in self.of_kind(kind) if c.name == bare] or [c for c in self.of_kind(kind) if bare in c.preset]
        return [c for c in named if not wanted or c.distribution == wanted]

    def find(self, kind: str, name: str, *, home: str | None = None) -> Component:
        """The part that `name` means.

        A bare name means core's part if core has one. Of several others it means none, unless the name was not written
        by a user but by a preset or a default: then `home`, the distribution that wrote it, and after it the
        distribution known for the part, are preferred.

        Raises PluginError with the nearest name, what is installed, which plugin failed to load, and how to install it.
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
            raise PluginError(
                f"{kind} {name!r} is offered by {' and '.join(c.distribution for c in found)}",
                hint=f"write {' or '.join(f'{c.distribution}:{name}' for c in found)}",
            )
        raise self._not_found(kind, name)

    def spelling(self, component: Component, name: str) -> str:
        """How to write `name` so that it always means `component`: bare where that is clear."""
        bare = name.rpartition(":")[2]
        try:
            clear = self.find(component.kind, bare) == component
        except PluginError:
            clear = False
        return bare if clear else f"{component.distribution}:{bare}"

    def _not_found(self, kind: str, name: str) -> PluginError:
        names = sorted({n for c in self.of_kind(kind) for n in (c.name, *c.preset)})
        parts = [f"unknown {kind} {name!r}"]
        near = nearest(name.rpartition(":")[2], names)
        parts.append(f"installed: {', '.join(names)}" if names else f"no {kind} is installed")
        broken = [p for p in self.plugins if p.status in ("error", "incompatible", "disabled")]
        might = [p for p in broken if _might_offer(p, kind, name)]
        if might:
            parts += [f"plugin {p.name} ({p.distribution}), which may offer it, is {_state(p)}" for p in might]
        known = _known_distributions(kind, name)
        installed = {p.distribution for p in self.plugins}
        if might:
            hint = "radfield plugins doctor"
        elif known and known[0] not in installed:
            hint = f"pip install {known[0]}"
        elif near:
            hint = near
        else:
            hint = "radfield plugins list"
        return PluginError("; ".join(parts), hint=hint)


@lru_cache(maxsize=1)
def get_registry() -> Registry:
    """The registry of this process, discovered when first asked for."""
    return Registry.discover()


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Normalised name and version of the distribution that declares an entry point.

    Reads the two lines itself: importlib.metadata parses whole READMEs for them, several milliseconds a plugin.
    """
    if entry.dist is None:
        return "", ""
    text = entry.dist.read_text("METADATA") or entry.dist.read_text("PKG-INFO") or ""
    head = dict(line.partition(":")[::2] for line in text.partition("\n\n")[0].splitlines())
    return normalize_distribution(head.get("Name", "").strip()), head.get("Version", "").strip()


def _traceback() -> str:
    """The traceback of the exception being handled."""
    from traceback import format_exc

    return format_exc()


def _known_distributions(kind: str, name: str) -> list[str]:
    """First-party distributions known to offer a part, as a list of none or one."""
    key = f"{kind}:{name.rpartition(':')[2]}"
    return [distribution for distribution, keys in FIRST_PARTY.items() if key in keys]


def _might_offer(plugin: Plugin, kind: str, name: str) -> bool:
    """Whether a plugin that did not load might have offered the part: unless it is known for others only."""
    known = FIRST_PARTY.get(plugin.distribution)
    return known is None or f"{kind}:{name.rpartition(':')[2]}" in known


def _state(plugin: Plugin) -> str:
    return "disabled" if plugin.status == "disabled" else f"not loaded ({plugin.message})"


def _load(entry: EntryPoint, hooks: pluggy.PluginManager, disabled: set[str]) -> Plugin:
    """One plugin, whatever happens while it is imported; only KeyboardInterrupt gets through."""
    distribution, version = _distribution(entry)
    row = Plugin(entry.name, distribution, version, entry.value, "ok")
    if distribution != CORE and disabled & {"*", entry.name, distribution}:
        return row._replace(status="disabled", message="named in RADFIELD_DISABLE_PLUGINS")
    try:
        module = _import_declaration(entry.value)
        components = tuple(c._replace(distribution=distribution, plugin=entry.name) for c in _declared(module))
        hooks.register(module, f"{distribution}:{entry.name}")
        return row._replace(components=components)
    except KeyboardInterrupt:
        raise
    except _Fault as fault:
        return row._replace(status=fault.status, message=str(fault), traceback=_traceback())
    except BaseException as error:  # a plugin that calls sys.exit() must not end the program
        text = " ".join(str(error).split())
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return row._replace(status="error", message=message, traceback=_traceback())


def _import_declaration(name: str) -> Any:
    """The module, imported with slow packages out of reach."""
    stop = _Stop()
    sys.meta_path.insert(0, stop)
    try:
        module = import_module(name)
    finally:
        sys.meta_path.remove(stop)
    if stop.asked:  # it caught the ImportError
        raise _Fault("error", f"its declaration imports {stop.asked[0]}; import it in the module of the part")
    return module


def _declared(module: Any) -> list[Component]:
    """The parts that a declaration offers, once it is known to keep the rules."""
    _check_version(getattr(module, "RADFIELD_API", None))
    _check_hooks(module)
    if not hasattr(module, "radfield_components"):
        return []
    components = list(module.radfield_components())
    faults = [fault for component in components for fault in _component_faults(component)]
    keys = [c.key for c in components if isinstance(c, Component)]
    faults += [f"{key} is declared twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
    if faults:
        raise _Fault("error", "; ".join(faults))
    return components


def _check_version(declared: Any) -> None:
    """Same major, and no newer minor than ours: a plugin may need what we do not have yet."""
    if not (isinstance(declared, tuple) and len(declared) == 2 and all(type(part) is int for part in declared)):
        raise _Fault("error", f"RADFIELD_API must be a pair such as {API_VERSION}, not {declared!r}")
    if declared[0] != API_VERSION[0] or declared[1] > API_VERSION[1]:
        wants, ours = (".".join(map(str, version)) for version in (declared, API_VERSION))
        newer = "radfield-core" if declared > API_VERSION else "the plugin"
        raise _Fault("incompatible", f"written for interface {wants}, this is {ours}; upgrade {newer}")


def _check_hooks(module: Any) -> None:
    """Every hook is one of ours, marked, and takes parameters that the hook has."""
    known = {name for name in vars(hookspecs) if name.startswith("radfield_")}
    for name, value in vars(module).items():
        marked = hasattr(value, "radfield_impl")
        if not callable(value) or not (marked or name.startswith("radfield_")):
            continue
        if name not in known:
            near = nearest(name, known)
            meant = f"; did you mean {near}?" if near else f"; the hooks are {', '.join(sorted(known))}"
            raise _Fault("error", f"unknown hook {name}{meant}")
        if not marked:
            raise _Fault("error", f"{name} is not marked with @hookimpl")


def _component_faults(component: Any) -> list[str]:
    """What is wrong with one declared part."""
    if not isinstance(component, Component):
        return [f"radfield_components must return what component(…) makes, not {component!r}"]
    faults = []
    if component.kind not in KINDS:
        near = nearest(component.kind, KINDS)
        faults.append(f"unknown kind {component.kind!r}" + (f"; did you mean {near}?" if near else ""))
    if not component.name or not component.name.replace("-", "").replace("_", "").isalnum():
        faults.append(f"{component.name!r} is no name for a part: letters, digits and hyphens")
    references = {name: getattr(component, name) for name in ("impl", "config", "capabilities", "sniff", "writer")}
    for name, reference in references.items():
        if reference is not None and not all(reference.partition(":")[::2]):
            faults.append(f"{component.key}: {name}={reference!r} is not 'module:attribute'")
    return faults + [f"{component.key}: {fault}" for fault in vocabulary_faults(component)]


def _mark_shadowed(plugins: list[Plugin]) -> tuple[Plugin, ...]:
    """The plugins, those with a part that its bare name does not mean marked as shadowed."""
    owners: dict[str, list[str]] = {}
    for plugin in plugins:
        for component in plugin.components:
            owners.setdefault(component.key, []).append(component.distribution)
    rows = []
    for plugin in plugins:
        remarks = []
        for component in plugin.components:
            others = [owner for owner in owners[component.key] if owner != component.distribution]
            if others and component.distribution != CORE:
                write = f"{component.distribution}:{component.name}"
                remarks.append(f"{component.key} is also offered by {' and '.join(others)}; write {write}")
        rows.append(plugin._replace(status="shadowed", message="; ".join(remarks)) if remarks else plugin)
    return tuple(rows)
