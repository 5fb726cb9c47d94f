"""The thread policy: passive waiting, unless the user chose otherwise or torch is loaded already."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from radfield_core.cli.main import main

SCRIPT = """
import os, sys
from radfield_core.runtime.threads import set_policy
{before}
print(set_policy())
print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


def policy(before: str = "", **environment: str) -> list[str]:
    """Output and settings of a fresh process."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before)], env={**clean, **environment}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_threads_wait_passively_and_no_torch_is_loaded_for_it() -> None:
    assert policy() == ["number chosen by torch; passive waiting", "PASSIVE 0 False"]


def test_the_user_s_number_of_threads_is_kept_and_printed() -> None:
    for value in ("3", "3,2"):  # the second is for teams within teams
        assert policy(OMP_NUM_THREADS=value) == ["3 (OMP_NUM_THREADS); passive waiting", "PASSIVE 0 False"]


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
    assert "OMP_WAIT_POLICY=ACTIVE" in said and found == "ACTIVE None False"


def test_after_torch_is_loaded_the_policy_is_reported_as_not_set() -> None:
    said, found = policy(before="sys.modules['torch'] = sys")
    assert "loaded before" in said and found.startswith("None None")
