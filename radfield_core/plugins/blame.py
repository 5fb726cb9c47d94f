"""Find the part of a plugin whose code raised an exception, so that its author and its users know where to look.

This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from traceback import walk_tb
from types import FrameType
from typing import NamedTuple

from radfield_core.plugin import Component
from radfield_core.plugins.discovery import CORE, Plugin

_CORE_PACKAGE = CORE.replace("-", "_")


class Culprit(NamedTuple):
    """The code that raised an exception.

    Attributes:
        owner: the part and its distribution, such as `field:maze (acme-maze)`. If the part is unknown, it is the name
            of the distribution alone.
        hook: name of the function that core called, such as "forward".
    """

    owner: str
    hook: str


def culprit_of(error: BaseException, parts: Iterable[Component], plugins: Iterable[Plugin] = ()) -> Culprit | None:
    """Return the part of a plugin whose code was running when an exception was raised, or None if there is none.

    Code of other packages, such as torch, counts as the code of the plugin that called it. Code of radfield-core does
    not: if core called a plugin that called core again, the plugin is blamed only if the exception passed through it.

    Args:
        error: the exception.
        parts: the parts that may be blamed.
        plugins: plugins that may be blamed, whether or not they have parts.
    """
    known = [part for part in parts if part.distribution != CORE and _package(part.impl) != _CORE_PACKAGE]
    packages = {_package(plugin.module): plugin.distribution for plugin in plugins if plugin.distribution != CORE}
    packages |= {_package(part.impl): part.distribution for part in known}
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    inner = next((i for i, frame in reversed(list(enumerate(frames))) if _package(_module(frame)) in packages), None)
    if inner is None:
        return None
    package = _package(_module(frames[inner]))
    own = []  # frames of the plugin, from the innermost one to the one that core called
    for frame in reversed(frames[: inner + 1]):
        name = _package(_module(frame))
        if name == _CORE_PACKAGE or (name in packages and name != package):
            break
        if name == package:
            own.append(frame)
    return _named(own, [part for part in known if _package(part.impl) == package], packages[package])


def _named(own: list[FrameType], parts: list[Component], distribution: str) -> Culprit:
    """Return the culprit among the parts of a distribution, given the frames of its code, innermost first."""
    for frame in own:
        exact = [part for part in parts if part.impl in _classes(frame)]
        if exact:
            called = [each for each in own if _self(each) is _self(frame)]
            return Culprit(_text(min(exact, key=lambda part: part.key)), called[-1].f_code.co_name)
    if any(_is_model(_self(frame)) for frame in own):
        parts = [part for part in parts if part.kind == "method"]
    here = {part.key: part for part in parts if part.impl.partition(":")[0] == _module(own[0])}
    likely = list(here.values()) or list({part.key: part for part in parts}.values())
    named = _text(likely[0]) if len(likely) == 1 else distribution
    return Culprit(named, own[-1].f_code.co_name)


def _is_model(value: object) -> bool:
    """True for a model, which only methods build. Importing the class `Model` would import torch."""
    return any(base.__module__ == f"{_CORE_PACKAGE}.interfaces.model" for base in type(value).__mro__)


def _self(frame: FrameType) -> object:
    """Return the first argument of a method's frame: the object, or the class for class methods."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return frame.f_locals.get(names[0]) if names else None


def _classes(frame: FrameType) -> set[str]:
    """Return the classes, as "module:Class", of the object whose method runs in a frame, and of the method itself."""
    first = _self(frame)
    owner = first if isinstance(first, type) else type(first)
    return {f"{owner.__module__}:{owner.__name__}", f"{_module(frame)}:{frame.f_code.co_qualname.rpartition('.')[0]}"}


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]


def _text(component: Component) -> str:
    return f"{component.key} ({component.distribution})"
