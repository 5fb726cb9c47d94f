"""Fixtures for every test: where the real scenes are, and one thread so that results do not depend on the machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Triton decides when it is first imported whether its functions are interpreted, and any test may import it first.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Tests move the cache folder. The kernels are not compiled again for each of them.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path.home() / ".cache" / "radfield" / "kernels"))

try:
    from hypothesis import settings
except ImportError:  # where only wheels are tested
    pass
else:  # the same cases every time, so that a run says something about a change; random: HYPOTHESIS_PROFILE=random
    settings.register_profile("fixed", derandomize=True)
    settings.register_profile("random", derandomize=False)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks that `pytest_collection_modifyitems` gives."""
    config.addinivalue_line("markers", "real_data: reads a real scene from RADFIELD_TEST_DATA")
    config.addinivalue_line("markers", "no_cover: runs without coverage, as do the programs that it starts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read real scenes, for `-m "not real_data"`, and those that coverage would disturb.

    Tests of start-up look at what a fresh process imports. And before Python 3.12 coverage traces every call, also
    those of hypothesis and of Triton's interpreter: the tests that do little else would take two to four times as long.
    """
    for item in items:
        if "test_data" in getattr(item, "fixturenames", ()):
            item.add_marker("real_data")
        slow_to_trace = sys.version_info < (3, 12) and item.path.stem.endswith(("_fuzz", "_gpu"))
        if slow_to_trace or "startup" in item.path.parts:
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def programs_without_coverage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the programs that a test marked `no_cover` starts."""
    if request.node.get_closest_marker("no_cover"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    """Gives torch back the threads it had: with more than one, a process that another test forks would hang."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture
def taken() -> Iterator[None]:
    """A closed terminal ends the program, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real scenes, named by RADFIELD_TEST_DATA; without it the test fails and says so."""
    folder = os.environ.get("RADFIELD_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.fail(f"RADFIELD_TEST_DATA={folder!r} is not a folder; it must hold blender/lego and others")
    return Path(folder).resolve()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say that tests/gpu was left out, if it was."""
    folder = Path(__file__).parent / "tests" / "gpu"
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    if not any(folder == path or path in folder.parents for path in asked):
        return
    import torch  # not there where only wheels are tested

    if not torch.cuda.is_available():
        terminalreporter.write_line("no CUDA device: tests/gpu not collected")
