"""What authors may rely on is what the project's own plugins, its example and its templates rely on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from radfield_core.cli.plugins import TEMPLATES
from radfield_core.templates import render, words_for

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "authors" / "versioning.md").read_text(encoding="utf-8")
SUPPORTED = re.findall(r"`(radfield_core\.[a-z_.]+)`", PAGE)


def names_of_core(source: str) -> Iterator[str]:
    """`module.name` of everything that a source imports from core."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "radfield_core":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "radfield_core")


def unsupported(source: str) -> list[str]:
    return [
        name
        for name in names_of_core(source)
        if not any(f"{name}.".startswith(f"{module}.") for module in SUPPORTED) or "._" in name
    ]


@pytest.mark.parametrize(
    "folder", [*ROOT.glob("plugins/*/radfield_*/"), *ROOT.glob("examples/*/")], ids=lambda folder: folder.name
)
def test_what_is_imported_from_core_is_listed_as_supported(folder: Path) -> None:
    sources = list(folder.rglob("*.py"))
    assert sources
    for path in sources:
        assert unsupported(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("kind", TEMPLATES)
def test_what_a_template_imports_from_core_is_listed_as_supported(kind: str) -> None:
    for path, text in render(kind, words_for("acme-first", kind)):
        assert not path.endswith(".py") or unsupported(text) == [], path


@pytest.mark.parametrize(
    "source",
    ["import radfield_core.trainer", "from radfield_core import runs", "from radfield_core.types import _along"],
)
def test_what_is_not_listed_is_found(source: str) -> None:
    assert unsupported(source)


def test_every_module_that_is_listed_is_there() -> None:
    assert len(SUPPORTED) > 20 and [name for name in SUPPORTED if find_spec(name) is None] == []
