"""Compilation of CPU kernels by numba. Compiled code is cached on disk where possible, and it releases the GIL."""

# mypy: disable-error-code="no-untyped-call"
# numba is untyped.

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with strict IEEE arithmetic, so that its results can equal torch's to the bit.

    Example:
        >>> import numpy as np
        >>> @kernel
        ... def total(x):
        ...     result = 0.0
        ...     for value in x:
        ...         result += value
        ...     return result
        >>> total(np.array([1.0, 2.0]))
        3.0
    """
    return _compile(function, False)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a helper so that it becomes a piece of the kernels that call it.

    Use it for a helper that is called for every few dozen numbers. A real call counts the references to its array
    arguments. That takes atomic instructions, which wait for all earlier stores.
    """
    return numba.njit(forceinline=True, **_options(False))(function)


def reduction(function: Callable[..., Any]) -> Any:
    """Compile a function so that sums may be reordered and fused with products, which lets them use vector units."""
    return _compile(function, {"reassoc", "contract", "nsz"})


def _compile(function: Callable[..., Any], fastmath: bool | set[str]) -> Any:
    compiled: Any = numba.njit(**_options(fastmath))(function)
    with suppress(RuntimeError):  # numba found no folder in which it may write its cache
        compiled._cache = _PackageCache(function)
    return compiled


class _PackageCache(FunctionCache):
    """numba's cache on disk. Unlike numba's own, it also notices changes in other modules of the function's package.

    Helpers are compiled into the functions that call them, so a change in a helper's module counts as much as one in
    the function's own module.
    """

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return *super()._index_key(signature, codegen), _digest(Path(self._py_func.__code__.co_filename).parent)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the compiled code for these types, or None if there is none or the cache cannot be read."""
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # unpickling may raise anything
            self.flush()
            return None


@cache
def _digest(folder: Path) -> str:
    """Digest of the sources of all modules below a folder and below this module's folder."""
    digest = hashlib.sha256()
    for package in (folder, Path(__file__).parent):
        for module in sorted(package.rglob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _options(fastmath: bool | set[str]) -> dict[str, Any]:
    return {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
