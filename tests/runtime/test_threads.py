"""The thread policy: as many threads as cores are free, that wait briefly before they sleep, unless the user chose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from radfield_core.cli.main import main
from radfield_core.runtime import threads
from radfield_core.runtime.threads import free_cores

SCRIPT = """
import os, sys
from radfield_core.runtime import threads
threads.free_cores, threads._cores = (lambda: {free}), (lambda: 4)
{before}
print(threads.set_policy())
print(*map(os.environ.get, ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")), "torch" in sys.modules)
"""
WAITING = "waiting actively for microseconds, then passively"


def policy(before: str = "", free: int = 4, **environment: str) -> list[str]:
    """Output and settings of a fresh process on four cores, of which `free` are free."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before, free=free)], env={**clean, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_threads_wait_briefly_before_they_sleep_and_no_torch_is_loaded_for_it() -> None:
    assert policy() == [f"number chosen by torch; {WAITING}", "None None 1000 False"]


@pytest.mark.parametrize("free", [1, 3])
def test_there_are_no_more_threads_than_free_cores(free: int) -> None:
    said, found = policy(free=free)
    assert said.startswith(f"{free}, because {free} of 4 cores are free; to change it, set OMP_NUM_THREADS; waiting")
    assert found == f"{free} None 1000 False"


def test_the_user_s_number_of_threads_is_kept_and_printed() -> None:
    for value in ("3", "3,2"):  # the second is for teams within teams
        assert policy(OMP_NUM_THREADS=value, free=1) == [
            f"3 (OMP_NUM_THREADS); {WAITING}", f"{value} None 1000 False",
        ]  # fmt: skip


@pytest.mark.parametrize("value", ["0", "-3", "abc", "", "1.5", "4,0", "4,"])
def test_a_malformed_number_of_threads_is_refused_with_a_hint(value: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert main(["train", "--method", "nerf", "--data", "synthetic"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert "OMP_NUM_THREADS" in error and repr(value) in error and "OMP_NUM_THREADS=1" in hint
    assert main(["doctor"]) == 1
    assert f"wrong: OMP_NUM_THREADS: {value!r} is not" in capsys.readouterr().out


def test_the_user_s_wait_policy_is_kept_and_printed() -> None:
    said, found = policy(OMP_WAIT_POLICY="ACTIVE")
    assert "wait policy from OMP_WAIT_POLICY=ACTIVE" in said and found == "None ACTIVE None False"


def test_after_torch_is_loaded_the_policy_is_reported_as_not_set() -> None:
    said, found = policy(before="sys.modules['torch'] = sys", free=1)
    assert "loaded before" in said and found.startswith("None None None")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of four cores, of which this process may use 0, 2 and 3; core 2 is busy until a test says otherwise."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 3}, raising=False)
    monkeypatch.setattr(threads, "_CPU_TIMES", tmp_path / "stat")
    monkeypatch.setattr(threads, "_CPU_QUOTA", tmp_path / "cpu.max")
    show(tmp_path, monkeypatch, busy=[0, 20, 20, 0])
    return tmp_path


def show(folder: Path, monkeypatch: pytest.MonkeyPatch, busy: list[int]) -> None:
    """While the program looks, each core is busy for so many of 20 ticks; a quarter of the rest waits for a disk."""

    def write(ticks: list[int], of: int) -> None:
        rows = [
            f"cpu{core} {100 + one} 0 5 {1000 + 3 * (of - one) // 4} {7 + (of - one) // 4} 0 0 0 0 0"
            for core, one in enumerate(ticks)
        ]
        (folder / "stat").write_text("\n".join(["cpu 1 2 3 4 5 6 7 8 9 10", *rows, "intr 5", "cpus 4"]) + "\n")

    write([0] * len(busy), 0)
    monkeypatch.setattr(threads.time, "sleep", lambda seconds: write(busy, 20))


@pytest.mark.parametrize(
    ("busy", "free"),
    [
        ([0, 20, 20, 0], 2),  # core 1 belongs to others
        ([0, 0, 0, 0], 3),
        ([4, 0, 4, 4], 2),  # a load that wanders between cores
        ([1, 0, 2, 1], 3),
        ([20, 20, 20, 20], 1),
    ],
)
def test_cores_without_a_process_are_free(busy: list[int], free: int, machine: Path, monkeypatch) -> None:
    show(machine, monkeypatch, busy)
    assert free_cores() == free


@pytest.mark.parametrize(
    ("quota", "free"), [("max 100000", 3), ("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1), ("x", 3)]
)
def test_a_container_s_limit_counts(quota: str, free: int, machine: Path, monkeypatch) -> None:
    show(machine, monkeypatch, [0, 0, 0, 0])
    (machine / "cpu.max").write_text(quota + "\n")
    assert free_cores() == free


@pytest.mark.parametrize("content", [None, "", "cpu0 1 2\ncpu2 1 2\ncpu3 1 2\n", "cpu0 1 2 3 4 5 6 7 8\n"])
def test_without_the_times_of_the_cores_the_load_is_taken(content: str | None, machine: Path, monkeypatch) -> None:
    (machine / "stat").unlink()
    if content is not None:
        (machine / "stat").write_text(content)
    monkeypatch.setattr(threads.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2, 9.0, 9.0))
    assert free_cores() == 2
