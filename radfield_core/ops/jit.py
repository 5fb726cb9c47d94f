"""How CPU kernels are compiled: by numba, cached on disk where that is possible, without holding the GIL."""

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
    compiled: Any = numba.njit(**_options(fastmath))(function)
    with suppress(RuntimeError):  # numba found no folder that it may write its cache to
        compiled._cache = _Cache(function)
    return compiled


class _Cache(FunctionCache):
    """numba's cache, which compiles again when a function's own module changed, and here also when its package did.

    What a function calls is compiled into it, so that its helper's module counts as much as its own.
    """

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return *super()._index_key(signature, codegen), _sources(Path(self._py_func.__code__.co_filename).parent)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None; also where the cache names types that are gone since."""
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # whatever unpickling may raise
            self.flush()
            return None


@cache
def _sources(folder: Path) -> str:
    """A digest of the modules in the folder and of this one's neighbors."""
    digest = hashlib.sha256()
    for neighbors in (folder, Path(__file__).parent):
        for module in sorted(neighbors.glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _options(fastmath: bool | set[str]) -> dict[str, Any]:
    return {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
