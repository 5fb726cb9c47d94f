"""Laws. A law is a property that every part of a kind must have, with a check and advice for the part's author."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from radfield_core.testing.under_test import PartUnderTest

Condition = Callable[["PartUnderTest"], bool]


class LawBroken(AssertionError):
    """A part breaks a law. The message says what was observed."""


class Law(NamedTuple):
    """A property that every part of a kind must have.

    Attributes:
        name: name of the law, as pytest and `radfield plugins check` print it.
        kinds: the kinds of parts to which the law applies.
        statement: the property, in one or two sentences.
        fix: advice for the author of a part that breaks the law.
        when: function that returns True if the law applies to a given part of these kinds, and False otherwise.
        check: function that raises `LawBroken` if a part breaks the law.
    """

    name: str
    kinds: tuple[str, ...]
    statement: str
    fix: str
    when: Condition
    check: Callable[[PartUnderTest], None]


LAWS: list[Law] = []
"""Every law, in the order in which laws are checked."""


def law(
    *kinds: str, fix: str, when: Condition = lambda tested: True
) -> Callable[[Callable[[PartUnderTest], None]], Law]:
    """Return a decorator that registers a check as a law.

    The name of the decorated function becomes the name of the law, and its docstring becomes the law's statement.

    Args:
        kinds: the kinds of parts to which the law applies.
        fix: advice for the author of a part that breaks the law.
        when: function that returns True if the law applies to a given part of these kinds, and False otherwise.
    """

    def register(check: Callable[[PartUnderTest], None]) -> Law:
        statement = " ".join((check.__doc__ or "").split())
        made = Law(check.__name__, kinds, statement, fix, when, check)
        LAWS.append(made)
        return made

    return register


def providing(*words: str) -> Condition:
    """Return a condition that is true for a part that provides at least one of the given capabilities."""
    return lambda tested: bool(tested.provides & set(words))


def expect(condition: object, observed: str) -> None:
    """Raise `LawBroken` with the message `observed` unless the condition is true."""
    if not condition:
        raise LawBroken(observed)


def expect_shape(name: str, value: Tensor | None, shape: tuple[int, ...]) -> None:
    """Raise `LawBroken` unless `value` is a tensor of the given shape. The message calls the tensor `name`."""
    found = None if value is None else list(value.shape)
    expect(found == list(shape), f"the shape of {name} is {found}, expected {list(shape)}")


def expect_close(name: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Raise `LawBroken` unless two tensors have the same shape and all their elements differ by at most the tolerance.

    Args:
        name: name of the tensor in the message.
        found: the tensor that the part computed.
        expected: the tensor to compare with.
        tolerance: the largest allowed difference, relative to max(1, largest absolute value of `expected`).
    """
    expect_shape(name, found, tuple(expected.shape))
    if not expected.numel():
        return
    found, expected = found.detach().double(), expected.detach().double()
    expect(bool(found.isfinite().all()), f"{name}: not every value is finite")
    scale = max(1.0, float(expected.abs().max()))
    difference = float((found - expected).abs().max())
    expect(difference <= tolerance * scale, f"{name}: differs by up to {difference:.3g}; {tolerance:g} is allowed")


def expect_mostly_close(name: str, found: Tensor, expected: Tensor, tolerance: float, share: float = 0.95) -> None:
    """Raise `LawBroken` unless most rows of two tensors are close in the sense of `expect_close`.

    At least the fraction `share` of the rows must be close. The other rows may differ, because near a kink of a
    function, a finite difference does not approximate the function's derivative.
    """
    expect_shape(name, found, tuple(expected.shape))
    found, expected = found.detach().double(), expected.detach().double()
    scale = max(1.0, float(expected.abs().max()))
    rows = ((found - expected).abs() <= tolerance * scale).flatten(1).all(1).double().mean()
    expect(float(rows) >= share, f"{name}: only {float(rows):.0%} of the rows agree; at least {share:.0%} must agree")


def central_difference(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, step: float) -> Tensor:
    """Compute the derivative [M, ...] of a function at x [M, D] along `direction` [M, D] by central differences."""
    with torch.no_grad():
        return (function(x + step * direction) - function(x - step * direction)) / (2.0 * step)
