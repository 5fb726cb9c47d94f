"""A ring of cameras that look at the origin, for tests of the inspection."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.types import SceneBox


@pytest.fixture
def ring():
    """Makes a scene of n cameras on a circle of radius 4, looking at the origin, 30° wide."""
    return _scene


def _scene(n=6, shape="box", images=None, near=2.0, far=6.0):
    """n cameras on a circle of radius 4, looking at the origin, 30° wide."""
    turn = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    right = torch.stack([-turn.sin(), turn.cos(), zero], -1)
    back = torch.stack([turn.cos(), turn.sin(), zero], -1)
    c2w = torch.stack([right, torch.stack([zero, zero, one], -1), back, 4 * back], -1)
    cameras = Cameras.pinhole(c2w, 16 / np.tan(np.radians(15)), 32, 32)
    images = images or MemoryImages(torch.randint(0, 256, (n, 32, 32, 4), dtype=torch.uint8))
    names = [f"view {i}" for i in range(n)]
    return Scene(cameras, images, near, far, SceneBox(torch.zeros(3), 1.0, shape), names=names)
