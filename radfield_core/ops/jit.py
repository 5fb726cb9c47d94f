"""Compilation of CPU kernels by numba. Compiled code releases the GIL. If possible, it is also cached on disk."""

# mypy: disable-error-code="no-untyped-call"
# numba is untyped.

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator, _SourceFileBackedLocatorMixin

from radfield_core.files.cache import cache_dir, private_folder

logger = logging.getLogger(__name__)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with strict IEEE arithmetic, so that every bit of the results can equal torch's.

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
    """Compile a helper so that its code is inserted into the kernels that call the helper.

    Use this for a helper that is called very often, such as once for every few dozen numbers. A real call counts
    references to its array arguments, with atomic instructions that wait for all earlier stores.
    """
    return numba.njit(forceinline=True, **_options(False))(function)


def reduction(function: Callable[..., Any]) -> Any:
    """Compile a function with relaxed arithmetic: sums may be reordered and fused with products.

    This lets the sums use vector units.
    """
    return _compile(function, {"reassoc", "contract", "nsz"})


def _compile(function: Callable[..., Any], fastmath: bool | set[str]) -> Any:
    compiled: Any = numba.njit(**_options(fastmath))(function)
    with suppress(RuntimeError):  # raised if numba finds no writable folder for its cache
        compiled._cache = _PackageCache(function)
    return compiled


class _PrivateLocator(_SourceFileBackedLocatorMixin, _CacheLocator):
    """The place of a function's cached code: a folder that only this user can write to.

    Cached code is a pickle, which can run any code when it is loaded. numba's own place is `__pycache__` beside the
    source or a folder that NUMBA_CACHE_DIR names, and numba does not check who can write there.
    """

    def __init__(self, function: Callable[..., Any], file: str):
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        chosen: str = numba.config.CACHE_DIR  # type: ignore[attr-defined]  # numba sets its options when it is imported
        base = Path(chosen) if chosen else cache_dir("kernels")
        self._folder = base / self.get_suitable_cache_subpath(file)

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def ensure_cache_path(self) -> None:
        """Create the folder. Raises OSError if it is not private."""
        private_folder(self._folder)

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Any:
        """Return the place for a function in a file, or None if there is no private folder for it."""
        try:
            located = cls(function, file)
            located.ensure_cache_path()
        except OSError as error:
            _warn_uncached(error.filename or file, error.strerror or str(error))
            return None
        return located if Path(file).exists() else None


@cache
def _warn_uncached(path: str, reason: str) -> None:
    logger.warning("%s: %s; kernels are compiled again in every process", path, reason)


class _PrivateCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_PrivateLocator]  # noqa: RUF012  numba declares it as a list


class _PackageCache(FunctionCache):
    """A cache of compiled code on disk. Code is compiled again after a change in any module of the function's package.

    numba's own cache notices only changes in the module of the function. That is not enough, because the code of a
    helper from another module becomes part of the functions that call it.
    """

    _impl_class = _PrivateCacheImpl

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return *super()._index_key(signature, codegen), _digest(Path(self._py_func.__code__.co_filename).parent)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the cached code for these types, or None if no code is cached or the cache cannot be read."""
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # unpickling may raise anything
            self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Write compiled code to the cache. If this fails, as on a full disk, the code is compiled again next time."""
        with suppress(OSError):
            super().save_overload(signature, data)


@cache
def _digest(folder: Path) -> str:
    """Return a digest of the source code of all modules below a folder and below this module's folder."""
    digest = hashlib.sha256()
    for package in (folder, Path(__file__).parent):
        for module in sorted(package.rglob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _options(fastmath: bool | set[str]) -> dict[str, Any]:
    return {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
