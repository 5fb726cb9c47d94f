"""Declare options: `option` declares one that takes a value, `slot` one that takes another part.

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
    """A slot: an option that takes a part of one kind.

    Attributes:
        kind: kind of the part, such as "encoding".
        default: name of the part that fills the slot by default, or a table with its name and options.
        optional: True if the slot may be empty.
    """

    kind: str
    default: str | Mapping[str, Any] | None
    optional: bool


@attrs.frozen
class Choice:
    """A part that was chosen for a slot.

    Attributes:
        name: name of the part, as the user wrote it.
        component: declaration of the part.
        config: options of the part, an instance of its attrs class.
    """

    name: str
    component: Component
    config: Any

    @property
    def kind(self) -> str:
        """The kind of the part."""
        return self.component.kind

    def load(self) -> Any:
        """The class that implements the part. Raises PluginError if its code cannot be imported."""
        return load_of(self.component, self.component.impl)


@attrs.frozen
class Range:
    """The range of a number. The limits belong to it, except `min` if `exclusive_min`. None means no limit."""

    min: float | None = None
    max: float | None = None
    exclusive_min: bool = False

    def fault(self, value: Any) -> str | None:
        """The reason why a value is out of range, or None if it is not. All elements of a sequence are checked."""
        if isinstance(value, (list, tuple)):
            return next((fault for item in value if (fault := self.fault(item))), None)
        if value is None or isinstance(value, (str, bool)):
            return None
        if self.min is not None and (value < self.min or (self.exclusive_min and value == self.min)):
            return (
                f"{value} is too small: it must be {'more than' if self.exclusive_min else 'at least'} {self.min:.10g}"
            )
        if self.max is not None and value > self.max:
            return f"{value} is too large: it must be at most {self.max:.10g}"
        return None


def option(
    default: Any = _MISSING,
    *,
    help: str,
    min: float | None = None,
    max: float | None = None,
    exclusive_min: bool = False,
) -> Any:
    """Declare an option that takes a value, as an attribute of an attrs class.

    Args:
        default: value if the user sets none. It must be immutable or an `attrs.Factory`. Without a default, the user
            must set the option.
        help: one line of help.
        min: smallest allowed number.
        max: largest allowed number.
        exclusive_min: if True, `min` itself is not allowed.

    Example:
        >>> @attrs.frozen(kw_only=True)
        ... class FieldConfig:
        ...     width: int = option(256, help="units per hidden layer", min=1)
        >>> FieldConfig().width
        256
    """
    limits = Range(min, max, exclusive_min)
    return attrs.field(default=default, metadata={"help": help, "range": limits})


def slot(kind: str, *, default: str | Mapping[str, Any] | None = None, help: str, optional: bool = False) -> Any:
    """Declare an option that takes another part. Annotate it with `Choice`, or `Choice | None` if it is optional.

    Args:
        kind: kind of the part, such as "encoding".
        default: name of the part that fills the slot by default, or a table with its name and options.
        help: one line of help.
        optional: if True, the slot may be empty. The option is then None.

    Example:
        >>> @attrs.frozen(kw_only=True)
        ... class FieldConfig:
        ...     encoding: Choice = slot("encoding", default="frequency", help="encoding of positions")
        >>> attrs.fields(FieldConfig).encoding.metadata["slot"].kind
        'encoding'
    """
    return attrs.field(metadata={"help": help, "slot": Slot(kind, default, optional)})
