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


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that no other test uses."""
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "some_kernels"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helpers.py").write_text(HELPER.format(1))
    (folder / "callers.py").write_text(CALLER)
    return folder


def _result_and_hits(package: Path) -> list[str]:
    # Without -B, Python could take its own bytecode of a file that changed within a second and kept its size.
    command = [sys.executable, "-B", "-c", COMMAND]
    run = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=True)
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


def test_a_cache_that_cannot_be_read_is_written_anew(package: Path, private_cache: Path) -> None:
    _result_and_hits(package)
    version, gone = f"V{numba.__version__}\n.", "c__main__\nGone\n."  # pickled: a text, and a type that is no more
    indices = list(private_cache.glob("kernels/*/*.nbi"))
    for index in indices:
        index.write_text(version + gone)
    assert indices
    assert _result_and_hits(package) == ["2", "0"]
    assert _result_and_hits(package) == ["2", "1"]


def test_a_kernel_runs_where_nothing_can_be_cached(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package / "__init__.py"))  # no folder, whoever asks
    assert _result_and_hits(package) == ["2", "0"]


def test_cached_code_is_kept_where_only_its_user_can_write(
    package: Path, private_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for base in (private_cache / "kernels", tmp_path / "numba's"):
        if base.name == "numba's":
            base.mkdir(mode=0o777)
            base.chmod(0o777)
            monkeypatch.setenv("NUMBA_CACHE_DIR", str(base))
        assert _result_and_hits(package) == ["2", "0"]
        assert _result_and_hits(package) == ["2", "1"]
        folders = {file.parent for file in base.rglob("*.nbi")}
        assert len(folders) == 1 and all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    assert not list(package.rglob("*.nbi")) and not list(package.rglob("*.nbc"))


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_code_from_a_folder_that_others_could_write_to_is_not_loaded(
    package: Path, private_cache: Path, mode: int
) -> None:
    assert _result_and_hits(package) == ["2", "0"]
    (folder,) = (private_cache / "kernels").iterdir()
    folder.chmod(mode)
    run = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=package.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["2", "0"], "compiled again, not loaded"
    assert "can be written to by other users" in run.stderr and str(folder) in run.stderr
    folder.chmod(0o750)  # others can read it: they are shut out, and what only we wrote is used
    assert _result_and_hits(package) == ["2", "1"] and folder.stat().st_mode & 0o777 == 0o700
