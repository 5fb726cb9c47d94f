from __future__ import annotations

import sys
from pathlib import Path

import pytest
from radfield_transforms.writer import write

from radfield_core.testing import toy_capture

sys.path.insert(0, str(Path(__file__).parent))  # pytest leaves it out: two folders may hold files of one name


@pytest.fixture
def folder(tmp_path):
    """A capture of nine views."""
    write({"train": toy_capture(9)}, tmp_path)
    return tmp_path
