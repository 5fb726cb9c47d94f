"""How CPU kernels are compiled: by numba, cached on disk where that is possible, without holding the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable[..., Any]) -> Any:
    """The compiled function. Arithmetic is IEEE, neither reordered nor contracted: it can equal torch's to the bit."""
    return _compile(function, False)


def reduction(function: Callable[..., Any]) -> Any:
    """The compiled function, in which sums may be reordered and products contracted, so that they use vector units."""
    return _compile(function, {"reassoc", "contract", "nsz"})


def _compile(function: Callable[..., Any], fastmath: bool | set[str]) -> Any:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder that it may write its cache to
        return numba.njit(**options)(function)
