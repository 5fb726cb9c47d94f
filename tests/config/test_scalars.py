"""The laws of strict scalars: a value is what its type says, never something that resembles it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from radfield_core.config.scalars import ValueFault, describe, structure, unstructure

NONE = type(None)


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (1, int, 1), (1, float, 1.0), (1.5, float, 1.5), (True, bool, True), ("1", str, "1"),
        ("a/b", Path, Path("a/b")),
        ("none", int | None, None), (3, int | None, 3), (3, float | None, 3.0), ("none", str | None, None),
        ("none", str, "none"), ("a", Literal["a", 1], "a"), (1, Literal["a", 1], 1), ([1, 2], tuple[int, ...], (1, 2)),
        ([], tuple[int, ...], ()), ([1, 2.5], tuple[float, float], (1.0, 2.5)),
        (["auto", 3], tuple[str, int], ("auto", 3)),
        ("auto", int | Literal["auto"], "auto"), (4, int | Literal["auto"], 4),
        ([[1], [2]], tuple[tuple[int], ...], ((1,), (2,))),
    ],
)  # fmt: skip
def test_a_value_of_the_type_is_taken(value, kind, result):
    taken = structure(value, kind)
    assert taken == result and type(taken) is type(result)


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (True, int, "must be a whole number, not true"), (1.7, int, "must be a whole number, not 1.7"),
        ("1", int, 'must be a whole number, not "1"'), (True, float, "must be a number, not true"),
        (1, bool, "must be true or false, not 1"), ("true", bool, "must be true or false"),
        (1, str, "must be text, not 1"),
        (math.nan, float, "nan is not finite"), (math.inf, float | None, "inf is not finite"),
        ("null", int | None, 'must be a whole number or "none", not "null"'), (3, Path, "must be text"),
        (True, Literal["a", 1], 'must be "a" or 1, not true'), ("ab", tuple[str, ...], "must be a list, each text"),
        ([1], tuple[float, float], "must be a list of 2: a number, a number, not [1]"),
        ([1, True], tuple[int, ...], "must be a whole number, not true"), ({}, float, "must be a number, not {}"),
        (None, int, "must be a whole number"), ([1, 2], int, "must be a whole number"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_in_words(value, kind, says):
    with pytest.raises(ValueFault) as caught:
        structure(value, kind)
    assert says in str(caught.value)


def test_what_to_write_instead_is_said():
    for value, kind, hint in [
        (2.0, int, "Write 2"),
        (3, str, "Write it in quotes: '\"3\"'"),
        ("sotf", Literal["soft", "hard"], "Write soft"),
    ]:
        with pytest.raises(ValueFault) as caught:
            structure(value, kind)
        assert caught.value.hint == hint


KINDS = st.sampled_from([int, float, bool, str, float | None, tuple[int, ...], tuple[str, bool], Literal["a", "none"]])
VALUES = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=4), st.just("none")),
    lambda v: st.lists(v, max_size=3),
)


@given(value=VALUES, kind=KINDS)
def test_what_is_taken_is_written_as_something_that_gives_it_again(value, kind):
    try:
        taken = structure(value, kind)
    except ValueFault:
        return
    assert structure(unstructure(taken), kind) == taken


def test_types_are_described_in_words():
    assert describe(tuple[float, ...]) == "a list, each a number"
    assert describe(int | None) == 'a whole number or "none"'


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, 16**9000], ids=["64 bits", "negative", "400", "10837"])
@pytest.mark.parametrize("kind", [int, float, int | None, tuple[int, ...], str, bool, Literal["a"], Path])
def test_a_whole_number_that_toml_does_not_know_is_refused_in_a_short_line(value, kind):
    with pytest.raises(ValueFault) as caught:
        structure([value] if kind == tuple[int, ...] else value, kind)
    assert len(f"{caught.value} {caught.value.hint}") < 250


def test_long_values_are_cut_in_messages():
    for value in ("x" * 10**6, [1] * 10**5, {"a": "y" * 10**5}):
        with pytest.raises(ValueFault) as caught:
            structure(value, float)
        assert len(str(caught.value)) < 200


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(ValueFault, match="not text in UTF-8"):
        structure("a\udcff", Path)
