"""The cache of compiled kernels: kept from process to process, and never older than a helper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numba
import pytest

HELPER = """
from radfield_core.ops.jit import kernel

@kernel
def helper(number):
    return number + {}
"""
CALLER = """
from radfield_core.ops.jit import kernel
from some_kernels.helpers import helper

@kernel
def caller(number):
    return helper(number)
"""
COMMAND = """
from some_kernels.callers import caller
print(caller(1), sum(caller.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "some_kernels"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helpers.py").write_text(HELPER.format(1))
    (folder / "callers.py").write_text(CALLER)
    return folder


def _result_and_hits(package: Path) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=package.parent, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_a_kernel_is_compiled_once_and_again_when_its_helper_changes(package: Path) -> None:
    assert _result_and_hits(package) == ["2", "0"]
    assert _result_and_hits(package) == ["2", "1"]
    (package / "helpers.py").write_text(HELPER.format(5))
    assert _result_and_hits(package) == ["6", "0"]


def test_a_kernel_is_compiled_again_when_a_helper_in_a_subfolder_changes(package: Path) -> None:
    helper = package / "inner" / "helpers.py"
    helper.parent.mkdir()
    (package / "helpers.py").rename(helper)
    (package / "callers.py").write_text(CALLER.replace("some_kernels.helpers", "some_kernels.inner.helpers"))
    assert _result_and_hits(package) == ["2", "0"]
    helper.write_text(HELPER.format(5))
    assert _result_and_hits(package) == ["6", "0"]


def test_a_cache_that_cannot_be_read_is_written_anew(package: Path) -> None:
    _result_and_hits(package)
    version, gone = f"V{numba.__version__}\n.", "c__main__\nGone\n."  # pickled: a text, and a type that is no more
    for index in (package / "__pycache__").glob("*.nbi"):
        index.write_text(version + gone)
    assert _result_and_hits(package) == ["2", "0"]
    assert _result_and_hits(package) == ["2", "1"]


def test_a_kernel_runs_where_nothing_can_be_cached(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package / "__init__.py"))  # no folder, whoever asks
    assert _result_and_hits(package) == ["2", "0"]
