"""Laws of declarations and options, for parts of every kind."""

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
    ColorMap,
    Converter,
    DataParser,
    Encoding,
    Exporter,
    Field,
    Loss,
    Method,
    Metric,
    Observer,
    RayTransform,
    Renderer,
    Sampler,
)
from radfield_core.plugin import KINDS, REFERENCES, load_of
from radfield_core.plugins.discovery import FORBIDDEN
from radfield_core.plugins.vocabulary import VOCABULARY, vocabulary_faults
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.under_test import PartUnderTest

MAX_IMPORT_MS = 20.0
INTERFACES: dict[str, type] = {
    "color": ColorMap,
    "converter": Converter,
    "dataparser": DataParser,
    "encoding": Encoding,
    "exporter": Exporter,
    "field": Field,
    "loss": Loss,
    "method": Method,
    "metric": Metric,
    "observer": Observer,
    "rays": RayTransform,
    "renderer": Renderer,
    "sampler": Sampler,
}
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


@law(*KINDS, fix="Import torch only in the module of the part, and declare the part as 'module:Class'.")
def declaration_imports_no_torch(tested: PartUnderTest) -> None:
    """The modules that define the declaration, the options and the capabilities import neither torch nor numpy. The
    module that defines sniff does not import torch. This keeps `radfield --help` and config checks fast."""
    _, imported, by_sniff = _imported(tested)
    found = [name for name in FORBIDDEN if name in imported]
    expect(not found, f"{_declaration(tested)} or a module of its options imports {' and '.join(found)}")
    expect("torch" not in by_sniff, f"the module of {tested.component.sniff} imports torch")


@law(*KINDS, fix="Import only radfield_core.plugin in the declaration, and compute nothing at module level.")
def declaration_imports_quickly(tested: PartUnderTest) -> None:
    """In the fastest of five attempts, importing the declaration takes less than 20 ms of CPU time."""
    fastest = float("inf")
    for _ in range(5):
        fastest = min(fastest, _imported(tested)[0])
        if fastest < MAX_IMPORT_MS:
            return
    raise LawBroken(f"importing {_declaration(tested)} takes {fastest:.0f} ms of CPU time")


@law(*KINDS, fix="Correct the names 'module:Class', and derive the class from the interface of its kind.")
def declared_names_exist(tested: PartUnderTest) -> None:
    """Everything that the declaration names can be imported. The part is a class derived from the interface of its
    kind. Its capabilities are in the vocabulary of its kind, and its summary is one line."""
    component = tested.component
    for name in REFERENCES:
        reference = getattr(component, name)
        if reference is not None:
            load_of(component, reference)
    implementation, interface = load_of(component, component.impl), INTERFACES[component.kind]
    derived = isinstance(implementation, type) and issubclass(implementation, interface)
    expect(derived, f"{component.impl} is not derived from radfield_core.{interface.__name__}")
    faults = vocabulary_faults(component)
    expect(not faults, "; ".join(faults))
    unknown = {word for word in tested.provides if "." not in word} - set(VOCABULARY[component.kind])
    expect(not unknown, f"its capabilities function provides unknown words: {', '.join(sorted(unknown))}")
    expect(component.summary.strip() and "\n" not in component.summary, "its summary is not one line of text")


@law(*KINDS, fix="Declare options with option(default, help=…) or slot(kind, help=…) in an attrs.frozen class.")
def options_are_documented(tested: PartUnderTest) -> None:
    """The option class is frozen. Every option has a type that a config file can store and a help text. The default of
    an option lies in its allowed range."""
    options = options_of(tested.component)
    expect(options.__setattr__ is not object.__setattr__, f"{options.__name__} is not frozen: use @attrs.frozen")
    for attribute in attrs.fields(options):
        expect(attribute.metadata.get("help", "").strip(), f"option {attribute.name} has no help")
        expect(types_of(options).get(attribute.name) is not None, f"option {attribute.name} has no type")
        limits: Range | None = attribute.metadata.get("range")
        default: Any = attribute.default
        computed = isinstance(default, attrs.Factory)  # type: ignore[arg-type]  # a class; attrs' stubs say function
        if limits is None or default is attrs.NOTHING or computed:
            continue
        fault = limits.fault(default)
        expect(not fault, f"the default of option {attribute.name} is outside its range: {fault}")


@law(
    *KINDS,
    fix="Use no init=False, converter or field_transformer in option classes, so that values are stored as given.",
)
def options_survive_a_round_trip(tested: PartUnderTest) -> None:
    """Options that are written as TOML and read again are equal. This is tested with the default options and with each
    option changed. It ensures that the config.toml of a run holds the options that the run used."""
    tables = [dict(tested.options)]
    tables += [{**tested.options, name: value} for name, value in _other_values(tested.choice.config)]
    refused: list[str] = []
    for table in tables:
        try:
            choice = tested.choose(tested.component, table)
        except RadfieldError as error:  # the values of two options may exclude each other
            refused.append(str(error))
            continue
        _check_round_trip(tested, choice, table)
    expect(len(refused) < len(tables), f"no combination of options is accepted: {refused[:1]}")


def _check_round_trip(tested: PartUnderTest, choice: Choice, table: dict[str, Any]) -> None:
    """Raise LawBroken unless the options of a part are unchanged after writing and reading them."""
    text = dump(choice.config)
    again = tested.choose(tested.component, parse_table(text))
    expect(again.config == choice.config and dump(again.config) == text, f"options change when stored:\n{text}")
    stored = parse_table(text)
    for name, value in table.items():
        if not isinstance(value, dict) and not isinstance(getattr(choice.config, name, None), Choice):
            expect(stored.get(name) == value, f"{name} = {value!r} was given, but {stored.get(name)!r} is stored")


def _other_values(config: Any) -> list[tuple[str, Any]]:
    """The name of each scalar option, and a valid value for it that differs from its present value."""
    found = []
    options: Any = type(config)
    for attribute in attrs.fields(options):
        kind, limits = types_of(options)[attribute.name], attribute.metadata.get("range") or Range()
        if "slot" in attribute.metadata or table_class(kind) is not None:
            continue
        present = getattr(config, attribute.name)
        for value in _candidates(kind, present):
            if value != present and not limits.fault(value):
                found.append((attribute.name, value))
                break
    return found


def _candidates(kind: Any, value: Any) -> list[Any]:
    """Values of the type `kind` to try as an option's new value. Some of them may equal the present `value`."""
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


def _declaration(tested: PartUnderTest) -> str:
    """The module that declares the part.

    Two distributions may have plugins of the same name, so the distribution and the name are both compared.
    """
    part = tested.component
    owner = (part.distribution, part.plugin)
    return next(plugin.module for plugin in tested.registry.plugins if (plugin.distribution, plugin.name) == owner)


def _imported(tested: PartUnderTest) -> tuple[float, set[str], set[str]]:
    """Import the modules of a part in a new process.

    Returns:
        The CPU time in ms of importing the declaration; the packages that are loaded after importing the declaration
        and the options; and the packages that are loaded after also importing the module of sniff.
    """
    component = tested.component
    options, sniff = (
        " ".join(reference.partition(":")[0] for reference in references if reference is not None)
        for references in ((component.config, component.capabilities), (component.sniff,))
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _PROGRAM, _declaration(tested), options, sniff]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    expect(done.returncode == 0, f"the declaration cannot be imported:\n{done.stderr}")
    duration, imported, by_sniff = done.stdout.splitlines()
    return float(duration), set(imported.split()), set(by_sniff.split())
