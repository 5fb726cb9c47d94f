"""Discovery of plugins: each declaration is imported on its own, so that a broken one does not affect the others.

Only declarations are imported. A declaration that imports torch or numpy is stopped at that line, which keeps
`radfield plugins list` fast for any set of plugins.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy

from radfield_core import API_VERSION
from radfield_core.errors import PluginError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, Component
from radfield_core.plugins import hookspecs
from radfield_core.plugins.vocabulary import vocabulary_faults

GROUP = "radfield.plugins"
CORE = "radfield-core"
FORBIDDEN = ("torch", "numpy")
"""Packages that a declaration must not import: they would add seconds to every start."""


class Plugin(NamedTuple):
    """One row of `radfield plugins list`.

    Attributes:
        name: name of the entry point.
        distribution: distribution that installs the plugin, normalized.
        version: version of the distribution.
        module: module of the declaration.
        status: "ok"; "error" (the declaration raised or breaks a rule); "incompatible" (it is written for another
            version of the interface); "disabled" (by RADFIELD_DISABLE_PLUGINS); "shadowed" (it is loaded, but the bare
            name of a part or preset means another part).
        message: the reason, unless the status is "ok".
        traceback: the traceback, if the declaration is not loaded.
        components: the parts, if the declaration is loaded.
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
    """A declaration breaks a rule; `status` is the status of its plugin."""

    def __init__(self, status: str, message: str):
        self.status = status
        super().__init__(message)


class _Stop:
    """A finder for sys.meta_path that refuses slow packages while a declaration is imported, and records them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        top = name.partition(".")[0]
        if top in FORBIDDEN:
            self.asked.append(top)
            raise ImportError(f"a plugin's declaration may not import {top}; import it in the module of the part")


def discover(hooks: pluggy.PluginManager, environ: Mapping[str, str]) -> list[Plugin]:
    """All plugins, sorted by distribution and name; the hooks of the loaded ones are registered.

    Args:
        hooks: gets the hooks.
        environ: environment variables. RADFIELD_DISABLE_PLUGINS lists plugins or distributions that are not loaded; `*`
            means all but core's own. RADFIELD_STRICT_PLUGINS=1 makes the first plugin that cannot be loaded an error.

    Raises:
        PluginError: a plugin cannot be loaded, under RADFIELD_STRICT_PLUGINS=1.
    """
    disabled = {name.strip() for name in environ.get("RADFIELD_DISABLE_PLUGINS", "").split(",") if name.strip()}
    plugins = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_distribution(entry)[0], entry.name)):
        plugin = _load(entry, hooks, disabled)
        if plugin.status in ("error", "incompatible") and environ.get("RADFIELD_STRICT_PLUGINS") == "1":
            raise PluginError(plugin.message, path=f"plugin {plugin.name}", hint="radfield plugins doctor")
        plugins.append(plugin)
    return plugins


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Normalized name and version of the distribution that declares an entry point.

    Only the head of the metadata is read: importlib.metadata would parse the whole README, which takes milliseconds.
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


def _load(entry: EntryPoint, hooks: pluggy.PluginManager, disabled: set[str]) -> Plugin:
    """One plugin; anything that its import raises, except KeyboardInterrupt, becomes its status and message."""
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
    """The module of a declaration, imported while slow packages cannot be imported."""
    stop = _Stop()
    sys.meta_path.insert(0, stop)
    try:
        module = import_module(name)
    finally:
        sys.meta_path.remove(stop)
    if stop.asked:  # the declaration caught the ImportError
        raise _Fault("error", f"its declaration imports {stop.asked[0]}; import it in the module of the part")
    return module


def _declared(module: Any) -> list[Component]:
    """The parts of a declaration. Raises _Fault if the declaration breaks a rule."""
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
    """Raise _Fault unless the declared interface has our major version, and at most our minor version."""
    if not (isinstance(declared, tuple) and len(declared) == 2 and all(type(part) is int for part in declared)):
        raise _Fault("error", f"RADFIELD_API must be a pair such as {API_VERSION}, not {declared!r}")
    if declared[0] != API_VERSION[0] or declared[1] > API_VERSION[1]:
        wants, ours = (".".join(map(str, version)) for version in (declared, API_VERSION))
        newer = "radfield-core" if declared > API_VERSION else "the plugin"
        raise _Fault("incompatible", f"written for interface {wants}, but this is {ours}; upgrade {newer}")


def _check_hooks(module: Any) -> None:
    """Raise _Fault for a hook that does not exist or is not marked."""
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
    """Sentences about the rules that one declared part breaks."""
    if not isinstance(component, Component):
        return [f"radfield_components must return results of component(…), not {component!r}"]
    faults = []
    if component.kind not in KINDS:
        near = nearest(component.kind, KINDS)
        faults.append(f"unknown kind {component.kind!r}" + (f"; did you mean {near}?" if near else ""))
    if not component.name or not component.name.replace("-", "").replace("_", "").isalnum():
        faults.append(f"{component.name!r} is not a name for a part: use letters, digits, hyphens and underscores")
    references = {name: getattr(component, name) for name in ("impl", "config", "capabilities", "sniff", "writer")}
    for name, reference in references.items():
        if reference is not None and not all(reference.partition(":")[::2]):
            faults.append(f"{component.key}: {name}={reference!r} is not 'module:attribute'")
    return faults + [f"{component.key}: {fault}" for fault in vocabulary_faults(component)]
