"""Convert the tables of all layers to typed options. Check every option, and report every mistake.

A layer is a source of options, such as a config file or the command line. A layer overrides the layers with a lower
priority. A slot is an option that names a part, such as the sampler.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import attrs

from radfield_core.config import scalars
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.slots import Choice, Slot
from radfield_core.config.unknown_options import UnknownOptions
from radfield_core.config.view_options import with_view_options
from radfield_core.errors import BrokenPlugin, PluginError, RadfieldError, UsageError
from radfield_core.plugin import Component, load_of
from radfield_core.plugins.registry import Registry

DEFAULT = "default"
_PART_NAME = re.compile(r"[A-Za-z][\w-]*")
"""Pattern for the names of parts in a table of parts."""

EMPTIED: Any = None
"""Stands for a layer's value "none", which empties a slot. The slot then ignores all layers with a lower priority."""


class Entry(NamedTuple):
    """A value that one layer gives to one option.

    Attributes:
        origin: name of the layer: "preset nerf", a file, "--method", "--data", "command line" or "default".
        value: the value, as it was parsed from TOML.
        home: the distribution whose preset or default contains the value, or None if the user set the value.
    """

    origin: str
    value: Any
    home: str | None = None


def options_of(component: Component) -> Any:
    """Return the attrs class of a part's options. Raises BrokenPlugin if the class cannot be imported.

    For a dataparser, the class also has the view options, which every data format has.
    """
    options = load_of(component, component.config)
    if not attrs.has(options):
        raise BrokenPlugin(
            f"{component.config} of {component.distribution} is not an attrs class", hint="radfield plugins doctor"
        )
    return with_view_options(options) if component.kind == "dataparser" else options


@cache
def types_of(options: Any) -> dict[str, Any]:
    """Return the type of each attribute of an option class, by name. Annotations that are strings are evaluated."""
    return get_type_hints(options)


