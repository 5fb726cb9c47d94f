"""Configs as files: TOML in, with limits that keep a hostile file from costing anything, and TOML out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from radfield_core.config import scalars
from radfield_core.config.slots import Choice
from radfield_core.errors import PluginError, StorageError, UsageError
from radfield_core.plugin import Component

MAX_BYTES = 1_000_000
MAX_DEPTH = 64

# tomllib needs time quadratic in the length of a dotted key, which a megabyte of "a.a.a" turns into minutes.
_KEY = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_LONG_KEY = re.compile(rf"{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_DEPTH},}}")


def read_table(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises StorageError if it cannot be read, UsageError if it is not such a file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", path=str(path), hint=f"ls {path.parent}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"larger than {MAX_BYTES // 1_000_000} MB, which no config is", path=str(path), hint="radfield config show"
        )
    try:
        return parse_table(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 text: byte {error.start}", path=str(path), hint="UTF-8") from error
    except ValueError as error:
        raise UsageError(f"not a config: {error}", path=str(path), hint="radfield config show") from error


def parse_table(text: str) -> dict[str, Any]:
    """The tables of TOML text. Raises ValueError, also for nesting deeper than any config's."""
    if _LONG_KEY.search(text):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
        level = [item for item in level if isinstance(item, (dict, list))]
        if not level:
            return table
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def read_preset(component: Component, name: str) -> dict[str, Any]:
    """A method's preset; empty when the method has none of that name."""
    reference = component.preset.get(name)
    if reference is None:
        return {}
    package, _, path = reference.partition(":")
    try:
        return parse_table(files(package).joinpath(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, ImportError) as error:
        raise PluginError(
            f"preset {name!r} of {component.distribution} ({reference}) cannot be read: {error}",
            hint=f"pip install --force-reinstall {component.distribution}",
        ) from error


def dump(run: Any) -> str:
    """The options as TOML that composes to itself, byte for byte: every value is written, also defaults."""
    return tomli_w.dumps(_table(run))


def dump_lines(run: Any) -> list[tuple[str, str]]:
    """Every option's path and its value in TOML, in the order of `dump`."""
    return list(_lines(_table(run), ""))


def _lines(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inline(value)


def inline(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {inline(item)}' for key, item in value.items())}}}"
    return tomli_w.dumps({"value": value})[len("value = ") : -1]


def _table(options: Any) -> dict[str, Any]:
    table = {}
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if isinstance(value, Choice):
            table[field.name] = {"type": value.name, **_table(value.config)}
        elif attrs.has(type(value)):
            table[field.name] = _table(value)
        elif field.init and not (value is None and _required(field)):
            table[field.name] = scalars.unstructure(value)
    return table


def _required(field: Any) -> bool:
    """Whether the field is a slot that must be filled: one left open (`needs_data=False`) is not written."""
    slot = field.metadata.get("slot")
    return slot is not None and not slot.optional
