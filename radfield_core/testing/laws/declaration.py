"""Laws of declarations and options, for every kind."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from radfield_core.config.files import dump, parse_table
from radfield_core.config.slots import Choice, Range
from radfield_core.config.structure import options_of, table_class, types_of
from radfield_core.errors import RadfieldError
from radfield_core.interfaces import (
    Converter,
    DataParser,
    Encoding,
    Exporter,
    Field,
    Method,
    Metric,
    Renderer,
    Sampler,
)  # fmt: skip
from radfield_core.plugin import KINDS, load_of
from radfield_core.plugins.discovery import FORBIDDEN
from radfield_core.plugins.vocabulary import VOCABULARY, vocabulary_faults
from radfield_core.testing.law import Broken, expect, law
from radfield_core.testing.subject import Subject

BUDGET_MS = 20.0
INTERFACES: dict[str, type] = {
    "converter": Converter, "dataparser": DataParser, "encoding": Encoding, "exporter": Exporter, "field": Field,
    "method": Method, "metric": Metric, "renderer": Renderer, "sampler": Sampler,
}  # fmt: skip
_PROGRAM = """
import sys, time
from importlib import import_module
import radfield_core.plugin
before = time.process_time()
import_module(sys.argv[1])
print(1000 * (time.process_time() - before))
for names in sys.argv[2:]:
    for name in names.split():
        import_module(name)
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@law(*KINDS, mend="move the import into the module of the part; name the part as 'module:Class'")
def declaration_is_free_of_torch(subject: Subject) -> None:
    """Importing the declaration, the options and the function of capabilities imports neither torch nor numpy, and
    that of sniff no torch: `radfield --help` and the check of a config stay quick whatever is installed."""
    _, imported, by_sniff = _imported(subject)
    found = [name for name in FORBIDDEN if name in imported]
    expect(not found, f"{_declaration(subject)} or the modules it names for options import {' and '.join(found)}")
    expect("torch" not in by_sniff, f"the module of {subject.component.sniff} imports torch")


@law(*KINDS, mend="import nothing but radfield_core.plugin, and do nothing else at module level")
def declaration_is_quick(subject: Subject) -> None:
    """Importing the declaration takes less than 20 ms of processor time (the best of five tries)."""
    best = float("inf")
    for _ in range(5):
        best = min(best, _imported(subject)[0])
        if best < BUDGET_MS:
            return
    raise Broken(f"importing {_declaration(subject)} took {best:.0f} ms at best")


@law(*KINDS, mend="spell module and attribute as they are; implement the interface of the kind")
def what_is_named_exists(subject: Subject) -> None:
    """Everything that the declaration names can be imported, the part implements the interface of its kind, and its
    words are known."""
    component = subject.component
    for name in ("impl", "config", "capabilities", "sniff", "writer"):
        reference = getattr(component, name)
        if reference is not None:
            load_of(component, reference)
    implementation, interface = load_of(component, component.impl), INTERFACES[component.kind]
    expect(
        isinstance(implementation, type) and issubclass(implementation, interface),
        f"{component.impl} is no {interface.__module__}.{interface.__name__}",
    )
    faults = vocabulary_faults(component)
    expect(not faults, "; ".join(faults))
    added = {word for word in subject.provides if "." not in word} - set(VOCABULARY[component.kind])
    expect(not added, f"its capabilities function provides unknown words: {', '.join(sorted(added))}")
    expect(component.summary.strip() and "\n" not in component.summary, "its summary is not one line of text")


@law(*KINDS, mend="declare every option with option(default, help=…) or slot(kind, help=…) in an attrs.frozen class")
def options_are_documented(subject: Subject) -> None:
    """The option class is frozen, every option has a type that a config can write and one line of help, and every
    default lies in the option's own range."""
    options = options_of(subject.component)
    expect(options.__setattr__ is not object.__setattr__, f"{options.__name__} is not frozen: use @attrs.frozen")
    for attribute in attrs.fields(options):
        expect(attribute.metadata.get("help", "").strip(), f"option {attribute.name} has no help")
        kind = types_of(options).get(attribute.name)
        expect(kind is not None, f"option {attribute.name} has no type")
        limits: Range | None = attribute.metadata.get("range")
        if limits is not None and not isinstance(attribute.default, attrs.Factory):  # type: ignore[arg-type]
            fault = None if attribute.default is attrs.NOTHING else limits.fault(attribute.default)
            expect(not fault, f"the default of option {attribute.name} is outside its range: {fault}")


