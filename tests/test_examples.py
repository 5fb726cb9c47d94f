"""The examples in the docstrings of public names and of plugins run and print what they show."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import radfield_core
from radfield_core import data, files, ops

OPS = ("contraction", "derivatives", "distortion", "frustum", "mlp", "ndc", "networks", "segments", "stepfun", "volume")
PROMISED = sorted(
    {f"radfield_core.{module}" for module in radfield_core._HOMES}
    | {f"radfield_core.ops.{module}" for module in (*ops._HOMES, *OPS)}
    | {f"radfield_core.interfaces.{module}" for module in ("context", "field", "method", "model", "part", "sampler")}
    | {f"{door.__name__}.{module}" for door in (data, files) for module in door._HOMES}
    | {"radfield_core.names"}
)
PLUGINS = sorted(
    ".".join(path.with_suffix("").parts[-len(path.relative_to(folder).parts) :])
    for folder in Path(__file__).parents[1].glob("plugins/*")
    for path in folder.glob("radfield_*/**/*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", [*PROMISED, *PLUGINS])
def test_examples_run(name: str) -> None:
    failed, _ = doctest.testmod(import_module(name))
    assert failed == 0


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
