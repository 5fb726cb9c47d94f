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


@pytest.mark.parametrize(
    ("generator", "index", "value"),
    [
        ("numpy", 0, "PCG64"), ("numpy", 1, [0] * 623), ("numpy", 1, [2**40] * 624), ("numpy", 1, "x"),
        ("numpy", 2, 10**6), ("numpy", 2, -1), ("numpy", 2, 1.5), ("numpy", 3, 7), ("numpy", 4, "x"),
        ("python", 0, 9), ("python", 1, [0] * 3), ("python", 1, [-1] * 625), ("python", 2, "x"),
    ],
)  # fmt: skip
def test_an_impossible_state_is_refused_and_changes_nothing(generator: str, index: int, value: object) -> None:
    tensors, numbers = randomness.state()
    expected = draw()
    randomness.restore(tensors, numbers)
    hostile = json.loads(json.dumps(numbers))
    hostile[generator][index] = value
    with pytest.raises(ValueError, match="random generator"):
        randomness.restore({"torch": tensors["torch"]}, hostile)
    assert draw() == expected


@pytest.mark.parametrize("state", [torch.zeros(3, dtype=torch.uint8), torch.zeros(5056), torch.ones(5056).byte() * 255])
def test_an_impossible_state_of_torch_is_refused_and_changes_nothing(state: torch.Tensor) -> None:
    tensors, numbers = randomness.state()
    expected = draw()
    randomness.restore(tensors, numbers)
    with pytest.raises(ValueError, match="random generator"):
        randomness.restore({"torch": state}, numbers)
    assert draw() == expected
