"""How a part declares its options: `option` for a value, `slot` for a place that takes another part.

@attrs.frozen(kw_only=True)
class FieldConfig:
    width: int = option(256, help="units per hidden layer", min=1)
    encoding: Choice = slot("encoding", default="frequency", help="encoding of positions")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from radfield_core.plugin import Component, load_of

_MISSING: Any = attrs.NOTHING


@attrs.frozen
class Slot:
    """A place for a part of one kind; `default` is what fills it when nothing is written: a name or a table."""

    kind: str
    default: str | Mapping[str, Any] | None
    optional: bool


@attrs.frozen
class Choice:
    """A chosen part: the name as written, its declaration and its options."""

    name: str
    component: Component
    config: Any

    @property
    def kind(self) -> str:
        """The kind of the part."""
        return self.component.kind

    def load(self) -> Any:
        """The class that implements the part; imports its code. Raises PluginError if that fails."""
        return load_of(self.component, self.component.impl)


@attrs.frozen
class Range:
    """What a number may be; `None` is no limit. Bounds are inclusive unless `exclusive_min`."""

    min: float | None = None
    max: float | None = None
    exclusive_min: bool = False

    def fault(self, value: Any) -> str | None:
        """Why the value is not allowed, or None. Applies to each element of a sequence."""
        if isinstance(value, (list, tuple)):
            return next((fault for item in value if (fault := self.fault(item))), None)
        if value is None or isinstance(value, (str, bool)):
            return None
        if self.min is not None and (value < self.min or (self.exclusive_min and value == self.min)):
            return f"{value} is too small: {'more than' if self.exclusive_min else 'at least'} {self.min:.10g}"
        if self.max is not None and value > self.max:
            return f"{value} is too large: at most {self.max:.10g}"
        return None


def option(
    default: Any = _MISSING,
    *,
    help: str,
    min: float | None = None,
    max: float | None = None,
    exclusive_min: bool = False,
) -> Any:
    """An option with its default, one-line help and range. Mutable defaults are given as tuples or factories."""
    limits = Range(min, max, exclusive_min)
    return attrs.field(default=default, metadata={"help": help, "range": limits})


def slot(kind: str, *, default: str | Mapping[str, Any] | None = None, help: str, optional: bool = False) -> Any:
    """A place for a part. Without a default it must be filled, unless `optional`, when it may stay None."""
    return attrs.field(metadata={"help": help, "slot": Slot(kind, default, optional)})
