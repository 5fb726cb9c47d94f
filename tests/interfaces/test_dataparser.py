"""DataParsers: options are kept, and `parse` is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.interfaces import DataParser


def complete() -> type[DataParser]:
    return type("Complete", (DataParser,), {"parse": lambda self, *arguments: arguments})


def test_options_are_kept() -> None:
    options = object()
    assert complete()(options).config is options


def test_a_subclass_without_its_method_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="parse"):
        type("Incomplete", (DataParser,), {})(None)


def test_by_default_a_parser_recognizes_nothing_and_has_the_three_usual_splits(tmp_path: Path) -> None:
    assert DataParser.sniff(tmp_path) is None and complete()(None).splits == ("train", "val", "test")
