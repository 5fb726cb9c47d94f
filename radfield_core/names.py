"""Names as people write them: the nearest of several, for a shell, and one spelling for each distribution."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` was probably meant to be, or "" if none is close."""
    from difflib import get_close_matches  # costs as much as all other imports of a start, and only mistakes need it

    return next(iter(get_close_matches(word, sorted(words), 1)), "")


def quoted(path: object) -> str:
    """A path as it may be pasted into a shell."""
    import shlex  # as above

    return shlex.quote(str(path))


def normalize_distribution(name: str) -> str:
    """A distribution's name as indexes compare it: lower case, with single hyphens."""
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)
