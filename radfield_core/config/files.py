"""Read and write config files in TOML. A file may come from a stranger, so its size and nesting are limited."""

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
from radfield_core.errors import BrokenPlugin, StorageError, UsageError
from radfield_core.files.untrusted import missing_files
from radfield_core.plugin import Component

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_VALUES = 5000  # a run has about a hundred options, and each unknown one costs the search for similar names
EXAMPLE_HINT = "radfield config show --method NAME"

# tomllib's time for a dotted key grows with the square of the key's length: a megabyte of "a.a.a" takes minutes.
_KEY = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
# The search starts only where a word does, because a start at each letter of a long word would be quadratic, too.
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_DEPTH},}}")


class UnusableValue(ValueError):
    """Valid TOML that no option can take, because a number is too large or there are too many values."""


def read_table(path: str | Path) -> dict[str, Any]:
    """Read a config file and return its options as nested dictionaries.

    Raises:
        StorageError: the file cannot be read.
        UsageError: the file is larger than 1 MB or is not valid TOML.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "" if path.exists() else missing_files([path], Path())[0].hint
        raise StorageError(f"cannot be read: {error.strerror}", path=str(path), hint=hint) from error
    if len(data) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 1_000_000} MB; a config file is never that large"
        raise UsageError(message, path=str(path), hint=EXAMPLE_HINT)
    try:
        return parse_table(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: the byte at position {error.start} is invalid"
        raise UsageError(message, path=str(path), hint="Save the file as UTF-8") from error
    except ValueError as error:
        raise UsageError(f"is not a valid config: {error}", path=str(path), hint=EXAMPLE_HINT) from error


def parse_table(text: str) -> dict[str, Any]:
    """Parse TOML into nested dictionaries. Raises ValueError if the text is invalid or nested more than 64 deep."""
    if _LONG_KEY.search(text):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    level: list[Any] = [table]
    total = 0
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
        total += len(level)
        if total > MAX_VALUES:
            raise UnusableValue(f"has more than {MAX_VALUES} values")
        if any(type(item) is int and not -(2**63) <= item < 2**63 for item in level):
            raise UnusableValue("has a whole number of more than 64 bits, that is, of more than 18 digits")
        level = [item for item in level if isinstance(item, (dict, list))]
        if not level:
            return table
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def read_preset(component: Component, name: str) -> dict[str, Any]:
    """Return the options of a method's preset.

    Return an empty table if the method has no preset of that name. Raises BrokenPlugin if the preset cannot be read.
    """
    return {key: value for key, value in read_preset_file(component, name).items() if key != "about"}


def read_preset_file(component: Component, name: str) -> dict[str, Any]:
    """Return a method's preset: its options, and the table `about`, in which the preset describes itself.

    A preset is a TOML file in the plugin that offers the method. Return an empty table if the method has no preset of
    that name. Raises BrokenPlugin if the preset cannot be read.
    """
    reference = component.preset.get(name)
    if reference is None:
        return {}
    package, _, path = reference.partition(":")
    try:
        return parse_table(files(package).joinpath(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, ImportError) as error:
        raise BrokenPlugin(
            f"preset {name!r} of {component.distribution} ({reference}) cannot be read: {error}",
            hint=f"pip install --force-reinstall {component.distribution}",
        ) from error


def dump(run: Any) -> str:
    """Return the options of a run as TOML, including every default. Reading the text back gives the same options."""
    return tomli_w.dumps(_table(run))


def dump_lines(run: Any) -> list[tuple[str, str]]:
    """Return one pair (path of the option, value in TOML) for each option, in the same order as `dump`."""
    return list(_lines(_table(run), ""))


def _lines(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inline(value)


def inline(value: Any) -> str:
    """Return a value as TOML on one line.

    Example:
        >>> inline([1, 2.5, "a"])
        '[1, 2.5, "a"]'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {inline(item)}' for key, item in value.items())}}}"
    return tomli_w.dumps({"value": value})[len("value = ") : -1]


def _table(options: Any) -> dict[str, Any]:
    table = {}
    unused = getattr(options, "unused_slots", ())
    for field in attrs.fields(type(options)):
        if field.name in unused:
            continue
        value = getattr(options, field.name)
        if isinstance(value, Choice):
            table[field.name] = _choice_table(value)
        elif "parts" in field.metadata:
            table |= {field.name: {name: _choice_table(part) for name, part in value.items()}} if value else {}
        elif attrs.has(type(value)):
            table[field.name] = _table(value)
        elif field.init and not (value is None and _required(field)):
            table[field.name] = scalars.unstructure(value)
    return table


def _choice_table(choice: Choice) -> dict[str, Any]:
    return {"type": choice.name, **_table(choice.config)}


def _required(field: Any) -> bool:
    """Return True if an attribute is a slot that must name a part.

    After `compose(needs_data=False)`, the value of such an attribute can still be None.
    """
    slot = field.metadata.get("slot")
    return slot is not None and not slot.optional
