"""The public names: the project's own plugins, its example and its templates import no others from core."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from radfield_core.cli.plugins import TEMPLATES
from radfield_core.cli.templates import render, words_for

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("radfield_core", "radfield_core.ops", "radfield_core.data", "radfield_core.files", "radfield_core.testing",
         "radfield_core.bench", "radfield_core.render", "radfield_core.runs")  # fmt: skip
PUBLIC_OPS = ("activation", "contraction", "derivatives", "distortion", "frustum", "mlp", "ndc", "networks", "segments",
              "stepfun", "volume")  # fmt: skip


def promised() -> set[str]:
    """`door.name` of every promised name."""
    names = {f"{door}.{name}" for door in DOORS for name in dir(import_module(door))}
    return names | {f"radfield_core.ops.{module}" for module in PUBLIC_OPS}


def names_of_core(source: str) -> Iterator[str]:
    """`module.name` of everything that a source imports from core."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "radfield_core":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "radfield_core")


def private(source: str) -> list[str]:
    """The imports from core that are no promised names; a declaration imports from `radfield_core.plugin`."""
    public = promised()
    declaration = {f"radfield_core.plugin.{name}" for name in ("component", "hookimpl", "Component", "Output")}
    found = []
    for name in names_of_core(source):
        module, _, leaf = name.rpartition(".")
        if not (name in public | declaration or (module in public and not leaf.startswith("_"))):
            found.append(name)
    return found


@pytest.mark.parametrize(
    "folder", [*ROOT.glob("plugins/*/radfield_*/"), *ROOT.glob("examples/*/")], ids=lambda folder: folder.name
)
def test_authors_import_promised_names_only(folder: Path) -> None:
    sources = list(folder.rglob("*.py"))
    assert sources
    for path in sources:
        assert private(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("kind", TEMPLATES)
def test_templates_import_promised_names_only(kind: str) -> None:
    for path, text in render(kind, words_for("acme-first", kind)):
        assert not path.endswith(".py") or private(text) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "import radfield_core.train.trainer", "from radfield_core import runs", "from radfield_core.types import Level",
        "from radfield_core.ops.segments import _rows", "from radfield_core.ops import _cpu",
    ],
)  # fmt: skip
def test_a_name_that_is_not_promised_is_found(source: str) -> None:
    assert private(source)


@pytest.mark.parametrize("door", DOORS)
def test_type_checkers_and_the_interpreter_see_the_same_names_behind_a_door(door: str) -> None:
    package = import_module(door)
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(seen) == set(dir(package))
    for name, module in seen.items():
        assert getattr(package, name) is getattr(import_module(str(module)), name), name


def test_a_name_that_no_door_has_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Feild'"):
        import_module("radfield_core").Feild  # noqa: B018


def test_the_page_on_versions_names_every_door() -> None:
    page = (ROOT / "docs" / "authors" / "versioning.md").read_text(encoding="utf-8")
    assert set(DOORS) <= set(re.findall(r"`(radfield_core[a-z_.]*)`", page))
