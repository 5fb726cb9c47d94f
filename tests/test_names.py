"""Names: plurals."""

from __future__ import annotations

import pytest

from radfield_core.names import plural


@pytest.mark.parametrize(
    ("n", "nouns", "text"),
    [(1, (), "1 image"), (0, (), "0 images"), (3, (), "3 images"), (2, ("entry", "entries"), "2 entries")],
)
def test_only_one_is_singular(n: int, nouns: tuple[str, ...], text: str) -> None:
    assert plural(n, *(nouns or ("image",))) == text
