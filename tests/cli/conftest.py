"""The program as users run it: a process of its own that also sees the fake parts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FAKES = Path(__file__).parents[1] / "fakes"

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def radfield(tmp_path: Path) -> Program:
    """Runs `radfield` with words, in an empty folder, with environment variables added."""

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(FAKES), **environ}
        command = [sys.executable, "-m", "radfield_core.cli.main", *words]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)

    return run
