"""Signatures and docstrings as Markdown: evaluated annotations by their short names, Google sections as lists."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import attrs

SECTIONS = {
    "Args": "Arguments", "Returns": "Returns", "Yields": "Yields", "Raises": "Raises", "Attributes": "Attributes",
    "Example": "Example", "Examples": "Examples", "Note": "Note", "Source": "Source",
}  # fmt: skip
"""Heading of a section in a docstring -> in the page."""

WIDTH = 88


class _Shown(str):
    """Text that a signature prints without quotes."""

    def __repr__(self) -> str:
        return str(self)


def namespace(module: str) -> dict[str, Any]:
    """A module's names, and those that it imports for type checkers only."""
    found = sys.modules[module]
    names = dict(vars(found))
    for node in ast.parse(inspect.getsource(found)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom):
                    home = import_module(str(line.module))
                    names |= {alias.asname or alias.name: getattr(home, alias.name) for alias in line.names}
    return names


def short(annotation: Any) -> str:
    """An evaluated annotation by its short name: `Tensor | None` instead of `torch.Tensor | None`."""
    if isinstance(annotation, str):
        raise TypeError(f"the annotation {annotation!r} was not evaluated")
    text = inspect.formatannotation(annotation)
    text = re.sub(r"ForwardRef\('([^']*)'[^)]*\)", r"\1", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text).replace("NoneType", "None")


def signature(name: str, function: Callable[..., Any]) -> str:
    """`name(parameters) -> result` with evaluated annotations; one parameter to a line where it is long."""
    names = namespace(function.__module__)
    hints = {
        key: short(hint)
        for key, hint in typing.get_type_hints(inspect.unwrap(function), names, names, include_extras=True).items()
    }
    found = inspect.signature(function)
    parameters = [
        each.replace(annotation=_Shown(hints[each.name]) if each.name in hints else each.empty)
        for each in found.parameters.values()
        if each.name not in ("self", "cls")
    ]
    result = _Shown(hints["return"]) if "return" in hints else found.empty
    text = name + str(found.replace(parameters=parameters, return_annotation=result))
    if len(text) <= WIDTH:
        return text
    alone = [str(inspect.Signature([each.replace(kind=each.POSITIONAL_OR_KEYWORD)]))[1:-1]
             if each.kind is each.KEYWORD_ONLY else str(each) for each in parameters]  # fmt: skip
    first = next((i for i, each in enumerate(parameters) if each.kind is each.KEYWORD_ONLY), None)
    if first is not None:
        alone.insert(first, "*")
    lines = "".join(f"    {each},\n" for each in alone)
    return f"{name}(\n{lines})" + (f" -> {result}" if result is not found.empty else "")


def members(thing: type) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Name, declaration and function of each public method and property that a class defines itself."""
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if isinstance(member, property):
            yield name, signature(name, function).replace("() -> ", ": "), function
        else:
            wrapped = isinstance(member, staticmethod | classmethod)
            yield name, signature(f"{thing.__name__}.{name}" if wrapped else name, function), function


def constructor(thing: type) -> str:
    """The call signature of a class, or "" if it takes no arguments or its fields state them."""
    made = vars(thing).get("__init__")
    if not inspect.isfunction(made) or fields(thing):
        return ""
    text = signature(thing.__name__, made).removesuffix(" -> None")
    return "" if text.endswith("()") else text


def fields(thing: type) -> list[tuple[str, str, str]]:
    """Name, type and default of each field of a dataclass or attrs class, in order."""
    names = namespace(thing.__module__)
    if issubclass(thing, tuple) and hasattr(thing, "_fields") and hasattr(thing, "_field_defaults"):
        given, defaults = typing.get_type_hints(thing, names, names), thing._field_defaults
        return [(key, short(given[key]), f" = {defaults[key]!r}" if key in defaults else "") for key in thing._fields]
    if not (dataclasses.is_dataclass(thing) or attrs.has(thing)):
        return []
    listed: Any = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else attrs.fields(thing)
    hints = typing.get_type_hints(thing, names, names, include_extras=True)
    return [(each.name, short(hints[each.name]), _default(each)) for each in listed]


def _default(field: Any) -> str:
    """` = value` of a field of a dataclass or attrs class, or "" if it must be given."""
    factory = getattr(field, "default_factory", dataclasses.MISSING)
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        factory = field.default.factory
    if factory is not dataclasses.MISSING:
        return "" if factory.__name__ == "<lambda>" else f" = {factory.__name__}()"
    given = field.default is not dataclasses.MISSING and field.default is not attrs.NOTHING
    return f" = {field.default!r}" if given else ""


def markdown(docstring: str | None) -> str:
    """A docstring in Google style as Markdown: sections as bold words, entries as lists, examples as code."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    out: list[str] = []
    section = ""
    for line in lines:
        if (title := line.rstrip().removesuffix(":")) in SECTIONS and line.endswith(":"):
            section = title
            out += ["", f"**{SECTIONS[title]}**", ""]
        elif section and line.startswith("    "):
            out.append(line[4:])
        else:
            section = section if not line else ""
            out.append(line)
    return _examples(_entries(out))


def _entries(lines: list[str]) -> list[str]:
    """`name: text` below a section as an item of a list, its further lines indented."""
    out, listing = [], False
    for line in lines:
        if re.match(r"\*\*(Arguments|Raises|Attributes)\*\*", line):
            listing = True
        elif line.startswith("**"):
            listing = False
        elif listing and (match := re.match(r"([\w*, .]+?)(?: \([^)]*\))?: (.*)", line)):
            line = f"* `{match[1]}`: {match[2]}"
        elif listing and line and not line.startswith(" "):
            listing = False
        elif listing and line:
            line = "  " + line.strip()
        out.append(line)
    return out


def _examples(lines: list[str]) -> str:
    """Text in which every doctest is a block of code."""
    out: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(">>>") and not inside:
            inside = True
            out.append("```pycon")
        elif inside and not line.strip():
            inside = False
            out.append("```")
        out.append(line)
    if inside:
        out.append("```")
    return "\n".join(out).strip()