def table_class(kind: Any) -> Any | None:
    """If an option's type is an attrs class, or a union that contains one, return that class. Otherwise return None."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return next((member for member in members if attrs.has(member)), None)


class Owner(NamedTuple):
    """The part that declares an option. `key` is the part's `kind:name`. Both are "" for the run's own options."""

    distribution: str = ""
    key: str = ""


class Structurer:
    """Builds instances of option classes from layers. Every list of layers is in increasing priority.

    Attributes:
        mistakes: every mistake that was found.
        origins: maps the path of each option to the name of the layer that sets the option.
        remarks: messages for the user. Each names an option that is ignored because another part was chosen.
    """

    def __init__(self, registry: Registry, mistakes: Mistakes):
        self.registry = registry
        self.mistakes = mistakes
        self.origins: dict[str, str] = {}
        self.remarks: list[str] = []
        self._unknown = UnknownOptions(mistakes)

    def table(self, options: Any, entries: Sequence[Entry], path: str, owner: Owner, skip: Collection[str] = ()) -> Any:
        """Build an instance of an option class. Return None if there is a mistake in its options.

        Args:
            options: the attrs class.
            entries: the tables to merge, in increasing priority: later ones override earlier ones.
            path: path of the table in the config.
            owner: the part to which the options belong.
            skip: names of options that are not read from the layers. These options become None.
        """
        before = len(self.mistakes)
        tables = [entry for entry in entries if self._is_table(entry, path)]
        known = {field.name: field for field in attrs.fields(options) if field.init}
        for entry in tables:
            for key in entry.value:
                if key not in known and key != "type":
                    self._unknown.add(
                        _join(path, key), entry.value[key], entry.origin, list(known), _options_hint(owner)
                    )
        arguments: dict[str, Any] = {}
        for name, field in known.items():
            if name in skip:
                arguments[field.alias] = None
                continue
            given = [entry._replace(value=entry.value[name]) for entry in tables if name in entry.value]
            value = self._field(field, types_of(options)[name], given, _join(path, name), owner)
            if value is not attrs.NOTHING:
                arguments[field.alias] = value
        if len(self.mistakes) > before:
            return None
        try:
            return options(**arguments)
        except (ValueError, TypeError) as error:  # raised by a validator of the option class
            self._problem(path, str(error), _options_hint(owner))
            return None

    def _field(self, field: Any, kind: Any, given: Sequence[Entry], path: str, owner: Owner) -> Any:
        """Return the value of one option, NOTHING if its default applies, or None if there is a mistake."""
        if "slot" in field.metadata:
            return self.slot(field.metadata["slot"], given, path, owner)
        if "parts" in field.metadata:
            return self._parts(field.metadata["parts"], given, path, owner)
        nested = table_class(kind)
        if nested is not None:
            return self._nested(nested, kind, given, path, owner)
        if not given:
            self.origins[path] = DEFAULT
            if field.default is attrs.NOTHING:
                self._problem(path, "must be given", f"Set {path}=VALUE ({field.metadata.get('help', 'an option')})")
            return attrs.NOTHING
        entry = given[-1]
        self.origins[path] = entry.origin
        try:
            value = scalars.structure(entry.value, kind)
        except ValueError as fault:
            return self._problem(path, str(fault), getattr(fault, "hint", "") or _options_hint(owner), entry)
        limits = field.metadata.get("range")
        outside = limits.fault(value) if limits is not None else None
        if outside:
            return self._problem(path, outside, _options_hint(owner), entry)
        return value

    def _nested(self, nested: Any, kind: Any, given: Sequence[Entry], path: str, owner: Owner) -> Any:
        """Build a nested table of options.

        An optional table is None if no layer contains the table, or if a layer sets it to "none". After "none", a
        layer with a higher priority can add the table again.
        """
        if kind is not nested:
            for index, entry in enumerate(given):
                if entry.value == "none":
                    self.origins[path] = entry.origin
                    return self._nested(nested, kind, given[index + 1 :], path, owner)
            if not given:
                self.origins.setdefault(path, DEFAULT)
                return None
            self.origins.pop(path, None)
        return self.table(nested, given, path, owner)

    def slot(self, slot: Slot, given: Sequence[Entry], path: str, owner: Owner) -> Choice | None:
        """Choose the part for a slot and build the part's options. Return None if the slot is empty or has a mistake.

        Args:
            slot: the slot.
            given: the values that layers give to the slot, in increasing priority. Each value is the name of a part
                or a table of options.
            path: path of the slot in the config.
            owner: the part that has the slot.
        """
        if slot.default is not None:
            given = [Entry(DEFAULT, slot.default, owner.distribution), *given]
        tables = self._slot_tables(slot, given, path)
        chosen = _strongest_name(tables)
        if chosen is None:
            self._report_empty(slot, given, path)
            return None
        return self._choice(slot, chosen, self._belonging_to(chosen.value, slot.kind, tables, path), path)

    def _parts(self, kind: str, given: Sequence[Entry], path: str, owner: Owner) -> dict[str, Choice]:
        """Build a table of named parts. A layer can add parts, change options of a part, and remove parts with "none".

        If a part has no `type`, its name is its type: `[losses.depth]` is a part "depth".
        """
        named: dict[str, list[Entry]] = {}
        for entry in given:
            if entry.value == "none":
                named.clear()
            elif self._is_table(entry, path):
                for name, value in entry.value.items():
                    named.setdefault(name, []).append(entry._replace(value=value))
        chosen = {}
        for name, values in named.items():
            where = _join(path, name)
            if not _PART_NAME.fullmatch(name):
                hint = f"Use letters, digits, _ and -, as in {path}.{kind}"
                self._problem(where, f"{name!r} cannot be the name of a {kind}", hint, values[0])
                continue
            part = self.slot(Slot(kind, None, True), _with_type(values, name), where, owner)
            if part is not None:
                chosen[name] = part
        return chosen

    def _slot_tables(self, slot: Slot, given: Sequence[Entry], path: str) -> list[Entry]:
        """Convert the values of a slot to tables, and the value "none" to EMPTIED. Report and drop invalid values."""
        tables = []
        for entry in given:
            if entry.value == "none" and slot.optional:
                tables.append(entry._replace(value=EMPTIED))
                continue
            if isinstance(entry.value, str):
                entry = entry._replace(value={"type": entry.value})
            if not self._is_table(entry, path):
                continue
            name = entry.value.get("type", "")
            if isinstance(name, str):
                tables.append(entry)
            else:
                message = f"must be the name of a part, not {scalars.shown(name)}"
                self._problem(_join(path, "type"), message, "radfield plugins list", entry)
        return tables

    def _belonging_to(self, name: str, kind: str, tables: Sequence[Entry], path: str) -> list[Entry]:
        """Return the tables with options of the part `name`. If the user set options of another part, add a remark for
        each of them.

        A table that does not name a part belongs to the part of the table before it. If no earlier table names a part,
        the table belongs to the chosen part.
        """
        kept = []
        part: str | None = None
        for entry in tables:
            if entry.value is EMPTIED:
                part = None
                continue
            part = entry.value.get("type", part)
            if part is None or self._is_same_part(kind, part, name):
                kept.append(entry)
            elif entry.home is None:
                for key in entry.value.keys() - {"type"}:
                    self.remarks.append(
                        f"{_join(path, key)} ({entry.origin}) is left out: it is an option of {part}, not of {name}"
                    )
        return kept

    def _choice(self, slot: Slot, chosen: Entry, tables: Sequence[Entry], path: str) -> Choice | None:
        """Build the options of the part that `chosen` names, from `tables`. Return None if there is a mistake."""
        self.origins[_join(path, "type")] = chosen.origin
        try:
            written = partial(_written_as, path=path, entry=chosen)
            component = self.registry.find(slot.kind, chosen.value, home=chosen.home, write=written)
            options = options_of(component)
        except (PluginError, UsageError) as error:
            for problem in error.problems:
                self._problem(path, problem.message, problem.hint, chosen, type(error))
            return None
        name = chosen.value if ":" in chosen.value else self.registry.spelling(component, chosen.value)
        config = self.table(options, tables, path, Owner(component.distribution, component.key))
        return None if config is None else Choice(name, component, config)

    def _report_empty(self, slot: Slot, given: Sequence[Entry], path: str) -> None:
        self.origins[path] = given[-1].origin if given else DEFAULT
        if slot.optional and all(entry.value == "none" for entry in given[-1:]):
            return
        installed = ", ".join(self.registry.names(slot.kind)) or "none"
        message, hint = f"no {slot.kind} is chosen; installed: {installed}", f"Add {path}=NAME"
        if path == "method":
            hint = "Add --method NAME; radfield train --data PATH lists the methods that fit the data"
        elif path == "data":
            message, hint = f"no data set is chosen; installed formats: {installed}", "Add --data PATH"
        self._problem(path, message, hint)

    def _is_same_part(self, kind: str, first: str, second: str) -> bool:
        """Return True if two names refer to the same part. Two presets of one method count as the same part."""
        if first == second:
            return True
        candidates = self.registry.candidates(kind, first)
        return bool(candidates) and candidates == self.registry.candidates(kind, second)

    def _is_table(self, entry: Entry, path: str) -> bool:
        if isinstance(entry.value, Mapping):
            return True
        self._problem(
            path, f"must be a table of options, not {scalars.shown(entry.value)}", f"Write {path}.OPTION=VALUE", entry
        )
        return False

    def suggest(self) -> None:
        """Add hints for unknown options that exist in other tables of the run. Call this after `table`."""
        self._unknown.suggest(list(self.origins))

    def _problem(
        self,
        path: str,
        message: str,
        hint: str = "",
        entry: Entry | None = None,
        kind: type[RadfieldError] = UsageError,
    ) -> None:
        where = f" ({entry.origin})" if entry is not None and entry.origin != DEFAULT else ""
        self.mistakes.add(path, message + where, hint, kind)


def _with_type(values: Sequence[Entry], name: str) -> Sequence[Entry]:
    """Return the values of a named part. If none of them states the part's type, add the type `name`."""
    if any(isinstance(entry.value, str) or "type" in entry.value for entry in values if entry.value != {}):
        return values
    return [values[0]._replace(value={"type": name}), *values]


def _strongest_name(tables: Sequence[Entry]) -> Entry | None:
    """Return the last name of a part in the tables. Return None if no table names a part after the slot was emptied."""
    chosen: Entry | None = None
    for entry in tables:
        if entry.value is EMPTIED:
            chosen = None
        elif "type" in entry.value:
            chosen = entry._replace(value=entry.value["type"])
    return chosen


def _written_as(name: str, path: str, entry: Entry) -> str:
    """Return the words that choose a part in the layer of `entry`, for example `--method nerf` or `method=nerf`."""
    if not path:
        return name
    return f"{entry.origin} {name}" if entry.origin.startswith("--") else f"{path}={name}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _options_hint(owner: Owner) -> str:
    return f"radfield config options {owner.key}".rstrip()
