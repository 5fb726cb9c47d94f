"""Plant one-line faults in a copy of the sources, one at a time, and see whether the tests named for them fail.

Usage: python tools/mutants.py [WORD ...]     only mutants whose name or file contains one of the words

The mutants are listed in mutants.toml. At the end, the test that failed for each mutant is run again without any fault.
Exit code 1 if a mutant survives, cannot be planted, takes too long, or its test fails without it.
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
MAX_SECONDS = 300.0

GOOD, BAD = ("killed", "equivalent"), ("SURVIVED", "not found", "too slow", "not run", "fails without it")
NOTHING_RAN = 5
"""Exit code of pytest without tests, such as those of a plugin whose packages are not installed."""


class Mutant(NamedTuple):
    """A fault: text of one file to replace, and the tests of which one must fail.

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
    """The outcome for one mutant, one of `GOOD` or `BAD`; and the first test that failed, "" if none did."""

    mutant: Mutant
    outcome: str
    failed: str
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
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)  # noqa: S607
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def planted(text: str, mutant: Mutant) -> str | None:
    """The text of a file with the fault; None unless the old text occurs exactly once."""
    return text.replace(mutant.old, mutant.new) if text.count(mutant.old) == 1 else None


def failures(copy: Path, tests: Iterable[str], *options: str) -> list[str]:
    """The tests that fail in the copy, as pytest names them. Raises TimeoutExpired, LookupError if all were
    skipped or, without tests, RuntimeError."""
    packages = [copy, *sorted(path.parent for path in copy.glob("plugins/*/pyproject.toml"))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages))}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "1000"}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *options, *tests],
        cwd=copy,
        env=environ,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )
    if done.returncode == NOTHING_RAN:
        raise LookupError
    if done.returncode not in (0, 1, 2):  # 2: a module of tests cannot be imported
        output = done.stdout[-2000:] + done.stderr[-2000:]
        raise RuntimeError(f"pytest ended with code {done.returncode} for {', '.join(tests)}:\n{output}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    found = [line.partition(" ")[2].partition(" - ")[0] for line in lines]
    return found or (["pytest"] if done.returncode else [])


def try_out(copy: Path, mutant: Mutant) -> tuple[str, str]:
    """Plant a mutant in the copy, run its tests and restore the file; the outcome and the first test that failed."""
    file = copy / mutant.file
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    changed = planted(text, mutant)
    if changed is None:
        return "not found", ""
    if mutant.equivalent:
        return "equivalent", ""
    file.write_text(changed, encoding="utf-8")
    try:
        failed = failures(copy, mutant.tests, "-x")
    except subprocess.TimeoutExpired:
        return "too slow", ""
    except LookupError:
        return "not run", ""
    finally:
        file.write_text(text, encoding="utf-8")
    return ("killed", failed[0]) if failed else ("SURVIVED", "")


def run(root: Path, mutants: Iterable[Mutant]) -> Iterator[Result]:
    """The outcome for each mutant, then a second one for each whose test fails without a fault too."""
    results = []
    with tempfile.TemporaryDirectory(prefix="radfield-mutants-") as folder:
        copy = Path(folder)
        copy_sources(root, copy)
        for mutant in mutants:
            started = time.perf_counter()
            outcome, failed = try_out(copy, mutant)
            results.append(Result(mutant, outcome, failed, time.perf_counter() - started))
            yield results[-1]
        tests = sorted({result.failed for result in results if result.failed})
        wrong = set(failures(copy, tests)) if tests else set()
        yield from (result._replace(outcome="fails without it") for result in results if result.failed in wrong)


def main(words: list[str]) -> int:
    """Print a row for each mutant and a summary; the exit code."""
    chosen = [m for m in read_mutants() if not words or any(word in m.name or word in m.file for word in words)]
    started, outcomes = time.perf_counter(), {}
    for result in run(ROOT, chosen):
        outcomes[result.mutant] = result.outcome
        test = result.failed.rpartition("::")[2]
        print(f"{result.outcome:<16}  {result.seconds:5.1f} s  {result.mutant.name}  {test}".rstrip(), flush=True)
    counts = {outcome: list(outcomes.values()).count(outcome) for outcome in (*GOOD, *BAD)}
    print(f"\n{len(outcomes)} mutants in {time.perf_counter() - started:.0f} s: ", end="")
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n) or "none")
    return int(not outcomes or any(counts[outcome] for outcome in BAD))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
