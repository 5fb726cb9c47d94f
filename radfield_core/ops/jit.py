"""How CPU kernels are compiled: by numba, cached on disk where that is possible, without holding the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable[..., Any]) -> Any:
    """The compiled function. Arithmetic is IEEE, neither reordered nor contracted: it can equal torch's to the bit."""
    return _compile(function, False)


def inlined(function: Callable[..., Any]) -> Any:
    """A `kernel` put into its callers: for what is called once per block of a few dozen numbers.

    A call that takes arrays counts references to them, in atomic instructions that wait for all stores before them.
    """
    return numba.njit(forceinline=True, **_options(False))(function)


def reduction(function: Callable[..., Any]) -> Any:
    """The compiled function, in which sums may be reordered and products contracted, so that they use vector units."""
    return _compile(function, {"reassoc", "contract", "nsz"})


def _compile(function: Callable[..., Any], fastmath: bool | set[str]) -> Any:
    try:
        return numba.njit(cache=True, **_options(fastmath))(function)
    except RuntimeError:  # numba found no folder that it may write its cache to
        return numba.njit(**_options(fastmath))(function)


def _options(fastmath: bool | set[str]) -> dict[str, Any]:
    return {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
