"""Random damage to valid files. A test checks that a dataparser raises DatasetError for a damaged file or returns a
valid scene.

This is the only module of the kit that needs the package hypothesis.
"""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

_KINDS = ("overwrite", "insert", "delete", "truncate", "repeat")
_ODD_BYTES = (
    b"\0", b"\xff", b"\n", b" ", b"-", b"nan", b"1e999", b"\xff" * 8, b"\0" * 8, b"[", b"{", b'"', b"../",
    struct.pack("<d", float("nan")), struct.pack("<d", float("inf")), struct.pack("<d", -1e300),
    struct.pack("<Q", 2**63),
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 2**40, -(2**70), 0.0, -0.5, 1e-300, 1e300, "", "x", "nan", "../x", "a\0b", "C:\\x",
    "/", ".", [], {}, [[]], [0.0] * 3, [[0.0] * 4] * 4, [[1.0, 2.0], [3.0]], {"frames": []}, "x" * 5000,
)  # fmt: skip

ByteEdit = tuple[str, float, bytes]
"""An edit of a file: the kind of the edit, its position as a fraction of the file's length, and the bytes to write."""

ValueEdit = tuple[float, Any, bool]
"""An edit of one member of a JSON value.

A tuple of three items: the position of the member, as a fraction of the number of all members; its new value; and True
to remove the member instead of replacing it.
"""


def random_byte_edits(draw: random.Random) -> list[ByteEdit]:
    """Draw one to four random edits of a file. Random generators in the same state give the same edits.

    Example:
        >>> random_byte_edits(random.Random(1)) == random_byte_edits(random.Random(1))
        True
    """
    return [
        (draw.choice(_KINDS), draw.random(), draw.choice(_ODD_BYTES) if draw.random() < 0.5 else draw.randbytes(4))
        for _ in range(draw.randint(1, 4))
    ]


def random_value_edits(draw: random.Random) -> list[ValueEdit]:
    """Draw one to three random edits of a JSON value. Random generators in the same state give the same edits.

    Example:
        >>> len(random_value_edits(random.Random(1))) in (1, 2, 3)
        True
    """
    return [(draw.random(), draw.choice(_ODD_VALUES), draw.random() < 0.3) for _ in range(draw.randint(1, 3))]


def byte_edits() -> st.SearchStrategy[list[ByteEdit]]:
    """Return a Hypothesis strategy that draws lists of one to four edits of a file.

    An edit overwrites, inserts, deletes or repeats bytes, or truncates the file.
    """
    kind = st.sampled_from(_KINDS)
    payload = st.one_of(st.sampled_from(_ODD_BYTES), st.binary(min_size=1, max_size=8))
    return st.lists(st.tuples(kind, st.floats(0, 1), payload), min_size=1, max_size=4)


def apply_byte_edits(data: bytes, edits: list[ByteEdit]) -> bytes:
    """Apply a list of edits to a file's bytes, one after another, and return the result.

    Example:
        >>> apply_byte_edits(b"abcd", [("overwrite", 0.5, b"X"), ("delete", 0.0, b"Y")])
        b'bXd'
    """
    for kind, share, payload in edits:
        at = int(share * len(data))
        if kind == "overwrite":
            data = data[:at] + payload + data[at + len(payload) :]
        elif kind == "insert":
            data = data[:at] + payload + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(payload) :]
        elif kind == "repeat":
            data = data[:at] + data[max(0, at - 64) : at] * 2 + data[at:]
        else:
            data = data[:at]
    return data


def value_edits() -> st.SearchStrategy[list[ValueEdit]]:
    """Return a Hypothesis strategy that draws lists of one to three edits of a JSON value.

    An edit replaces or removes a member at any depth.
    """
    edit = st.tuples(st.floats(0, 1), st.sampled_from(_ODD_VALUES), st.booleans())
    return st.lists(edit, min_size=1, max_size=3)


def apply_value_edits(value: Any, edits: list[ValueEdit]) -> Any:
    """Apply a list of edits to a copy of a JSON value, one after another, and return the copy.

    Example:
        >>> apply_value_edits({"a": [1, 2], "b": 3}, [(0.0, 7, False), (0.99, None, True)])
        {'a': 7}
    """
    value = copy.deepcopy(value)
    for share, replacement, remove in edits:
        members = list(_members(value))
        if not members:
            return value
        holder, key = members[min(int(share * len(members)), len(members) - 1)]
        if remove:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(replacement)
    return value


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key or index) for every member of nested lists and dicts."""
    for key, inner in list(value.items()) if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _members(inner)
