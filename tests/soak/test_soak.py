"""A small soak finds nothing, and a program that misbehaves is found by it."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from radfield_core.errors import DatasetError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the soak is no part of a distribution

from soak import fuzz  # noqa: E402
from soak.targets import Fault, Target, run_program  # noqa: E402


def test_a_small_soak_finds_nothing_and_prints_its_counts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--cases", "80", "--kills", "3"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^kills: 3 kill -9, \d in the middle of a save, 0 lost", done.stdout, re.MULTILINE)
    assert re.search(r"^fuzzing: 80 cases: \d+ read, \d+ refused in words, 0 faults", done.stdout, re.MULTILINE)


def hungry() -> None:
    """Take 300 MiB, and use them."""
    assert len(b"x" * (300 << 20)) > 0


def refused(message: str = "is damaged") -> Callable[[], None]:
    """A reader that refuses in words."""

    def read() -> None:
        raise DatasetError(message, path="a")

    return read


READERS: dict[str, tuple[Callable[[], object], str]] = {
    "nothing": (lambda: None, ""),
    "an error in words": (refused(), ""),
    "an error without words": (refused(" "), "without a message"),
    "another error": (lambda: [][0], "IndexError"),
    "too slow": (lambda: time.sleep(1), "took more than"),
    "too large": (hungry, "MiB"),
    "the code of a bug": (lambda: run_program("config", "show", "--method", "\0"), "exit code 70"),
    "the end of the process": (lambda: os._exit(3), "ended the process (3)"),
    "a crash": (lambda: ctypes.string_at(0), "ended the process (-11)"),
}


@pytest.mark.parametrize("name", READERS)
def test_everything_but_an_error_in_words_is_a_fault(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, expected = READERS[name]
    if name == "the code of a bug":
        monkeypatch.setattr("soak.targets.main", lambda words: 70)
    file = tmp_path / "file"
    file.write_bytes(b"content")
    monkeypatch.setattr(fuzz, "targets", lambda folder: [Target("made up", (file,), read)])
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 0.3 if name == "too slow" else 10.0)
    monkeypatch.setattr(fuzz, "MAX_GROWTH", 200 << 20)
    batch = fuzz.Batch(range(7, 9))
    batch.run()
    assert sum(batch.outcomes.values()) == 2
    assert file.read_bytes() == b"content" or "the process" in expected
    if not expected:
        assert batch.faults == []
        return
    assert expected in batch.faults[0] and batch.faults[0].startswith("case 7")
    assert len(batch.faults) == (1 if name == "too large" else 2), "memory that a process had once is no news"


def test_a_command_that_prints_control_characters_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soak.targets.main", lambda words: print("a\x1b[2J") or 0)
    with pytest.raises(Fault, match="control characters"):
        run_program("anything")
