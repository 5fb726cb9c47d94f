"""The reference of every promised name, made from the code before each build: a page for each door, and for ops."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from pages import write
from signatures import constructor, fields, markdown, members, signature

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOORS = ("radfield_core", "radfield_core.data", "radfield_core.files", "radfield_core.ops", "radfield_core.testing",
         "radfield_core.bench", "radfield_core.render", "radfield_core.runs")  # fmt: skip
OPS = (
    "activation", "contraction", "derivatives", "distortion", "frustum", "mlp", "ndc", "networks", "segments",
    "stepfun", "volume",
)  # fmt: skip
"""Modules of `radfield_core.ops` that are public as a whole."""

TITLES = {
    "radfield_core.plugin": "Declarations",
    "radfield_core.config.slots": "Options of parts",
    "radfield_core.cli.main": "The command line",
    "radfield_core.config.fit": "Capabilities of a choice",
    "radfield_core.config.layers": "Composing a run",
    "radfield_core.config.run": "The options of a run",
    "radfield_core.interfaces": "Base classes of parts",
    "radfield_core.types": "What parts exchange",
    "radfield_core.data.scene": "Scenes",
    "radfield_core.plugins.registry": "Installed parts",
    "radfield_core.runs.trained": "Trained runs",
    "radfield_core.runs.exporting": "Exports",
    "radfield_core.train.session": "Training",
    "radfield_core.ops.jit": "Kernels",
    "radfield_core.testing.kit": "Conformance",
    "radfield_core.testing.sphere": "A model whose surface is a sphere",
}
"""Headings of the groups; any other is the name of its module."""


def page(door: str) -> str:
    """Everything behind a door, grouped by the modules that define it."""
    package = import_module(door)
    text = [f"# {door}\n", f"{markdown(package.__doc__)}\n"]
    for module, names in package._HOMES.items():
        leaf = module.rpartition(".")[2].replace("_", " ").capitalize()
        text.append(f"## {TITLES.get(f'{door}.{module}', leaf)}\n")
        for name in sorted(names.split()):
            text += described(name, getattr(package, name))
    return "\n".join(text)


def module_page(name: str) -> str:
    """The public names that a module of ops defines."""
    module = import_module(f"radfield_core.ops.{name}")
    text = [f"# radfield_core.ops.{name}\n", f"{markdown(module.__doc__)}\n", "## Functions and classes\n"]
    for key in public(module):
        text += described(key, getattr(module, key))
    return "\n".join(text)


def public(module: ModuleType) -> list[str]:
    """Names without underscore that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def described(name: str, value: Any) -> Iterator[str]:
    """A heading, the signature and the docstring of a name; of a class also its fields and methods."""
    yield f"### {name}\n"
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield f"```python\n{signature(name, value)}\n```\n"
        yield f"{markdown(value.__doc__)}\n"
    else:
        yield f"```python\n{name} = {value!r}\n```\n"


def _class(name: str, thing: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in thing.__bases__ if base not in (object, tuple, ABC, Protocol))
    head = [f"class {name}{f'({bases})' if bases else ''}", *filter(None, [constructor(thing)])]
    yield "```python\n" + "\n\n".join(head) + "\n```\n"
    yield f"{markdown(thing.__doc__)}\n"
    if rows := fields(thing):
        yield "```python\n" + "\n".join(f"{key}: {kind}{default}" for key, kind, default in rows) + "\n```\n"
    for key, declaration, function in members(thing):
        yield f"#### {name}.{key}\n"
        yield f"```python\n{declaration}\n```\n"
        yield f"{markdown(function.__doc__)}\n"


def index() -> str:
    """The list of all pages."""
    listed = "\n".join([*DOORS, *(f"radfield_core.ops.{name}" for name in OPS)])
    text = (
        "# Python reference\n\nEvery promised name, by the package that it is imported from. Symbols: R rays, "
        "N samples, S samples per ray, L levels, F features, M any number of rows, H×W pixels.\n\n"
    )
    return f"{text}```{{toctree}}\n:maxdepth: 2\n\n{listed}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    pages: dict[str, Callable[[], str]] = {"index": index}
    pages |= {door: partial(page, door) for door in DOORS}
    pages |= {f"radfield_core.ops.{name}": partial(module_page, name) for name in OPS}
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference" / "python", pages))
    return {"parallel_read_safe": True}
