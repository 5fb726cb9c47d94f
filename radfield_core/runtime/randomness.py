"""The global random generators of Python, numpy and torch: seeding, saving and restoring.

Core and its parts draw random numbers from `Step.generator`, which has no state to save. Third-party code may draw from
the global generators. So their states are saved, and a resumed run draws the same numbers as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  third-party code draws from the legacy generator
    torch.manual_seed(seed)


def state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of the global generators.

    Returns:
        Two dicts. The first has the states of torch's generators as uint8 tensors, with the keys "torch", "cuda:0", …
        The second has the states of Python's and numpy's generators as JSON values, with the keys "python" and "numpy".
    """
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        tensors |= {f"cuda:{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    numbers = {
        "python": [version, list(words), gauss],
        "numpy": [name, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
    }
    return tensors, numbers


def restore(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Set the global generators to the states that `state` returned. Ignore states of GPUs that are not present.

    Raises:
        ValueError: a state is not valid. In this case, no generator has been changed.
    """
    before = state()
    try:
        _restore(tensors, numbers)
    except Exception as error:  # the generators raise exceptions of many classes for states that are not theirs
        _restore(*before)
        raise ValueError(f"the state of a random generator is not valid: {error}") from error


def _restore(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    name, keys, position, has_gauss, cached = numbers["numpy"]
    words = np.asarray(keys, dtype=np.uint32)
    if name != "MT19937" or words.shape != (624,) or position not in range(625) or has_gauss not in (0, 1):
        raise ValueError("numpy's generator has no such state")  # numpy itself would read beyond its state
    version, python_words, gauss = numbers["python"]
    if gauss is not None and type(gauss) is not float:
        raise ValueError("Python's generator has no such state")
    torch.set_rng_state(tensors["torch"])
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if f"cuda:{i}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda:{i}"], i)
    random.setstate((version, tuple(python_words), gauss))
    np.random.set_state((name, words, position, has_gauss, float(cached)))  # noqa: NPY002


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Restore the global generators when the block ends. Random draws in the block then do not affect later draws."""
    states = state()
    try:
        yield
    finally:
        restore(*states)
