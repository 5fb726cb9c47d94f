"""All that a plugin's declaration imports: `hookimpl`, `component` and `Component`. No torch, numpy, attrs.

A plugin is a module named by an entry point of the group `radfield.plugins`:

    from radfield_core.plugin import component, hookimpl

    RADFIELD_API = (1, 0)

    @hookimpl
    def radfield_components():
        return [
            component(
                "encoding", "fourier", impl="acme.fourier:Fourier", config="acme.config:FourierConfig",
                summary="random Fourier features", provides={"points", "grad", "grad2"},
            )
        ]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

KINDS = ("dataparser", "encoding", "field", "sampler", "renderer", "method", "exporter", "metric", "converter")

_F = TypeVar("_F")


def hookimpl(function: _F) -> _F:
    """The function, marked as an implementation of the hook it is named after.

    This sets the attribute that pluggy's marker for the project "radfield" sets, so that a declaration imports nothing.
    """
    options = {name: False for name in ("wrapper", "hookwrapper", "optionalhook", "tryfirst", "trylast")}
    setattr(function, "radfield_impl", {**options, "specname": None})  # noqa: B010
    return function


class Component(NamedTuple):
    """What a plugin says about one part, in names and strings: nothing is imported until the part is used."""

    kind: str
    name: str
    impl: str
    config: str
    summary: str
    provides: frozenset[str]
    requires: Mapping[str, frozenset[str]]
    preset: Mapping[str, str]
    capabilities: str | None
    sniff: str | None
    writer: str | None
    distribution: str = ""
    plugin: str = ""

    @property
    def key(self) -> str:
        """`kind:name`, as listed."""
        return f"{self.kind}:{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """What may be written to choose the part: its name, then its other presets'."""
        return tuple(dict.fromkeys((self.name, *self.preset)))


def component(
    kind: str,
    name: str,
    *,
    impl: str,
    config: str,
    summary: str,
    provides: Iterable[str] = (),
    requires: Mapping[str, Iterable[str]] | None = None,
    preset: str | Mapping[str, str] | None = None,
    capabilities: str | None = None,
    sniff: str | None = None,
    writer: str | None = None,
) -> Component:
    """Declare one part.

    kind: one of `KINDS`. name: what users write. impl, config: "package.module:Class" of the part and of its options.
    provides: capability words (`radfield_core.config.fit`; a third party's own words are written "acme.word").
    requires: slot -> words that the part in that slot must provide; "points|gaussians" means either. Slots are those of
    the part's own options ("encoding") and, for methods and samplers, those of the run ("field", "sampler", "data").
    preset: for methods, TOML files beside the declaration ("package:presets/neus.toml"); one, or several by name, of
    which the one named like the method is the default.
    capabilities: "module:function" that takes the options and returns (provides, requires) to add to those declared,
    for what depends on options or hardware; it must not import torch.
    sniff: for dataparsers, "module:function": path -> reason or None, without torch.
    writer: for dataparsers, "module:function" that writes a scene in the format (`radfield data make --format`).
    """
    presets = {name: preset} if isinstance(preset, str) else dict(preset or {})
    needs = {slot: frozenset(words) for slot, words in (requires or {}).items()}
    return Component(
        kind, name, impl, config, summary, frozenset(provides), needs, presets, capabilities, sniff, writer
    )


def load(reference: str) -> Any:
    """The object that "package.module:attribute" names. References come from declarations, never from files."""
    from importlib import import_module

    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def load_of(component: Component, reference: str) -> Any:
    """What a declaration refers to; PluginError names the distribution whose code cannot be imported."""
    try:
        return load(reference)
    except Exception as error:  # another's code: anything may happen
        from radfield_core.errors import PluginError

        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"{component.key} of {component.distribution} cannot be imported: {text}",
            hint="radfield plugins doctor",
        ) from error
