"""No source file of the project uses anything that executes the data it reads, such as pickle or eval."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from radfield_core.cli.plugins import TEMPLATES
from radfield_core.cli.templates import render, words_for

ROOT = Path(__file__).parents[1]
MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "yaml", "cloudpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
BUILT = {"build", "dist", "outputs", "venv"}
"""Folders, besides hidden ones, whose files are not the project's sources."""
EXECUTED = "tests/docs/test_python_page.py"
"""Executes the code blocks of the project's own page, so that what the page shows is true."""
DOTTED = {"torch.load", "torch.save", "builtins.eval", "builtins.exec"}


def faults(source: str) -> list[str]:
    """Forbidden names in a source, each with its line."""
    return [f"{node.lineno}: {fault}" for node in ast.walk(ast.parse(source)) for fault in _faults(node)]


def _faults(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        dotted = {f"{node.module}.{alias.name}" for alias in node.names}
        yield from sorted(dotted & DOTTED)
        if (node.module or "").split(".")[0] in MODULES:
            yield node.module or ""
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in BUILTINS:
        yield node.id
    elif isinstance(node, ast.Attribute) and ast.unparse(node) in DOTTED:
        yield ast.unparse(node)
    elif isinstance(node, ast.Call):
        pickles = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "allow_pickle"]
        if ast.unparse(node.func) in ("np.load", "numpy.load") and pickles != ["False"]:
            yield "np.load without allow_pickle=False"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "import os, yaml", "from joblib import load", "from torch import load", "eval('1')",
        "x = exec", "torch.load('f', weights_only=True)", "import torch\ntorch.save(1, 'f')",
        "from pickle import loads as x", "np.load('f')", "np.load('f', allow_pickle=True)",
        "numpy.load('f', allow_pickle=flag)", "__import__('os')",
    ],
)  # fmt: skip
def test_each_forbidden_thing_is_found(source: str) -> None:
    assert len(faults(source)) == 1


@pytest.mark.parametrize(
    "source",
    ["model.eval()", "import json", "safetensors.torch.load(b'')", "np.load('f', allow_pickle=False)", "eval: int = 1"],
)
def test_what_only_looks_like_it_is_not(source: str) -> None:
    assert faults(source) == []


def sources() -> dict[str, str]:
    """Path -> text of every Python file of the project, and of every one that its templates produce."""
    found = {}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in BUILT]
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    for kind in TEMPLATES:
        written = render(kind, words_for("acme-first", kind))
        found |= {f"templates/{kind}/{place}": text for place, text in written if place.endswith(".py")}
    return found


def of_a_test(place: str) -> bool:
    """True for a path below a folder of tests."""
    return "tests" in Path(place).parts


def test_no_source_of_the_project_has_any() -> None:
    files = sources()
    everywhere = {"conftest.py", "docs/conf.py", "docs/_ext/authors.py", "examples/acme-siren/acme_siren/field.py",
                  "tools/install_editable.py", "templates/encoding/acme_first/encoding.py"}  # fmt: skip
    assert everywhere <= files.keys() and len(files) > 200
    found = {
        place: wrong
        for place, text in files.items()
        if place != EXECUTED and (wrong := [f for f in faults(text) if "np." not in f or not of_a_test(place)])
    }
    assert found == {}, "tests alone may read back with np.load what they wrote themselves"
