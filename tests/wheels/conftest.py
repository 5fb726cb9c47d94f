"""Every distribution, built once as a release builds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the source archive of every distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / "tools/build_all.py"), str(folder), "-q", "--no-isolation"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def wheels(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with every wheel and nothing else, for pip to find."""
    folder = tmp_path_factory.mktemp("wheels")
    for path in dist.glob("*.whl"):
        (folder / path.name).symlink_to(path)
    return folder
