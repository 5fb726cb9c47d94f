"""Fixtures for every test: where the real scenes are, and one thread so that results do not depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real scenes, named by RADFIELD_TEST_DATA; without it the test fails and says so."""
    folder = os.environ.get("RADFIELD_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.fail(f"RADFIELD_TEST_DATA={folder!r} is not a folder; it must hold blender/lego and others")
    return Path(folder).resolve()
