"""Plant one-line faults in a copy of the sources, one at a time, and see whether the tests named for them fail.

Usage: python tools/mutants.py [WORD ...]     only mutants whose name or file contains one of the words

The mutants are listed in mutants.toml. Exit code 1 if a mutant survives, cannot be planted, or its tests fail without
it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("mutants.toml")
MAX_SECONDS = 120.0
"""A mutant whose tests run longer than this counts as killed: some faults make a loop endless."""

BAD = ("SURVIVED", "not found", "tests fail without it")


class Mutant(NamedTuple):
    """A fault: text of one file to replace, and the tests that must fail.

    Attributes:
        name: description of the fault.
        file: path of the file in the repository.
        old: text that occurs once in the file.
        new: text that takes its place.
        tests: files or folders of tests to run; none for an equivalent mutant.
        equivalent: the reason why no test can fail; "" if one must.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    equivalent: str = ""


class Result(NamedTuple):
    """The outcome for one mutant: killed, equivalent, or one of `BAD`."""

    mutant: Mutant
    outcome: str
    seconds: float


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """The mutants of a TOML file. Raises ValueError for one that names neither tests nor a reason."""
    mutants = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
        mutant = Mutant(**{**table, "tests": tuple(table.get("tests", ()))})
        if bool(mutant.tests) == bool(mutant.equivalent):
            raise ValueError(f"mutant {mutant.name!r} needs either tests or the reason why it is equivalent")
        mutants.append(mutant)
    return mutants


def copy_sources(root: Path, target: Path) -> None:
    """Copy the files that git knows, so that a mutant never touches the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)  # noqa: S607  git is found on the PATH
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def planted(text: str, mutant: Mutant) -> str | None:
    """The text of a file with the fault; None unless the old text occurs exactly once."""
    return text.replace(mutant.old, mutant.new) if text.count(mutant.old) == 1 else None


def run_tests(copy: Path, tests: Iterable[str], *options: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run pytest in the copy, on its own sources. Raises TimeoutExpired, or RuntimeError if there is no test to run."""
    packages = [copy, *sorted(path.parent for path in copy.glob("plugins/*/pyproject.toml"))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options, *tests]
    done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode in (4, 5):  # a wrong path, or no test collected
        raise RuntimeError(f"no tests were run by: {' '.join(command)}\n{done.stdout[-2000:]}")
    return done


def failing_tests(copy: Path, mutants: Iterable[Mutant]) -> set[str]:
    """The tests among those of the mutants that fail without any fault, from one run of all of them."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    if not tests:
        return set()
    output = run_tests(copy, tests, "--tb=no", "-rfE", seconds=20 * MAX_SECONDS).stdout
    failed = [line.split()[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return {test for test in tests if any(name.startswith(test) for name in failed)}


def fails(copy: Path, tests: Iterable[str]) -> bool:
    """True if one of the tests fails in the copy, or they take too long."""
    try:
        return run_tests(copy, tests, "-x", seconds=MAX_SECONDS).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def outcome_of(copy: Path, mutant: Mutant) -> str:
    """Plant a mutant in the copy, run its tests and restore the file."""
    file = copy / mutant.file
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    changed = planted(text, mutant)
    if changed is None:
        return "not found"
    if mutant.equivalent:
        return "equivalent"
    file.write_text(changed, encoding="utf-8")
    try:
        return "killed" if fails(copy, mutant.tests) else "SURVIVED"
    finally:
        file.write_text(text, encoding="utf-8")


def run(root: Path, mutants: list[Mutant]) -> Iterator[Result]:
    """The outcome for each mutant, after one run of all their tests on the unchanged copy."""
    with tempfile.TemporaryDirectory(prefix="radfield-mutants-") as folder:
        copy = Path(folder)
        copy_sources(root, copy)
        failing = failing_tests(copy, mutants)
        for mutant in mutants:
            started = time.perf_counter()
            outcome = "tests fail without it" if failing & set(mutant.tests) else outcome_of(copy, mutant)
            yield Result(mutant, outcome, time.perf_counter() - started)


def main(words: list[str]) -> int:
    """Print a row for each mutant and a summary; the exit code."""
    chosen = [m for m in read_mutants() if not words or any(word in m.name or word in m.file for word in words)]
    started, results = time.perf_counter(), []
    for result in run(ROOT, chosen):
        results.append(result)
        print(f"{result.outcome:<21}  {result.seconds:5.1f} s  {result.mutant.name}", flush=True)
    counts = {outcome: sum(r.outcome == outcome for r in results) for outcome in ("killed", "equivalent", *BAD)}
    print(f"\n{len(results)} mutants in {time.perf_counter() - started:.0f} s: ", end="")
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n))
    return int(not results or any(counts[outcome] for outcome in BAD))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
