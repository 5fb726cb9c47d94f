"""Checks of laws raise LawBroken exactly when they should, and say what was observed."""

from __future__ import annotations

import math

import pytest
import torch

from radfield_core.testing.law import (
    LAWS,
    LawBroken,
    central_difference,
    expect,
    expect_close,
    expect_mostly_close,
    expect_shape,
    law,
)


def test_a_decorated_function_is_registered_with_its_name_and_docstring() -> None:
    try:

        @law("encoding", fix="Do something about it.")
        def features_are_blue(tested: object) -> None:
            """Features
            are blue."""

        assert LAWS[-1] is features_are_blue
        assert features_are_blue.name == "features_are_blue" and features_are_blue.kinds == ("encoding",)
        assert features_are_blue.statement == "Features are blue." and features_are_blue.when(None)  # type: ignore[arg-type]
    finally:
        LAWS.remove(features_are_blue)


def test_a_condition_that_holds_raises_nothing() -> None:
    expect(True, "")
    with pytest.raises(LawBroken, match="seven"):
        expect(0, "seven")


@pytest.mark.parametrize("value", [None, torch.zeros(3), torch.zeros(2, 4)])
def test_another_shape_or_none_is_refused(value: torch.Tensor | None) -> None:
    expect_shape("x", torch.zeros(2, 3), (2, 3))
    with pytest.raises(LawBroken, match=r"x.*\[2, 3\]"):
        expect_shape("x", value, (2, 3))


def test_the_tolerance_is_relative_to_large_values_and_absolute_for_small_ones() -> None:
    large, small = torch.tensor([100.0]), torch.tensor([0.01])
    expect_close("x", large + 0.09, large, 1e-3)
    expect_close("x", small + 0.0009, small, 1e-3)
    with pytest.raises(LawBroken, match=r"0\.11"):
        expect_close("x", large + 0.11, large, 1e-3)
    with pytest.raises(LawBroken):
        expect_close("x", small + 0.0011, small, 1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_never_close(value: float) -> None:
    with pytest.raises(LawBroken, match="finite"):
        expect_close("x", torch.tensor([value]), torch.tensor([1.0]), 1e9)


def test_tensors_without_elements_are_close() -> None:
    expect_close("x", torch.zeros(0, 3), torch.zeros(0, 3), 0.0)


def test_a_few_rows_may_differ_but_not_many() -> None:
    expected = torch.zeros(100, 2)
    found = expected.clone()
    found[:5, 1] = 1.0
    expect_mostly_close("x", found, expected, 1e-3)
    found[5, 0] = 1.0
    with pytest.raises(LawBroken, match="94%"):
        expect_mostly_close("x", found, expected, 1e-3)


def test_the_central_difference_of_a_polynomial_is_its_derivative() -> None:
    x = torch.tensor([[0.3, -0.7], [1.1, 0.2]], dtype=torch.float64)
    along = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    found = central_difference(lambda p: p[:, 0] ** 2 + 3 * p[:, 1], x, along, 1e-4)
    torch.testing.assert_close(found, 2 * x[:, 0] * along[:, 0] + 3 * along[:, 1])
