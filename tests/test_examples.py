"""The examples in the docstrings of public names and of plugins run and print what they show."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from radfield_core import data, files

ROOT = Path(__file__).parents[1]
OPS = (
    "activation", "contraction", "derivatives", "distortion", "frustum", "mlp", "ndc", "networks", "segments",
    "stepfun", "volume",
)  # fmt: skip


def modules_with_examples() -> list[str]:
    """Names of the modules of core and of every plugin whose source shows a prompt."""
    sources = [(ROOT, path) for path in (ROOT / "radfield_core").rglob("*.py") if "templates" not in path.parts]
    sources += [(folder, path) for folder in ROOT.glob("plugins/*") for path in folder.glob("radfield_*/**/*.py")]
    return sorted(
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for folder, path in sources
        if ">>> " in path.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_run(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0 < tried


@pytest.mark.parametrize("module", OPS)
def test_every_op_has_an_example(module: str) -> None:
    """Functions and classes that a public module of ops defines, but for the methods of the classes."""
    loaded = import_module(f"radfield_core.ops.{module}")
    defined = [x for x in vars(loaded).values() if getattr(x, "__module__", "") == loaded.__name__ and callable(x)]
    public = [x for x in defined if not x.__name__.startswith("_")]
    missing = [x.__name__ for x in public if ">>>" not in (x.__doc__ or "")]
    assert public and not missing


@pytest.mark.parametrize("door", [data, files], ids=lambda door: door.__name__)
def test_every_function_of_a_door_has_an_example(door: ModuleType) -> None:
    functions = [getattr(door, name) for name in dir(door) if inspect.isfunction(getattr(door, name))]
    missing = [function.__name__ for function in functions if ">>>" not in (function.__doc__ or "")]
    assert functions and not missing
