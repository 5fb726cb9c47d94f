"""Discover the installed plugins. An error in one plugin does not affect the others.

A plugin offers parts, such as fields and samplers. The module that lists them is the plugin's declaration. Discovery
imports only the declaration, not the code of the parts. If a declaration tries to import torch or numpy, ImportError
is raised. `radfield plugins list` therefore stays fast, whatever plugins are installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy

from radfield_core import API_VERSION
from radfield_core.errors import BrokenPlugin
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, MODEL_SLOTS, REFERENCES, Component, Output
from radfield_core.plugins import hookspecs
from radfield_core.plugins.vocabulary import vocabulary_faults

GROUP = "radfield.plugins"
CORE = "radfield-core"
FORBIDDEN = ("torch", "numpy")
"""Packages that a declaration must not import. Importing them would add seconds to the start of every command."""


class Plugin(NamedTuple):
    """An installed plugin, as one row of `radfield plugins list`.

    Attributes:
        name: name of the entry point.
        distribution: normalized name of the distribution that installs the plugin.
        version: version of the distribution.
        module: module that declares the plugin's parts.
        status: "ok", "error", "incompatible", "disabled" or "shadowed". "error" means that the declaration raised an
            error or breaks a rule. "incompatible" means that the plugin is written for another version of the plugin
            interface. "disabled" means that RADFIELD_DISABLE_PLUGINS lists the plugin. "shadowed" means that the plugin
            is loaded, but another plugin also offers a part or preset of the same name.
        message: the reason for the status, or "" if the status is "ok".
        traceback: the traceback as text, if loading the declaration failed.
        components: the plugin's parts, if the declaration is loaded.
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
    """The error for a declaration that breaks a rule. `status` becomes the status of the plugin."""

    def __init__(self, status: str, message: str):
        self.status = status
        super().__init__(message)


class _Stop:
    """A finder for sys.meta_path that raises ImportError for the packages in FORBIDDEN, and lists them in `asked`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        top = name.partition(".")[0]
        if top in FORBIDDEN:
            self.asked.append(top)
            raise ImportError(f"a plugin's declaration must not import {top}; import it in the module of the part")


def discover(hooks: pluggy.PluginManager, environ: Mapping[str, str]) -> list[Plugin]:
    """Load all installed plugins, register their hooks, and return the plugins sorted by distribution and name.

    Args:
        hooks: the plugin manager in which the hooks are registered.
        environ: environment variables. RADFIELD_DISABLE_PLUGINS lists plugins or distributions that must not be loaded.
            In that list, `*` stands for all plugins except those of radfield-core. If RADFIELD_STRICT_PLUGINS is 1, the
            first plugin that cannot be loaded raises an error.

    Raises:
        BrokenPlugin: RADFIELD_STRICT_PLUGINS is 1 and a plugin cannot be loaded.
    """
    disabled = {name.strip() for name in environ.get("RADFIELD_DISABLE_PLUGINS", "").split(",") if name.strip()}
    plugins = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_distribution(entry)[0], entry.name)):
        plugin = _load(entry, hooks, disabled)
        if plugin.status in ("error", "incompatible") and environ.get("RADFIELD_STRICT_PLUGINS") == "1":
            raise BrokenPlugin(plugin.message, path=f"plugin {plugin.name}", hint="radfield plugins doctor")
        plugins.append(plugin)
    return plugins


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Return the normalized name and the version of the distribution that declares an entry point.

    Only the header of the metadata is read. importlib.metadata would also parse the README, which takes milliseconds.
    """
    if entry.dist is None:
        return "", ""
    text = entry.dist.read_text("METADATA") or entry.dist.read_text("PKG-INFO") or ""
    head = dict(line.partition(":")[::2] for line in text.partition("\n\n")[0].splitlines())
    return normalize_distribution(head.get("Name", "").strip()), head.get("Version", "").strip()


def _traceback() -> str:
    """Return the traceback of the current exception as text."""
    from traceback import format_exc

    return format_exc()


def _load(entry: EntryPoint, hooks: pluggy.PluginManager, disabled: set[str]) -> Plugin:
    """Load one plugin. If loading raises an exception, describe it in the plugin's status and message.

    Only KeyboardInterrupt is raised again.
    """
    distribution, version = _distribution(entry)
    row = Plugin(entry.name, distribution, version, entry.value, "ok")
    if distribution != CORE and disabled & {"*", entry.name, distribution}:
        return row._replace(status="disabled", message="listed in RADFIELD_DISABLE_PLUGINS")
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
    """Import the module of a declaration. During the import, the packages in FORBIDDEN cannot be imported."""
    stop = _Stop()
    sys.meta_path.insert(0, stop)
    try:
        module = import_module(name)
    finally:
        sys.meta_path.remove(stop)
    if stop.asked:  # the declaration tried to import a forbidden package, and caught the ImportError
        raise _Fault("error", f"the plugin's declaration imports {stop.asked[0]}; import it in the module of the part")
    return module


