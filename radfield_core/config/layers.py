"""Composing a run: method preset < file < flags < key=value. Every value remembers its origin; order never matters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from radfield_core.config.files import MAX_DEPTH, parse_table, read_preset, read_table
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice, Slot, slot
from radfield_core.config.sniff import needs_no_root, recognize
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.errors import PluginError, Problem, RadfieldError, UsageError
from radfield_core.names import quoted
from radfield_core.plugins.registry import Registry

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

    method: a method or one of its presets. data: a data set whose format is recognized by looking, unless the file or
    an override says it. needs_data: False leaves `run.data` None when no data is chosen, for showing and checking
    options.

    Raises UsageError, PluginError, DatasetError or StorageError with every mistake found.
    """
    mistakes = Mistakes()
    words = Entry(COMMAND_LINE, read_overrides(overrides, mistakes))
    stored = _file(file, mistakes)
    flags = [Entry("--method", {"method": method})] if method is not None else []
    flag, remarks = (None, ()) if data is None else _data_flag(registry, data, [*stored, words], mistakes)
    written = [*stored, *flags, *([flag] if flag is not None else []), words]
    preset = _preset(registry, written, mistakes)
    layers = [*(preset or ()), *written]

    unread: set[str] = set()  # slots that what could not be read may fill
    if preset is None:
        unread |= {"field", "sampler", "renderer", "background"}
    if file is not None and not stored:
        unread |= {"method", "data"}
    if data is not None and flag is None:
        unread.add("data")
    skip = {slot for slot in unread if _written(layers, slot) is None}
    if not needs_data and not any("data" in layer.value for layer in layers):
        skip.add("data")
    structurer = Structurer(registry, mistakes)
    run = structurer.table(RunConfig, layers, "", Owner(), skip)
    mistakes.finish()
    return Composed(run, structurer.origins, (*remarks, *structurer.remarks))


def compose_part(registry: Registry, kind: str, name: str, overrides: Sequence[str] = ()) -> Choice:
    """One part that no run's slot holds, such as an exporter, with the options of `key=value` words.

    Raises UsageError or PluginError with every mistake found.
    """
    mistakes = Mistakes()
    entries = [Entry(COMMAND_LINE, {"type": name}), Entry(COMMAND_LINE, read_overrides(overrides, mistakes))]
    choice = Structurer(registry, mistakes).slot(Slot(kind, None, False), entries, "", Owner())
    mistakes.finish()
    assert choice is not None
    return choice


def compose_data(registry: Registry, data: str | Path, overrides: Sequence[str] = ()) -> tuple[Choice, tuple[str, ...]]:
    """The dataparser for `data`, alone, with `data.key=value` words; and what was decided for the user.

    Raises as `compose` does.
    """
    mistakes = Mistakes()
    words = Entry(COMMAND_LINE, read_overrides(overrides, mistakes))
    flag, remarks = _data_flag(registry, data, [words], mistakes)
    structurer = Structurer(registry, mistakes)
    layers = [words] if flag is None else [flag, words]
    only = structurer.table(_DataOnly, layers, "", Owner(), () if flag is not None else ("data",))
    mistakes.finish()
    return only.data, (*remarks, *structurer.remarks)


def read_overrides(words: Sequence[str], mistakes: Mistakes) -> dict[str, Any]:
    """The table that `key=value` words make together, without the faulty and contradicting ones, which are mistakes."""
    table: dict[str, Any] = {}
    problems = []
    for word in words:
        key, equals, text = word.partition("=")
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts) or len(parts) > MAX_DEPTH:
            problems.append(Problem("", f"{word!r} is not key=value", "trainer.max_steps=2000"))
        elif not _insert(table, parts, read_value(text)):
            problems.append(Problem(key, f"{word!r} contradicts another override", "write the option once"))
    for problem in sorted(problems):
        mistakes.add(*problem)
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


def _file(file: str | Path | None, mistakes: Mistakes) -> list[Entry]:
    """The layer of a file, if there is one and it can be read."""
    try:
        return [] if file is None else [Entry(str(file), read_table(file))]
    except RadfieldError as error:
        mistakes.take(error)
        return []


def _preset(registry: Registry, written: Sequence[Entry], mistakes: Mistakes) -> list[Entry] | None:
    """The preset of the method that is written, as the weakest layer; None if it cannot be known what it would say."""
    name = _written(written, "method")
    if name is None:
        return None
    try:
        component = registry.find("method", name)
    except (PluginError, UsageError):
        return None  # reported when the slot is filled
    bare = name.rpartition(":")[2]
    try:
        table = read_preset(component, bare)
    except PluginError as error:
        mistakes.take(error)
        return None
    options = table.get("method", {})
    if isinstance(options, dict):  # the method's own options, whatever the preset calls it
        table = {**table, "method": {**options, "type": name}}
    return [Entry(f"preset {bare}", table, component.distribution)]


def _data_flag(
    registry: Registry, data: str | Path, written: Sequence[Entry], mistakes: Mistakes
) -> tuple[Entry | None, tuple[str, ...]]:
    """The layer of `--data PATH`, with the recognized format unless one is written, and what to say about it; None if
    the data is not there or in no one format.

    A name that is no path may be that of a dataparser that reads none.
    """
    path = Path(data)
    if not path.exists() and needs_no_root(registry, str(path)):
        return Entry("--data", {"data": {"type": str(path)}}), ()
    table = {"root": str(path.absolute())}
    chosen = _written(written, "data")
    if chosen is not None and not needs_no_root(registry, chosen):
        return Entry("--data", {"data": table}), ()
    try:
        name, reason = recognize(registry, path)
    except RadfieldError as error:
        mistakes.take(error)
        return None, ()
    if chosen is not None:
        origin = next(layer.origin for layer in reversed(written) if _written([layer], "data") is not None)
        mistakes.add(
            "--data", f"{data} is in format {name} ({reason}), but {chosen} is chosen ({origin}), which reads no files",
            f"data={name} --data {quoted(data)}",
        )  # fmt: skip
        return None, ()
    return Entry("--data", {"data": {"type": name, **table}}), (f"data: {name} ({reason})",)
