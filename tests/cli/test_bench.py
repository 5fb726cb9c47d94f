"""`radfield bench`: numbers above zero, and threads that are set before torch is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from radfield_core.cli.main import main

THREADS = """
import os
from radfield_core.cli.bench import set_threads
set_threads(1)
import torch
print(torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["GOMP_SPINCOUNT"])
"""


@pytest.mark.parametrize("option", ["--repeats", "--threads"])
def test_nothing_can_be_measured_zero_times_or_on_no_thread(option: str, capsys) -> None:
    assert main(["bench", "micro", option, "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {option}: 0 ") and f"try: {option} 1\n" in error


@pytest.mark.parametrize("option", ["--every", "--views", "--seconds"])
def test_a_curve_needs_points_views_and_time(option: str, capsys) -> None:
    assert main(["bench", "run", "--method", "tiny-nerf", "--data", "x", option, "-1"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {option}: -1 ")


def test_the_threads_are_set_for_torch_and_openmp() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=environ)
    assert done.stdout.split() == ["1", "1", "1000"], done.stderr
