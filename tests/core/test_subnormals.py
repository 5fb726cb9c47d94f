"""Training takes subnormal numbers as zero, and leaves the rest of the program as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from radfield_core.subnormals import flushed

TINY = 1e-40  # below float32's smallest normal number, 1.2e-38


def product() -> float:
    return float(torch.full((8,), TINY) @ torch.ones(8))


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this CPU cannot take subnormal numbers as zero")
def test_subnormals_are_zero_inside_and_themselves_outside() -> None:
    assert product() > 0.0
    with flushed():
        assert product() == 0.0
        with flushed():
            assert product() == 0.0
        assert product() == 0.0
    assert product() > 0.0


def test_an_error_inside_leaves_subnormals_as_they_were() -> None:
    with pytest.raises(RuntimeError), flushed():
        raise RuntimeError
    assert product() > 0.0


def test_numpy_knows_its_floats_without_a_warning_inside() -> None:
    """In a fresh interpreter, since numpy works them out once."""
    code = "import numpy as np\nfrom radfield_core.subnormals import flushed\nwith flushed():\n {}"
    asked = "np.finfo(np.float32).smallest_subnormal, np.finfo(np.float64).smallest_subnormal"
    subprocess.run([sys.executable, "-W", "error", "-c", code.format(asked)], check=True)
