"""A law: something that every part of a kind must keep, with a name, a statement, and what to do when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from radfield_core.testing.subject import Subject


class Broken(AssertionError):
    """A part does not keep a law; the text says what was found."""


class Law(NamedTuple):
    """name: as tests show it. statement: what is promised. mend: what to try. when: which parts it fits."""

    name: str
    kinds: tuple[str, ...]
    statement: str
    mend: str
    when: Callable[[Subject], bool]
    check: Callable[[Subject], None]


LAWS: list[Law] = []
"""Every law, in the order in which they are checked."""


def law(*kinds: str, mend: str, when: Callable[[Subject], bool] = lambda subject: True) -> Callable[..., Law]:
    """Make a law of a function: its name is the law's, its docstring the statement. It raises `Broken` by `expect`."""

    def register(check: Callable[[Subject], None]) -> Law:
        statement = " ".join((check.__doc__ or "").split())
        made = Law(check.__name__, kinds, statement, mend, when, check)
        LAWS.append(made)
        return made

    return register


def expect(condition: object, found: str) -> None:
    """Raise `Broken` with what was found unless the condition holds."""
    if not condition:
        raise Broken(found)


def expect_shape(what: str, value: Tensor | None, shape: tuple[int, ...]) -> None:
    """`value` is a tensor of this shape."""
    found = None if value is None else list(value.shape)
    expect(found == list(shape), f"{what} has shape {found}, expected {list(shape)}")


def expect_close(what: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Two tensors of one shape agree everywhere within `tolerance`, times the largest value expected if that is > 1."""
    expect_shape(what, found, tuple(expected.shape))
    if not expected.numel():
        return
    found, expected = found.detach().double(), expected.detach().double()
    expect(bool(found.isfinite().all()), f"{what} is not finite")
    scale = max(1.0, float(expected.abs().max()))
    difference = float((found - expected).abs().max())
    expect(difference <= tolerance * scale, f"{what} differs by up to {difference:.3g}, allowed is {tolerance:g}")


def expect_mostly_close(what: str, found: Tensor, expected: Tensor, tolerance: float, share: float = 0.95) -> None:
    """As `expect_close`, for at least `share` of the rows: kinks are allowed to lie between two taps."""
    expect_shape(what, found, tuple(expected.shape))
    found, expected = found.detach().double(), expected.detach().double()
    scale = max(1.0, float(expected.abs().max()))
    rows = ((found - expected).abs() <= tolerance * scale).flatten(1).all(1).double().mean()
    expect(float(rows) >= share, f"{what} agrees at {float(rows):.0%} of the points only")


def moved_by(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, step: float) -> Tensor:
    """Central difference of `function` [M, ...] at x [M, D] along `direction` [M, D]."""
    with torch.no_grad():
        return (function(x + step * direction) - function(x - step * direction)) / (2.0 * step)
