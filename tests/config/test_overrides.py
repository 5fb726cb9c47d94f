"""Overrides: each word is TOML or text, contradictions are named, and the order never matters."""

from __future__ import annotations

import pytest

from radfield_core.config.mistakes import Mistakes
from radfield_core.config.overrides import read_overrides, read_value


def mistakes_of(words):
    mistakes = Mistakes()
    read_overrides(words, mistakes)
    return mistakes.problems


def test_overrides_that_contradict_each_other_are_mistakes():
    for words in (["a.b=1", "a.b=2"], ["a=x", "a.type=y"], ["a.b=1", "a.b=true"], ["a=3", "a.b=1"], ["a.b=1", "a=3"]):
        assert "contradicts" in mistakes_of(words)[0].message
    assert read_overrides(["a=x", "a.type=x", "a=x"], Mistakes()) in ({"a": {"type": "x"}}, {"a": "x"})


@pytest.mark.parametrize("word", ["novalue", "=3", "a..b=3", ".a=3", "a.=1", ".".join("a" * 65) + "=1"])
def test_a_word_that_is_not_key_value_is_named(word):
    assert "is not key=value" in mistakes_of([word])[0].message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.5", 3.5), ("1e3", 1000.0), ("true", True), ('"3"', "3"), ("[1, 2]", [1, 2]),
        ("scan65/", "scan65/"),
        ('{type = "hash"}', {"type": "hash"}), ("none", "none"), ("", ""), ("2020-01-01", "2020-01-01"),
        ("1\nother = 2", "1\nother = 2"), ("a = 3", "a = 3"), ("1 # x", 1), ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_a_value_is_toml_if_it_can_be_and_text_if_not(text, value):
    assert read_value(text) == value and type(read_value(text)) is type(value)


@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000, "0x" + "f" * 9000, "[1, " + "8" * 30 + "]", "-" + "1" * 20])
def test_a_whole_number_that_is_too_large_for_any_option_is_a_mistake(value):
    mistakes = Mistakes()
    assert read_overrides([f"a.b={value}"], mistakes) == {}
    (problem,) = mistakes.problems
    assert problem.path == "a.b" and "whole number" in problem.message and len(problem.message) < 100
