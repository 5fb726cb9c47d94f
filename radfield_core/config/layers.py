"""Composing a run: method preset < file < flags < key=value. Every value remembers its origin; order never matters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from radfield_core.config.files import MAX_DEPTH, parse_table, read_preset, read_table
from radfield_core.config.slots import Choice, Slot, slot
from radfield_core.config.sniff import needs_no_root, recognise
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.errors import PluginError, Problem, UsageError
from radfield_core.registry import Registry
from radfield_core.schema import RunConfig

COMMAND_LINE = "command line"


@attrs.frozen
class Composed:
    """A run's options; where each came from ("preset nerf", a file, "--data", "command line", "default"); what was
    decided for the user, to be said once."""

    run: RunConfig
    origins: dict[str, str]
    remarks: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _DataOnly:
    data: Choice = slot("dataparser", help="where images and cameras come from")


def compose(
    registry: Registry,
    *,
    method: str | None = None,
    data: str | Path | None = None,
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    needs_data: bool = True,
) -> Composed:
    """The run that a method's preset, a file, `--method`, `--data` and `key=value` words define.

    method: a method or one of its presets. data: a data set whose format is recognised by looking, unless the file or
    an override says it. needs_data: False leaves `run.data` None when no data is chosen, for showing and checking
    options.

    Raises UsageError, PluginError or DatasetError with every mistake found.
    """
    written: list[Entry] = []
    if file is not None:
        written.append(Entry(str(file), read_table(file)))
    if method is not None:
        written.append(Entry("--method", {"method": method}))
    words = Entry(COMMAND_LINE, read_overrides(overrides))
    remarks: tuple[str, ...] = ()
    if data is not None:
        flag, remarks = _data_flag(registry, Path(data), [*written, words])
        written.append(flag)
    written.append(words)

    structurer = Structurer(registry)
    layers = [*_preset(registry, written), *written]
    has_data = any("data" in layer.value for layer in layers)
    run = structurer.table(RunConfig, layers, "", Owner(), skip=() if needs_data or has_data else ("data",))
    if structurer.missing_parts or not any("method" in layer.value for layer in layers):
        # the preset of an unknown method, or of one still to be chosen, chooses what is open
        chosen = {slot for layer in layers for slot in layer.value}
        structurer.problems = [p for p in structurer.problems if p.path != "field" or "field" in chosen]
    structurer.finish()
    return Composed(run, structurer.origins, (*remarks, *structurer.remarks))


def compose_part(registry: Registry, kind: str, name: str, overrides: Sequence[str] = ()) -> Choice:
    """One part that no run's slot holds, such as an exporter, with the options of `key=value` words.

    Raises UsageError or PluginError with every mistake found.
    """
    structurer = Structurer(registry)
    entries = [Entry("command line", {"type": name}), Entry(COMMAND_LINE, read_overrides(overrides))]
    choice = structurer.slot(Slot(kind, None, False), entries, "", Owner())
    structurer.finish()
    assert choice is not None
    return choice


def compose_data(registry: Registry, data: str | Path, overrides: Sequence[str] = ()) -> tuple[Choice, tuple[str, ...]]:
    """The dataparser for `data`, alone, with `data.key=value` words; and what was decided for the user.

    Raises as `compose` does.
    """
    words = Entry(COMMAND_LINE, read_overrides(overrides))
    flag, remarks = _data_flag(registry, Path(data), [words])
    structurer = Structurer(registry)
    only = structurer.table(_DataOnly, [flag, words], "", Owner())
    structurer.finish()
    return only.data, (*remarks, *structurer.remarks)


def read_overrides(words: Sequence[str]) -> dict[str, Any]:
    """The table that `key=value` words make together. Raises UsageError naming every faulty or contradicting word."""
    table: dict[str, Any] = {}
    problems = []
    for word in words:
        key, equals, text = word.partition("=")
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts) or len(parts) > MAX_DEPTH:
            problems.append(Problem("", f"{word!r} is not key=value", "trainer.max_steps=2000"))
        elif not _insert(table, parts, read_value(text)):
            problems.append(Problem(key, f"{word!r} contradicts another override", "write the option once"))
    if problems:
        raise UsageError(problems=sorted(problems))
    return table


def read_value(text: str) -> Any:
    """The TOML value that `text` writes, else the text itself: `3`, `[1, 2]`, `true`, `{type = "hash"}`, `scan65/`."""
    try:
        table = parse_table(f"value = {text}")
    except ValueError:
        return text
    value = table["value"]
    known = isinstance(value, (bool, int, float, str, list, dict))  # a date is text to us
    return value if known and len(table) == 1 else text


def _insert(table: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Set a path in nested tables, a part's name beside its options; False if it has another value already.

    A name written as text is the table's `type`, so that `field=nerf` and `field.width=64` meet in either order.
    """
    key, rest = path[0], path[1:]
    if rest:
        child = table.setdefault(key, {})
        if isinstance(child, str):
            child = table[key] = {"type": child}
        return isinstance(child, dict) and _insert(child, rest, value)
    old = table.get(key)
    if isinstance(value, dict) and (old is None or isinstance(old, (str, dict))):
        if not value:
            table.setdefault(key, {})
        return all([_insert(table, (key, inner), item) for inner, item in value.items()])
    if isinstance(old, dict) and isinstance(value, str):
        return _insert(old, ("type",), value)
    if old is not None and (type(old), old) != (type(value), value):
        return False
    table[key] = value
    return True


def _written(layers: Sequence[Entry], slot: str) -> str | None:
    """The name of the part that the strongest layer writes into a slot of the run."""
    for layer in reversed(layers):
        value = layer.value.get(slot)
        name = value.get("type") if isinstance(value, dict) else value
        if isinstance(name, str):
            return name
    return None


def _preset(registry: Registry, written: Sequence[Entry]) -> list[Entry]:
    """The preset of the method that is written, as the weakest layer; none if there is no such method."""
    name = _written(written, "method")
    if name is None:
        return []
    try:
        component = registry.find("method", name)
    except PluginError:
        return []  # reported with everything else when the slot is filled
    bare = name.rpartition(":")[2]
    table = read_preset(component, bare)
    options = table.get("method", {})
    if isinstance(options, dict):  # the method's own options, whatever the preset calls it
        table = {**table, "method": {**options, "type": name}}
    return [Entry(f"preset {bare}", table, component.distribution)]


def _data_flag(registry: Registry, path: Path, written: Sequence[Entry]) -> tuple[Entry, tuple[str, ...]]:
    """The layer of `--data PATH`, with the recognised format unless one is written, and what to say about it.

    A name that is no path may be that of a dataparser that reads none.
    """
    if not path.exists() and needs_no_root(registry, str(path)):
        return Entry("--data", {"data": {"type": str(path)}}), ()
    table = {"root": str(path.absolute())}
    if _written(written, "data") is not None:
        return Entry("--data", {"data": table}), ()
    name, reason = recognise(registry, path)
    return Entry("--data", {"data": {"type": name, **table}}), (f"data: {name} ({reason})",)
