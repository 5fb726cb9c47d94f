"""Helpers for names: safe display, spelling suggestions, quoting, plurals, names of distributions,
natural order, lazy imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


class Lines(str):
    """Text of several lines. Each line is safe to print.

    Example:
        >>> print(Lines.of("these differ:", "  a\\nb"))
        these differ:
          a\\nb
    """

    @classmethod
    def of(cls, *lines: str) -> Lines:
        """Join lines. Line breaks and other unprintable characters inside a line are escaped."""
        return cls("\n".join(map(printable, lines)))


def printable(text: str, keep: str = "") -> str:
    """Escape all characters in a text that could change how a terminal shows other text.

    Names of files, keys and options may come from a stranger. Control characters, line breaks, marks that reverse the
    direction of writing, invisible characters and undecodable bytes are replaced by escape sequences. The line breaks
    of a `Lines` object are kept.

    Args:
        text: any text.
        keep: unprintable characters that are not escaped.

    Example:
        >>> printable("a\\x1b[2J\\nb\\u202e")
        'a\\\\x1b[2J\\\\nb\\\\u202e'
    """
    if text.isprintable() or (isinstance(text, Lines) and not keep):
        return text
    return "".join(sign if sign.isprintable() or sign in keep else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    """Return an escape sequence for a character. For DEL and all later ones, it is also valid in TOML and JSON."""
    number = ord(sign)
    if number < 0x7F:
        return sign.encode("unicode_escape").decode()
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the entry of `words` that is most similar to a misspelled word, or "" if none is similar.

    Example:
        >>> nearest("nerff", ["nerf", "neus", "ngp"])
        'nerf'
    """
    from difflib import get_close_matches  # slow to import, and needed only after a spelling mistake

    return next(iter(get_close_matches(word, sorted(words), 1)), "")


def quoted(path: object) -> str:
    """Quote a path, so that a user can paste the result into a shell.

    Example:
        >>> quoted("my scene/run 1")
        "'my scene/run 1'"
    """
    import shlex  # only error messages need it

    return shlex.quote(str(path))


def plural(n: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    Give the plural as `nouns` if it is not `noun` + "s".

    Example:
        >>> plural(1, "image"), plural(3, "image"), plural(0, "entry", "entries")
        ('1 image', '3 images', '0 entries')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {nouns or noun + 's'}"


def natural_key(name: str) -> tuple[tuple[str, int, str, str], ...]:
    """Return a key that sorts names as people do: numbers in names count as numbers, so that 2 comes before 10.

    Example:
        >>> sorted(["10.jpg", "2.jpg", "1.jpg", "day 2/1.jpg", "day 10/1.jpg"], key=natural_key)
        ['1.jpg', '2.jpg', '10.jpg', 'day 2/1.jpg', 'day 10/1.jpg']
    """
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    numbers = [(text, digits.lstrip("0"), digits) for text, digits in parts if text or digits]
    return tuple((text, len(number), number, digits) for text, number, digits in numbers)


def normalize_distribution(name: str) -> str:
    """Return a distribution's name in the form that package indexes compare: lower case, with single hyphens.

    Example:
        >>> normalize_distribution("Acme_Hash.Grid")
        'acme-hash-grid'
    """
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return two functions to use as a package's `__getattr__` and `__dir__` (PEP 562).

    With them, a public name of the package is imported when it is first used.

    Args:
        package: name of the package.
        homes: table of module within the package -> the public names that this module defines, separated by spaces.

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
