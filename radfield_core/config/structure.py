"""Layers of tables -> typed options: fills slots, drops what was written for other parts, finds every mistake."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import attrs

from radfield_core.config import scalars
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.slots import Choice, Slot
from radfield_core.errors import PluginError, RadfieldError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import Component, load_of
from radfield_core.plugins.registry import Registry

DEFAULT = "default"


class Entry(NamedTuple):
    """A value that one layer gives to one option.

    home: the distribution whose preset or default wrote it, None for what a user wrote.
    """

    origin: str
    value: Any
    home: str | None = None


def options_of(component: Component) -> Any:
    """The option class of a part. Raises PluginError if its module cannot be imported."""
    options = load_of(component, component.config)
    if not attrs.has(options):
        raise PluginError(f"{component.config} of {component.distribution} is not an attrs class")
    return options


@cache
def types_of(options: Any) -> dict[str, Any]:
    """The types of an option class's attributes, annotations resolved."""
    return get_type_hints(options)


def table_class(kind: Any) -> Any | None:
    """The attrs class of an option that is a table of options, itself optional or not; else None."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return next((member for member in members if attrs.has(member)), None)


class Owner(NamedTuple):
    """Whose options are filled: the distribution, and the part as `kind:name`; empty for those of the run."""

    distribution: str = ""
    key: str = ""


class Structurer:
    """Builds option classes from layers, lowest first. Collects `mistakes`, `origins` and `remarks` on the way."""

    def __init__(self, registry: Registry, mistakes: Mistakes):
        self.registry = registry
        self.mistakes = mistakes
        self.origins: dict[str, str] = {}
        self.remarks: list[str] = []

    def table(self, options: Any, entries: Sequence[Entry], path: str, owner: Owner, skip: Collection[str] = ()) -> Any:
        """An instance of the attrs class `options`, or None when something in it is wrong."""
        before = len(self.mistakes)
        tables = [entry for entry in entries if self._is_table(entry, path)]
        known = {field.name: field for field in attrs.fields(options) if field.init}
        for entry in tables:
            for key in entry.value:
                if key not in known and key != "type":
                    self._unknown(_join(path, key), key, list(known), entry, owner)
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
        except (ValueError, TypeError) as error:  # a validator of the option class
            self._problem(path, str(error), _options_hint(owner))
            return None

    def _field(self, field: Any, kind: Any, given: Sequence[Entry], path: str, owner: Owner) -> Any:
        """The value of one option; NOTHING where its default applies."""
        if "slot" in field.metadata:
            return self.slot(field.metadata["slot"], given, path, owner)
        nested = table_class(kind)
        if nested is not None:
            return self._nested(nested, field, kind, given, path, owner)
        if not given:
            self.origins[path] = DEFAULT
            if field.default is attrs.NOTHING:
                self._problem(path, "must be given", f"{path}=VALUE ({field.metadata.get('help', 'an option')})")
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

    def _nested(self, nested: Any, field: Any, kind: Any, given: Sequence[Entry], path: str, owner: Owner) -> Any:
        """A table of options that is no part. An optional one exists only when written; "none" takes it away."""
        if kind is not nested:
            for index, entry in enumerate(given):
                if entry.value == "none":
                    self.origins[path] = entry.origin
                    return self._nested(nested, field, kind, given[index + 1 :], path, owner)
            if not given:
                self.origins.setdefault(path, DEFAULT)
                return None
            self.origins.pop(path, None)
        return self.table(nested, given, path, owner)

    def slot(self, slot: Slot, given: Sequence[Entry], path: str, owner: Owner) -> Choice | None:
        """The part chosen for a slot, with its options."""
        if slot.default is not None:
            given = [Entry(DEFAULT, slot.default, owner.distribution), *given]
        chosen: Entry | None = None
        owned: list[tuple[str | None, Entry]] = []  # each table with the part it was written for
        for entry in given:
            if entry.value == "none" and slot.optional:
                chosen = None
                continue
            table = {"type": entry.value} if isinstance(entry.value, str) else entry.value
            entry = entry._replace(value=table)
            if not self._is_table(entry, path):
                continue
            name = table.get("type", chosen and chosen.value)
            if name is not None and not isinstance(name, str):
                message = f"must be the name of a part, not {name!r}"
                self._problem(_join(path, "type"), message, "radfield plugins list", entry)
                continue
            chosen = entry._replace(value=name) if "type" in table else chosen
            owned.append((name, entry))
        if chosen is None:
            self._unfilled(slot, given, path)
            return None
        return self._choice(slot, chosen, self._own(slot.kind, owned, path, chosen.value), path)

    def _choice(self, slot: Slot, chosen: Entry, kept: Sequence[Entry], path: str) -> Choice | None:
        self.origins[_join(path, "type")] = chosen.origin
        try:
            component = self.registry.find(slot.kind, chosen.value, home=chosen.home)
            options = options_of(component)
        except (PluginError, UsageError) as error:
            for problem in error.problems:
                named = self.registry.candidates(slot.kind, problem.hint)
                hint = _written_as(problem.hint, path, chosen) if named and path else problem.hint
                self._problem(path, problem.message, hint, chosen, type(error))
            return None
        name = chosen.value if ":" in chosen.value else self.registry.spelling(component, chosen.value)
        config = self.table(options, kept, path, Owner(component.distribution, component.key))
        return None if config is None else Choice(name, component, config)

    def _unfilled(self, slot: Slot, given: Sequence[Entry], path: str) -> None:
        self.origins[path] = given[-1].origin if given else DEFAULT
        if slot.optional and all(entry.value == "none" for entry in given[-1:]):
            return
        installed = ", ".join(self.registry.names(slot.kind))
        hint = {"method": "--method NAME", "data": "--data PATH"}.get(path, f"{path}=NAME")
        self._problem(path, f"no {slot.kind} is chosen; installed: {installed or 'none'}", hint)

    def _own(self, kind: str, owned: Sequence[tuple[str | None, Entry]], path: str, name: str) -> list[Entry]:
        """The tables written for the part `name`, or for none yet. Remarks on what a user wrote for another."""
        kept = []
        for owner, entry in owned:
            if owner is None or self._same(kind, owner, name):
                kept.append(entry)
            elif entry.home is None:
                for key in entry.value.keys() - {"type"}:
                    remark = f"{_join(path, key)} ({entry.origin}) is left out: it belonged to {owner}, not {name}"
                    self.remarks.append(remark)
        return kept

    def _same(self, kind: str, first: str, second: str) -> bool:
        """Whether two names mean the same part, or, for a method, two presets of it: then the options stay."""
        if first == second:
            return True
        candidates = self.registry.candidates(kind, first)
        return bool(candidates) and candidates == self.registry.candidates(kind, second)

    def _is_table(self, entry: Entry, path: str) -> bool:
        if isinstance(entry.value, Mapping):
            return True
        self._problem(path, f"must be a table of options, not {entry.value!r}", f"{path}.OPTION=VALUE", entry)
        return False

    def _unknown(self, path: str, key: str, known: Sequence[str], entry: Entry, owner: Owner) -> None:
        near = nearest(key, known)
        hint = path.removesuffix(key) + near if near else _options_hint(owner)
        self._problem(path, f"unknown option {key!r}; there are {', '.join(known) or 'none'}", hint, entry)

    def _problem(
        self, path: str, message: str, hint: str = "", entry: Entry | None = None,
        kind: type[RadfieldError] = UsageError,
    ) -> None:  # fmt: skip
        where = f" ({entry.origin})" if entry is not None and entry.origin != DEFAULT else ""
        self.mistakes.add(path, message + where, hint, kind)


def _written_as(name: str, path: str, entry: Entry) -> str:
    """How to write a part's name where the entry was written: `--method nerf`, or `method=nerf`."""
    return f"{entry.origin} {name}" if entry.origin.startswith("--") else f"{path}={name}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _options_hint(owner: Owner) -> str:
    return f"radfield config options {owner.key}".rstrip()
