"""A request for more memory than the machine has fails at once, instead of ending the process later."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from radfield_core.runtime import memory_limit
from radfield_core.runtime.memory_limit import limited_memory, machine_memory


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The description of a machine with 64 GiB and a container that may use 48 GiB of them, without a GPU."""
    (tmp_path / "meminfo").write_text("MemTotal:       67108864 kB\nSwapTotal:      0 kB\n")
    (tmp_path / "max").write_text(f"{48 * 2**30}\n")
    monkeypatch.setattr(memory_limit, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(memory_limit, "_CGROUP", tmp_path / "max")
    monkeypatch.setattr(memory_limit, "_GPU", tmp_path / "no GPU")
    return tmp_path


def test_the_limit_is_the_memory_of_the_machine_or_of_the_container(small: Path) -> None:
    assert machine_memory() == 48 * 2**30
    (small / "max").write_text("max\n")
    assert machine_memory() == 64 * 2**30
    (small / "meminfo").write_text("nonsense\n")
    assert machine_memory() is None


def test_more_than_that_is_refused_inside_the_block_only(small: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory():
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 48 * 2**30
        with pytest.raises(MemoryError):
            bytearray(49 * 2**30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_with_a_gpu_there_is_no_limit(small: Path) -> None:
    (small / "no GPU").touch()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
