"""Training takes subnormal numbers as zero, and leaves the rest of the program as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.runtime.subnormals import flushed
from radfield_core.train import session

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
    code = "import numpy as np\nfrom radfield_core.runtime.subnormals import flushed\nwith flushed():\n {}"
    asked = "np.finfo(np.float32).smallest_subnormal, np.finfo(np.float64).smallest_subnormal"
    subprocess.run([sys.executable, "-W", "error", "-c", code.format(asked)], check=True)


def test_training_takes_subnormals_as_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(session, "loop", lambda *_: seen.append(product()) or session.Outcome(tmp_path, 0, "max_steps"))
    words = ["data.resolution=8", "data.n_train=2", "trainer.n_rays=16", "--out", str(tmp_path / "run"), "-q"]
    assert main(["train", "--method", "tiny-nerf", "data=synthetic", *words]) == 0
    assert seen == [0.0]