@law(*KINDS, mend="no init=False, converter or field_transformer in option classes; store what was given")
def options_survive_a_round_trip(subject: Subject) -> None:
    """Options written as TOML and read back are the same, by default and when each is given another value: a run's
    config.toml says what really ran."""
    tables = [dict(subject.options)]
    for path, value in _others(subject.choice.config):
        tables.append(_with(subject.options, path, value))
    refused: list[str] = []
    for table in tables:
        try:
            choice = subject.choose(subject.component, table)
        except RadfieldError as error:  # another option's value may rule this one out
            refused.append(str(error))
            continue
        _round_trip(subject, choice, table)
    expect(len(refused) < len(tables), f"no combination of options was accepted: {refused[:1]}")


def _round_trip(subject: Subject, choice: Choice, table: dict[str, Any]) -> None:
    text = dump(choice.config)
    again = subject.choose(subject.component, parse_table(text))
    expect(again.config == choice.config and dump(again.config) == text, f"options change when stored:\n{text}")
    stored = parse_table(text)
    for name, value in table.items():
        if not isinstance(value, dict) and not isinstance(getattr(choice.config, name, None), Choice):
            expect(stored.get(name) == value, f"{name} = {value!r} was given, and {stored.get(name)!r} is stored")


def _others(config: Any) -> list[tuple[str, Any]]:
    """For every scalar option that is not a slot: its name and another value that its type and range allow."""
    found = []
    options: Any = type(config)
    for attribute in attrs.fields(options):
        kind, limits = types_of(options)[attribute.name], attribute.metadata.get("range") or Range()
        if "slot" in attribute.metadata or table_class(kind) is not None:
            continue
        for value in _candidates(kind, getattr(config, attribute.name)):
            if value != getattr(config, attribute.name) and not limits.fault(value):
                found.append((attribute.name, value))
                break
    return found


def _candidates(kind: Any, value: Any) -> list[Any]:
    """Values of a type, other than `value`."""
    if get_origin(kind) in (Union, types.UnionType):
        return [other for member in get_args(kind) for other in _candidates(member, value)]
    if get_origin(kind) is Literal:
        return [member for member in get_args(kind) if member != value]
    if kind is bool:
        return [not value]
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 1
    if kind is int:
        return [int(number) + 1, int(number) - 1, int(number) * 2, int(number) // 2]
    if kind is float:
        return [float(number) * 0.75 + 0.0625, float(number) + 0.5, float(number) - 0.5]
    return ["another"] if kind is str else []


def _with(options: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**options, name: value}


def _declaration(subject: Subject) -> str:
    """The module that declares the part; a plugin's name alone says less, as two distributions may use it."""
    part = subject.component
    owner = (part.distribution, part.plugin)
    return next(plugin.module for plugin in subject.registry.plugins if (plugin.distribution, plugin.name) == owner)


def _imported(subject: Subject) -> tuple[float, set[str], set[str]]:
    """Milliseconds that importing the declaration takes in a fresh process, and the packages imported with it and its
    options, then with its sniff."""
    component = subject.component
    options, sniff = (
        " ".join(reference.partition(":")[0] for reference in references if reference is not None)
        for references in ((component.config, component.capabilities), (component.sniff,))
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, _declaration(subject), options, sniff],
        capture_output=True, text=True, env=environ, check=False,
    )  # fmt: skip
    expect(done.returncode == 0, f"it cannot be imported:\n{done.stderr}")
    duration, imported, by_sniff = done.stdout.splitlines()
    return float(duration), set(imported.split()), set(by_sniff.split())
