"""Tests that need a CUDA device; without one they are not collected, and the end of the run says so."""

from __future__ import annotations

import pytest
import torch

collect_ignore_glob = [] if torch.cuda.is_available() else ["test_*.py"]


@pytest.fixture
def device() -> torch.device:
    """The device under test."""
    return torch.device("cuda")
