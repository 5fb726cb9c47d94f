"""Metrics: options are kept, and `measure` is required."""

from __future__ import annotations

import pytest

from radfield_core.interfaces import Metric


def complete() -> type[Metric]:
    return type("Complete", (Metric,), {"measure": lambda self, *arguments: arguments})


def test_options_are_kept() -> None:
    options = object()
    assert complete()(options).config is options


def test_a_subclass_without_its_method_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="measure"):
        type("Incomplete", (Metric,), {})(None)
