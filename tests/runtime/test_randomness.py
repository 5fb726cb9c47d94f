"""The global generators: equal seeds draw equal numbers, and states are restored exactly, also through JSON."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from radfield_core.runtime import randomness


def draw() -> tuple[float, float, float, float, float]:
    """A number of each kind; Gaussians leave a second one behind in Python's and numpy's generators."""
    legacy = np.random.normal()  # noqa: NPY002
    return float(torch.randn(())), random.random(), random.gauss(0, 1), float(np.random.rand()), float(legacy)  # noqa: NPY002


@pytest.fixture(autouse=True)
def leave_generators_as_they_were():
    with randomness.undisturbed():
        yield


def test_equal_seeds_draw_equal_numbers_and_others_do_not() -> None:
    drawn = []
    for seed in (5, 5, 6, 2**32 + 5):
        randomness.seed_everything(seed)
        drawn.append(draw())
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[3] != drawn[0], "a seed above 32 bits is not the same seed for torch and Python"


def test_a_restored_state_draws_the_same_numbers_after_json() -> None:
    randomness.seed_everything(0)
    draw()
    tensors, numbers = randomness.state()
    expected = [draw() for _ in range(3)]
    randomness.seed_everything(1)
    randomness.restore(tensors, json.loads(json.dumps(numbers)))
    assert [draw() for _ in range(3)] == expected


def test_draws_in_an_undisturbed_block_change_nothing_outside() -> None:
    randomness.seed_everything(0)
    expected = draw()
    randomness.seed_everything(0)
    with pytest.raises(RuntimeError), randomness.undisturbed():
        randomness.seed_everything(9)
        draw()
        raise RuntimeError
    assert draw() == expected
