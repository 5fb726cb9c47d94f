"""Exporters: options are kept, and `export` is required."""

from __future__ import annotations

import pytest

from radfield_core.interfaces import Exporter


def complete() -> type[Exporter]:
    return type("Complete", (Exporter,), {"export": lambda self, *arguments: arguments})


def test_options_are_kept() -> None:
    options = object()
    assert complete()(options).config is options


def test_a_subclass_without_its_method_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="export"):
        type("Incomplete", (Exporter,), {})(None)
