"""Names: the nearest of several, quoted for a shell, in an index's spelling; and public names that load lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` was probably meant to be, or "" if none is close."""
    from difflib import get_close_matches  # costs as much as all other imports of a start, and only mistakes need it

    return next(iter(get_close_matches(word, sorted(words), 1)), "")


def quoted(path: object) -> str:
    """A path as it may be pasted into a shell."""
    import shlex  # as above

    return shlex.quote(str(path))


def plural(n: int, noun: str, nouns: str = "") -> str:
    """A number with its noun, singular or plural; `nouns` gives a plural that is not formed with "s".

    Example:
        >>> plural(1, "image"), plural(3, "image"), plural(0, "entry", "entries")
        ('1 image', '3 images', '0 entries')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {nouns or noun + 's'}"


def normalize_distribution(name: str) -> str:
    """A distribution's name as indexes compare it: lower case, with single hyphens."""
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__` (PEP 562), which import a public name when it is first used.

    Args:
        package: name of the package.
        homes: module within the package -> the public names that it defines, separated by spaces.

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
