"""Functions that declare the options of a part: `option` for an option that takes a value, and `slot` for a slot.

A part is a component of a run, such as a sampler or an encoding. A slot is an option that names another part.

@attrs.frozen(kw_only=True)
class FieldConfig:
    width: int = option(256, help="units per hidden layer", min=1)
    encoding: Choice = slot("encoding", default="frequency", help="encoding of positions")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from radfield_core.config.schedules import Schedule
from radfield_core.plugin import Component, load_of

_MISSING: Any = attrs.NOTHING


@attrs.frozen
class Slot:
    """The declaration of a slot, which is an option that names a part of one kind.

    Attributes:
        kind: kind of the part, such as "encoding".
        default: the part that the slot has by default, given by its name or by a table with its name and options.
            If it is None, the slot has no default.
        optional: True if the slot may be empty.
    """

    kind: str
    default: str | Mapping[str, Any] | None
    optional: bool


@attrs.frozen
class Choice:
    """A part that was chosen for a slot, with its options.

    Attributes:
        name: name of the part, as the user wrote it.
        component: declaration of the part.
        config: options of the part, as an instance of the attrs class that declares them.
    """

    name: str
    component: Component
    config: Any

    @property
    def kind(self) -> str:
        """The kind of the part."""
        return self.component.kind

    def load(self) -> Any:
        """Import and return the class that implements the part. Raises PluginError if the import fails."""
        return load_of(self.component, self.component.impl)


@attrs.frozen
class Range:
    """The allowed range of a number, from `min` to `max`. If `exclusive_min` is True, `min` itself is not allowed.

    If `min` or `max` is None, the range has no limit on that side.
    """

    min: float | None = None
    max: float | None = None
    exclusive_min: bool = False

    def fault(self, value: Any) -> str | None:
        """Return the reason why a value is out of range, or None if the value is in range.

        If the value is a list, a tuple or a schedule, all its elements are checked. A schedule may begin or end at an
        excluded `min`, but not stay there.
        """
        if isinstance(value, Schedule):
            values, limits = tuple(value.values()), self
            if value.constant is None:
                limits = attrs.evolve(self, exclusive_min=False)
            return limits.fault(values)
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
    continues: bool = False,
) -> Any:
    """Declare an option that takes a value. Assign the result to an attribute of an attrs class.

    Args:
        default: the value that applies if the user sets no value. A default must be immutable or an `attrs.Factory`.
            Without a default, the user must set the option.
        help: one line of help.
        min: smallest allowed number.
        max: largest allowed number.
        exclusive_min: if True, `min` itself is not allowed.
        continues: True if the value only affects how long the run trains, or what is saved and shown. Such an option
            can be changed freely when a run is resumed.

    Example:
        >>> @attrs.frozen(kw_only=True)
        ... class FieldConfig:
        ...     width: int = option(256, help="units per hidden layer", min=1)
        >>> FieldConfig().width
        256
    """
    limits = Range(min, max, exclusive_min)
    return attrs.field(default=default, metadata={"help": help, "range": limits, "continues": continues})


def slot(kind: str, *, default: str | Mapping[str, Any] | None = None, help: str, optional: bool = False) -> Any:
    """Declare a slot, which is an option that names another part. Assign the result to an attribute of an attrs class.

    Annotate the attribute with `Choice`. If the slot is optional, annotate the attribute with `Choice | None`. Without
    a default, an optional slot is empty.

    Args:
        kind: kind of the part, such as "encoding".
        default: the part that the slot has by default, given by its name or by a table with its name and options.
        help: one line of help.
        optional: if True, the slot may be empty. The value of the option is then None.

    Example:
        >>> @attrs.frozen(kw_only=True)
        ... class FieldConfig:
        ...     encoding: Choice = slot("encoding", default="frequency", help="encoding of positions")
        >>> attrs.fields(FieldConfig).encoding.metadata["slot"].kind
        'encoding'
    """
    empty = None if optional and default is None else _MISSING
    return attrs.field(default=empty, metadata={"help": help, "slot": Slot(kind, default, optional)})


def parts(kind: str, *, help: str, continues: bool = False) -> Any:
    """Declare a table of parts of one kind. The user chooses a name for each part in the table.

    Assign the result to an attribute of an attrs class, and annotate the attribute with `Mapping[str, Choice]`.

    Args:
        kind: kind of the parts, such as "loss".
        help: one line of help.
        continues: True if the parts do not affect the training, so that they can be changed when a run is resumed.

    Example:
        >>> @attrs.frozen(kw_only=True)
        ... class Extras:
        ...     losses: Mapping[str, Choice] = parts("loss", help="additional losses")
        >>> dict(Extras().losses)
        {}
    """
    return attrs.field(factory=dict, metadata={"help": help, "parts": kind, "continues": continues})