def _declared(module: Any) -> list[Component]:
    """Return the parts that a module declares. Raises _Fault if the declaration breaks a rule."""
    _check_version(getattr(module, "RADFIELD_API", None))
    _check_hooks(module)
    if not hasattr(module, "radfield_components"):
        return []
    components = list(module.radfield_components())
    faults = [fault for component in components for fault in _component_faults(component)]
    keys = [f"{c.kind}:{name}" for c in components if isinstance(c, Component) for name in c.names]
    faults += [f"{key} is declared twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
    if faults:
        raise _Fault("error", "; ".join(faults))
    return components


def _check_version(declared: Any) -> None:
    """Check the version of the plugin interface that a declaration states.

    Raises _Fault if the version is not a pair of integers, if its major part differs from that of radfield-core, or if
    its minor part is higher than that of radfield-core.
    """
    if not (isinstance(declared, tuple) and len(declared) == 2 and all(type(part) is int for part in declared)):
        raise _Fault("error", f"RADFIELD_API must be a pair such as {API_VERSION}, not {declared!r}")
    if declared[0] != API_VERSION[0] or declared[1] > API_VERSION[1]:
        wants, ours = (".".join(map(str, version)) for version in (declared, API_VERSION))
        newer = "radfield-core" if declared > API_VERSION else "the plugin"
        raise _Fault(
            "incompatible", f"written for plugin interface {wants}, but radfield-core has {ours}; upgrade {newer}"
        )


def _check_hooks(module: Any) -> None:
    """Raise _Fault if a function implements an unknown hook, or if it has the name of a hook but lacks @hookimpl."""
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
    """Return one message for each rule that a declared part breaks."""
    if not isinstance(component, Component):
        return [f"radfield_components must return results of component(…), not {component!r}"]
    faults = []
    if component.kind not in KINDS:
        near = nearest(component.kind, KINDS)
        faults.append(f"unknown kind {component.kind!r}" + (f"; did you mean {near}?" if near else ""))
    if not component.name or not component.name.replace("-", "").replace("_", "").isalnum():
        faults.append(f"{component.name!r} is not a valid name: use only letters, digits, hyphens and underscores")
    references = {name: getattr(component, name) for name in REFERENCES}
    for name, reference in references.items():
        if reference is not None and not all(reference.partition(":")[::2]):
            faults.append(f"{component.key}: {name}={reference!r} is not 'module:attribute'")
    faults += _output_faults(component)
    faults += [f"{component.key}: {fault}" for fault in _slot_faults(component)]
    for alias, name in component.aliases.items():
        if name not in component.names:
            faults.append(f"{component.key}: the alias {alias!r} stands for {name!r}, which the part does not offer")
    return faults + [f"{component.key}: {fault}" for fault in vocabulary_faults(component)]


def _output_faults(component: Component) -> list[str]:
    """Return what is wrong with the declaration of what a part writes."""
    writes: Any = component.writes
    if component.kind != "exporter":
        return [] if writes is None else [f"{component.key}: only exporters declare writes"]
    if not isinstance(writes, Output):
        wanted = 'writes=Output.file("ply") or writes=Output.folder()'
        return [f"{component.key}: an exporter must declare what it writes: {wanted}, not {writes!r}"]
    wrong = [ending for ending in writes.endings if not ending.isalnum()]
    return [f"{component.key}: {ending!r} is not an ending without a dot, such as 'ply'" for ending in wrong]


def _slot_faults(component: Component) -> list[str]:
    """Return one message for each rule that the slots of a method break."""
    if component.kind != "method":
        return [] if component.slots == MODEL_SLOTS else ["only a method can declare slots"]
    unknown = [name for name in component.slots if name not in MODEL_SLOTS]
    faults = [f"unknown slot {name!r}; the slots are {', '.join(MODEL_SLOTS)}" for name in unknown]
    unused = [name for name in MODEL_SLOTS if name not in component.slots]
    faults += [
        f"requires something of the slot {name!r}, but does not use it" for name in unused if name in component.requires
    ]
    if component.provides and "field" in component.slots:
        faults.append("provides capabilities, but uses the slot 'field', whose part provides them")
    return faults
