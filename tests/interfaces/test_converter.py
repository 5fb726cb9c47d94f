"""Converters: options are kept, and `convert` is required."""

from __future__ import annotations

import pytest

from radfield_core.interfaces import Converter


def complete() -> type[Converter]:
    return type("Complete", (Converter,), {"convert": lambda self, *arguments: arguments})


def test_options_are_kept() -> None:
    options = object()
    assert complete()(options).config is options


def test_a_subclass_without_its_method_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="convert"):
        type("Incomplete", (Converter,), {})(None)


def test_every_converter_has_remarks_of_its_own() -> None:
    first, second = complete()(None), complete()(None)
    first.remarks.append("2 images were smaller")
    assert first.remarks == ["2 images were smaller"] and second.remarks == []
