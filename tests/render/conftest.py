"""Images that the tests of image metrics compare."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch


@pytest.fixture
def image_pair() -> Callable[[int, int, int], tuple[torch.Tensor, torch.Tensor]]:
    """Return a function that makes two images [height, width, 3] from a seed."""
    return pair


def pair(height: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth image, and the same with noise and a brighter right half."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(9 * x + 2 * y), np.sin(7 * y - 3 * x + 1), np.cos(11 * x * y)]
    image = np.stack([0.5 + 0.5 * wave for wave in waves], -1)
    noise = ((np.arange(height * width * 3) * (1103515245 + seed) + 12345) % 2**31 / 2**31).reshape(image.shape)
    noisy = np.clip(image + 0.3 * (noise - 0.5) + 0.1 * (x > 0.5)[..., None], 0, 1)
    return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(noisy.astype(np.float32))
