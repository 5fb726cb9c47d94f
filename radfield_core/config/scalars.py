"""Convert TOML values to the types of options. The conversion is strict: an integer option refuses true, 1.7 and "3".

TOML has no null, so the string "none" stands for None.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import cattrs

from radfield_core.config.schedules import DESCRIPTION, Schedule
from radfield_core.names import nearest

MAX_SHOWN = 100
"""Longest text of a value in an error message, in characters."""


class ValueFault(ValueError):
    """The error for a value that does not have the type of its option. `hint` says how to correct the value."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


def describe(kind: Any) -> str:
    """Return a description of a type in words.

    Example:
        >>> describe(int | None)
        'a whole number or "none"'
    """
    words: dict[Any, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        Path: "a path",
    }
    words[Schedule] = DESCRIPTION
    if kind in words:
        return words[kind]
    if kind is type(None):
        return '"none"'
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{arg}"' if isinstance(arg, str) else str(arg) for arg in args)
    if _is_union(kind):
        return " or ".join(describe(arg) for arg in args)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return f"a list, each {describe(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(describe(arg) for arg in args)}"
    return getattr(kind, "__name__", str(kind))


def structure(value: Any, kind: Any) -> Any:
    """Convert a TOML value to the type `kind`. Raises ValueFault if the value does not fit the type.

    Example:
        >>> structure([1, 2], tuple[float, float])
        (1.0, 2.0)
    """
    return _converter.structure(value, kind)


def unstructure(value: Any) -> Any:
    """Convert the value of an option to a TOML value. `structure` converts the result back to the same value."""
    if value is None:
        return "none"
    if isinstance(value, Schedule):
        return value.written()
    if isinstance(value, tuple):
        return [unstructure(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _fault(value: Any, kind: Any, hint: str = "") -> ValueFault:
    return ValueFault(f"must be {describe(kind)}, not {shown(value)}", hint)


def shown(value: Any) -> str:
    """Return a TOML value as error messages show it. A long value is cut off.

    Example:
        >>> shown("hash"), shown(True), shown("9" * 200)[-15:]
        ('"hash"', 'true', '99… (200 signs)')
    """
    try:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    except ValueError:  # Python does not print whole numbers of more than 4300 digits
        return "a value with a number of thousands of digits"
    text = text.lower() if isinstance(value, bool) else text
    long = value if isinstance(value, str) else text
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(long)} signs)"


def _short(value: Any) -> bool:
    """True if a value is a whole number that TOML allows."""
    return type(value) is int and -(2**63) <= value < 2**63


def _in_range(value: int) -> int:
    """Return a whole number unchanged if it fits into TOML's 64 bits. Otherwise, raise ValueFault."""
    if not _short(value):
        digits = int(abs(value).bit_length() * math.log10(2))
        raise ValueFault(f"is a whole number of about {digits} digits; at most 18 can be used")
    return value


def _bool(value: Any, kind: Any) -> bool:
    if type(value) is not bool:
        raise _fault(value, bool)
    return value


def _int(value: Any, kind: Any) -> int:
    if type(value) is not int:
        whole = type(value) is float and value.is_integer()
        raise _fault(value, int, f"Write {int(value)}" if whole and _short(int(value)) else "")
    return _in_range(value)


def _float(value: Any, kind: Any) -> float:
    if type(value) not in (int, float):
        raise _fault(value, float)
    if type(value) is int:
        return float(_in_range(value))
    if not math.isfinite(value):
        raise ValueFault(f"{value} is not finite")
    return float(value)


def _str(value: Any, kind: Any) -> str:
    if type(value) is not str:
        raise _fault(
            value, str, f"Write it in quotes: '\"{value}\"'" if type(value) in (bool, float) or _short(value) else ""
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueFault(f"{shown(value)} is not text in UTF-8", "Rename the file or folder") from None
    return value


def _path(value: Any, kind: Any) -> Path:
    return Path(_str(value, str))


def _schedule(value: Any, kind: Any) -> Schedule:
    try:
        return Schedule.of(value)
    except ValueError as error:
        raise ValueFault(str(error)) from None


def _none(value: Any, kind: Any) -> None:
    if value is not None and value != "none":
        raise _fault(value, type(None))


def _literal(value: Any, kind: Any) -> Any:
    for choice in get_args(kind):
        if type(choice) is type(value) and choice == value:
            return value
    near = nearest(value, map(str, get_args(kind))) if isinstance(value, str) else ""
    raise _fault(value, kind, f"Write {near}" if near else "")


def _union(value: Any, kind: Any) -> Any:
    members = sorted(get_args(kind), key=lambda member: member is not type(None))
    faults = []
    for member in members:
        try:
            return structure(value, member)
        except ValueFault as fault:
            faults.append(fault)
    hint = next((fault.hint for fault in faults if fault.hint), "")
    informative = [fault for fault in faults if not str(fault).startswith("must be ")]
    raise informative[0] if informative else _fault(value, kind, hint)


def _tuple(value: Any, kind: Any) -> tuple[Any, ...]:
    members = get_args(kind)
    if not isinstance(value, (list, tuple)):
        raise _fault(value, kind)
    if len(members) == 2 and members[1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise _fault(value, kind)
    return tuple(structure(item, member) for item, member in zip(value, members, strict=True))


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    hooks: dict[Any, Callable[[Any, Any], Any]] = {
        bool: _bool,
        int: _int,
        float: _float,
        str: _str,
        Path: _path,
        Schedule: _schedule,
        type(None): _none,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(_is_literal, _literal)
    converter.register_structure_hook_func(_is_union, _union)
    converter.register_structure_hook_func(_is_tuple, _tuple)
    return converter


_converter = _make_converter()
