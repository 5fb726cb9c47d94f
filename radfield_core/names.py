"""Helpers for names: spelling suggestions, shell quoting, plurals, names of distributions, and lazy imports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word that a misspelled word was probably meant to be, or "" if none is close.

    Example:
        >>> nearest("nerff", ["nerf", "neus", "ngp"])
        'nerf'
    """
    from difflib import get_close_matches  # slow to import, and needed only after a spelling mistake

    return next(iter(get_close_matches(word, sorted(words), 1)), "")


def quoted(path: object) -> str:
    """Return a path quoted for pasting into a shell.

    Example:
        >>> quoted("my scene/run 1")
        "'my scene/run 1'"
    """
    import shlex  # only error messages need it

    return shlex.quote(str(path))


def plural(n: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun in the singular or plural. `nouns` is the plural if it is not `noun` + "s".

    Example:
        >>> plural(1, "image"), plural(3, "image"), plural(0, "entry", "entries")
        ('1 image', '3 images', '0 entries')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {nouns or noun + 's'}"


def normalize_distribution(name: str) -> str:
    """Return the name of a distribution as package indexes compare it: lower case, with single hyphens.

    Example:
        >>> normalize_distribution("Acme_Hash.Grid")
        'acme-hash-grid'
    """
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__` (PEP 562), which import a public name at its first use.

    Args:
        package: name of the package.
        homes: module within the package -> public names that it defines, separated by spaces.

    Example:
        >>> find, names = lazy("radfield_core", {"errors": "UsageError DatasetError"})
        >>> names()
        ['DatasetError', 'UsageError']
        >>> find("UsageError").__name__
        'UsageError'
    """
    home = {name: module for module, names in homes.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return find, lambda: sorted(home)
