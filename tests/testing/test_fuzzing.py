"""Edits damage a copy of a file or JSON value as they say, and never the original."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from radfield_core.testing.fuzzing import apply_byte_edits, apply_value_edits, byte_edits, value_edits


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("overwrite", 0.25, b"XY"), b"abXYefgh"),
        (("insert", 0.25, b"XY"), b"abXYcdefgh"),
        (("delete", 0.25, b"XY"), b"abefgh"),
        (("truncate", 0.25, b"XY"), b"ab"),
        (("repeat", 0.25, b"XY"), b"abababcdefgh"),
    ],
)
def test_each_kind_of_edit_changes_the_bytes_at_its_position(edit: Any, expected: bytes) -> None:
    assert apply_byte_edits(b"abcdefgh", [edit]) == expected


def test_edits_are_applied_one_after_the_other() -> None:
    assert apply_byte_edits(b"abcd", [("truncate", 0.5, b""), ("insert", 1.0, b"!")]) == b"ab!"


@given(edits=byte_edits())
def test_byte_edits_keep_the_original(edits: Any) -> None:
    data = b"0123456789"
    apply_byte_edits(data, edits)
    assert data == b"0123456789"


def test_a_member_at_any_depth_is_replaced_or_removed() -> None:
    value = {"a": {"b": [1, 2]}, "c": 3}  # members in order: a, b, 1, 2, c
    assert apply_value_edits(value, [(0.5, "x", False)]) == {"a": {"b": ["x", 2]}, "c": 3}
    assert apply_value_edits(value, [(0.0, None, True)]) == {"c": 3}
    assert apply_value_edits(value, [(1.0, None, False)]) == {"a": {"b": [1, 2]}, "c": None}


def test_a_value_without_members_stays_as_it_is() -> None:
    assert apply_value_edits({}, [(0.5, 1, True)]) == {} and apply_value_edits([], [(0.5, 1, False)]) == []


@given(edits=value_edits())
def test_value_edits_keep_the_original(edits: Any) -> None:
    value = {"frames": [{"file_path": "a.png", "transform_matrix": [[1.0, 0.0]]}], "w": 8}
    before = json.dumps(value)
    apply_value_edits(value, edits)
    assert json.dumps(value) == before
