"""Broken copies of good files, for tests that a parser answers each with a `DatasetError` or a sound scene.

The only module of the kit that needs hypothesis, so that authors need it only where they fuzz.
"""

from __future__ import annotations

import copy
import struct
from typing import Any

from hypothesis import strategies as st

_ODD_BYTES = (
    b"\0", b"\xff", b"\n", b" ", b"-", b"nan", b"1e999", b"\xff" * 8, b"\0" * 8, b"[", b"{", b'"', b"../",
    struct.pack("<d", float("nan")), struct.pack("<d", float("inf")), struct.pack("<d", -1e300),
    struct.pack("<Q", 2**63),
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 2**40, -(2**70), 0.0, -0.5, 1e-300, 1e300, "", "x", "nan", "../x", "a\0b", "C:\\x",
    "/", ".", [], {}, [[]], [0.0] * 3, [[0.0] * 4] * 4, [[1.0, 2.0], [3.0]], {"frames": []}, "x" * 5000,
)  # fmt: skip

Edit = tuple[str, float, bytes]


def byte_edits() -> st.SearchStrategy[list[Edit]]:
    """One to four edits: what, where (a share of the file), and with which bytes."""
    what = st.sampled_from(["overwrite", "insert", "delete", "cut", "repeat"])
    payload = st.one_of(st.sampled_from(_ODD_BYTES), st.binary(min_size=1, max_size=8))
    return st.lists(st.tuples(what, st.floats(0, 1), payload), min_size=1, max_size=4)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """The file with the edits made one after the other."""
    for what, share, payload in edits:
        at = int(share * len(data))
        if what == "overwrite":
            data = data[:at] + payload + data[at + len(payload) :]
        elif what == "insert":
            data = data[:at] + payload + data[at:]
        elif what == "delete":
            data = data[:at] + data[at + len(payload) :]
        elif what == "repeat":
            data = data[:at] + data[max(0, at - 64) : at] * 2 + data[at:]
        else:
            data = data[:at]
    return data


def value_edits() -> st.SearchStrategy[list[tuple[float, Any, bool]]]:
    """One to three edits of a JSON value: where (a share of all its parts), with what, and whether it is removed."""
    edit = st.tuples(st.floats(0, 1), st.sampled_from(_ODD_VALUES), st.booleans())
    return st.lists(edit, min_size=1, max_size=3)


def edited_value(value: Any, edits: list[tuple[float, Any, bool]]) -> Any:
    """A copy of a JSON value with parts replaced or removed."""
    value = copy.deepcopy(value)
    for share, replacement, remove in edits:
        places = list(_places(value))
        if not places:
            return value
        holder, key = places[min(int(share * len(places)), len(places) - 1)]
        if remove:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(replacement)
    return value


def _places(value: Any) -> Any:
    for key, inner in list(value.items()) if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)
