"""JSON: refused before it costs memory or time, and written so that it reads back unchanged."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.errors import DatasetError
from radfield_core.files import json_files
from radfield_core.files.json_files import dump_json, read_json


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ("[" * 100_000, "nested"),
        ('{"a":' * 100_000, "nested"),
        ('{"a": 1', "line 1"),
        ("", "line 1"),
        ("\ufffe{}", "JSON"),
    ],
)
def test_ambiguous_or_costly_json_is_a_dataset_error(tmp_path, text, says):
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=says):
        read_json(file)


def test_json_limits_hold(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"frames": [0] * 50}))
    assert read_json(file) == {"frames": [0] * 50}
    for limit, says in (
        ("MAX_ENTRIES", "50 entries"),
        ("MAX_JSON_VALUES", "10 values"),
        ("MAX_DATASET_JSON_BYTES", "larger"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(json_files, limit, 10)
            with pytest.raises(DatasetError, match=says):
                read_json(file)


def test_a_byte_order_mark_is_skipped(tmp_path):
    file = tmp_path / "x.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1.5}')
    assert read_json(file) == {"a": 1.5}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_dataset_error(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("j") / "x.json"
    file.write_bytes(data)
    with contextlib.suppress(DatasetError):
        read_json(file)


def test_a_file_larger_than_the_given_limit_is_refused(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(" " * 100 + "1")
    assert read_json(file, 101) == 1
    with pytest.raises(DatasetError, match="larger"):
        read_json(file, 100)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(10**18), 10**18), FLOATS, TEXTS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(value=JSON, canonical=st.booleans())
def test_written_values_read_back_with_the_same_bits(tmp_path_factory, value, canonical):
    file = tmp_path_factory.mktemp("j") / "x.json"
    file.write_text(dump_json(value, canonical=canonical), encoding="utf-8")
    assert repr(read_json(file)) == repr(json.loads(json.dumps(value, sort_keys=canonical)))


def test_numbers_that_json_cannot_hold_become_null():
    assert dump_json({"a": float("nan"), "b": (float("inf"), 1.0)}) == '{"a": null, "b": [null, 1.0]}'


def test_equal_values_have_one_canonical_text():
    assert dump_json({"b": 1, "a": [1, 2]}, canonical=True) == dump_json({"a": (1, 2), "b": 1}, canonical=True)
