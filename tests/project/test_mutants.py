"""tools/mutants.py plants faults in a copy, and tells those that tests find from those that survive."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("mutants_tool", ROOT / "tools" / "mutants.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants_tool"] = module
    spec.loader.exec_module(module)
    return module


tool = load()
MUTANTS = tool.read_mutants()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of a package with one function and its test."""
    (tmp_path / "sums.py").write_text("def add(a, b):\n    return a + b\n\n\ndef unused(a):\n    return a * 2\n")
    (tmp_path / "test_sums.py").write_text("from sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n")
    (tmp_path / "test_broken.py").write_text("def test_nothing():\n    assert False\n")
    (tmp_path / "test_skipped.py").write_text("import pytest\n\npytest.importorskip('no_such_package')\n")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("mutant", "outcome"),
    [
        (("a + b", "a - b", ("test_sums.py",), ""), "killed"),
        (("a * 2", "a * 3", ("test_sums.py",), ""), "SURVIVED"),
        (("a + c", "a - c", ("test_sums.py",), ""), "not found"),
        (("a", "b", ("test_sums.py",), ""), "not found"),
        (("a + b", "a - b", ("test_skipped.py",), ""), "not run"),
        (("a * 2", "2 * a", (), "multiplication commutes"), "equivalent"),
        (("a + b", "a - b", ("test_broken.py",), ""), "fails without it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_outcome_is_told_apart(mutant, outcome: str, checkout: Path) -> None:
    old, new, tests, reason = mutant
    *_, result = tool.run(checkout, [tool.Mutant("a fault", "sums.py", old, new, tests, reason)])
    assert result.outcome == outcome
    assert result.failed == {
        "killed": "test_sums.py::test_add",
        "fails without it": "test_broken.py::test_nothing",
    }.get(outcome, "")
    assert (checkout / "sums.py").read_text().startswith("def add(a, b):\n    return a + b\n")


def test_a_test_that_takes_too_long_kills_no_mutant(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "MAX_SECONDS", 0.01)
    (result,) = tool.run(checkout, [tool.Mutant("a fault", "sums.py", "a + b", "a - b", ("test_sums.py",))])
    assert result.outcome == "too slow"


def test_tests_that_do_not_exist_are_an_error(checkout: Path) -> None:
    with pytest.raises(RuntimeError, match=r"test_none\.py"):
        list(tool.run(checkout, [tool.Mutant("a fault", "sums.py", "a + b", "a - b", ("test_none.py",))]))


def test_a_mutant_without_tests_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "mutants.toml"
    path.write_text('[[mutant]]\nname = "a fault"\nfile = "x.py"\nold = "1"\nnew = "2"\n')
    with pytest.raises(ValueError, match="a fault"):
        tool.read_mutants(path)


def test_there_are_at_least_45_mutants_with_names_of_their_own() -> None:
    assert len(MUTANTS) >= 45 and len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert sum(mutant.file.startswith("plugins/") for mutant in MUTANTS) >= 15


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_can_still_be_planted_and_its_tests_exist(mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert tool.planted(text, mutant) is not None, f"{mutant.old!r} occurs {text.count(mutant.old)} times"
    assert all((ROOT / test).exists() for test in mutant.tests)
