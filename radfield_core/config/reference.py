"""List the options of a part as rows of text, for `radfield config options` and the documentation.

A part is a component of a run, such as a field or a sampler. A slot is an option that names another part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import attrs

from radfield_core.config import scalars
from radfield_core.config.files import inline
from radfield_core.config.slots import Range
from radfield_core.config.structure import table_class, types_of

_NOTHING: Mapping[str, Any] = {}


class OptionRow(NamedTuple):
    """One option, described in words.

    Attributes:
        path: the option's path in the config, such as "trainer.max_steps".
        kind: the option's type and range.
        default: the option's default in TOML, or "" if the user must set the option.
        help: the option's help text.
    """

    path: str
    kind: str
    default: str
    help: str


def option_rows(options: Any, prefix: str = "", preset: Mapping[str, Any] = _NOTHING) -> Iterator[OptionRow]:
    """Yield one row for each option of an attrs class, in the order of declaration. Nested tables are included.

    Args:
        options: the attrs class.
        prefix: text to put before every path.
        preset: values that replace the defaults, by option name. For example, a method's preset contains such values.
    """
    for field in attrs.fields(options):
        if not field.init:
            continue
        path, text = f"{prefix}{field.name}", field.metadata.get("help", "")
        slot = field.metadata.get("slot")
        kind = types_of(options)[field.name]
        nested = table_class(kind)
        value = preset.get(field.name, attrs.NOTHING)
        if "parts" in field.metadata:
            yield OptionRow(f"{path}.NAME", f"{field.metadata['parts']} or none", "", text)
        elif slot is not None:
            default = slot.default if value is attrs.NOTHING else value
            shown = "none" if default is None and slot.optional else _written(default)
            yield OptionRow(path, f"{slot.kind} or none" if slot.optional else slot.kind, shown, text)
        elif nested is not None:
            table = isinstance(value, Mapping)
            if field.default is None and not table:
                yield OptionRow(path, "a table or none", "none", text)
            yield from option_rows(nested, f"{path}.", value if table else _NOTHING)
        else:
            shown = _default(field) if value is attrs.NOTHING else _written(value)
            yield OptionRow(path, scalars.describe(kind) + _limits(field.metadata.get("range")), shown, text)


def _limits(limits: Range | None) -> str:
    if limits is None:
        return ""
    low = "" if limits.min is None else f"{'>' if limits.exclusive_min else '≥'} {limits.min:.10g}"
    high = "" if limits.max is None else f"≤ {limits.max:.10g}"
    return f", {', '.join(text for text in (low, high) if text)}" if low or high else ""


def _default(field: Any) -> str:
    default = field.default
    if default is attrs.NOTHING:
        return ""
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory()
    return _written(scalars.unstructure(default))


def _written(value: Any) -> str:
    """Return a value as the user would type it after `key=`. Text is not quoted, and None gives an empty text."""
    return value if isinstance(value, str) else "" if value is None else inline(value)
