"""Fixtures of the benchmarks' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from radfield_core.testing.training import toy_scene


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restores the number of threads, which the verb sets for the whole process."""
    count = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(count))
    yield
    torch.set_num_threads(count)


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A tiny NeRF file of a ball: 100 training views and 2 held-out views."""
    scene = toy_scene(n_views=102, size=12)
    rgb = torch.stack([scene.images[i][..., :3] for i in range(102)])
    poses = torch.eye(4).repeat(102, 1, 1)
    poses[:, :3] = scene.cameras.c2w.float()
    path = tmp_path / "ball.npz"
    np.savez(path, images=rgb.numpy(), poses=poses.numpy(), focal=np.float64(scene.cameras.intrinsics[0, 0]))
    return path
