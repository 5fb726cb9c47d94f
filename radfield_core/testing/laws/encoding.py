"""Laws of encodings. M rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from radfield_core.testing.law import (  # fmt: skip
    expect,
    expect_close,
    expect_mostly_close,
    expect_shape,
    law,
    moved_by,
)
from radfield_core.testing.laws.parts import begun
from radfield_core.testing.subject import Subject


def _gives(*words: str) -> Callable[[Subject], bool]:
    return lambda subject: bool(subject.provides & set(words))


@law("encoding", mend="reshape by x.shape[0], not by -1; return a tensor [M, out_dim] also for M = 0")
def rows_come_first(subject: Subject) -> None:
    """M rows give features [M, out_dim], for M = 0, 1 and more, with or without covariances, and in_dim is what was
    asked for."""
    part = begun(subject.build())
    expect(part.in_dim == 3, f"in_dim is {part.in_dim}, 3 was asked for")
    for m in (0, 1, 7):
        x = subject.inputs(m)
        expect_shape(f"of {m} rows the encoding", part(x), (m, part.out_dim))
        if "gaussians" in subject.provides:
            expect_shape(f"of {m} Gaussians the encoding", part(x, torch.full_like(x, 0.01)), (m, part.out_dim))


@law("encoding", when=_gives("any_dim"), mend="leave out 'any_dim', or take the size of everything from in_dim")
def any_dimension_is_encoded(subject: Subject) -> None:
    """Who declares `any_dim` encodes 1, 2 and 4 coordinates as well as 3."""
    for dim in (1, 2, 4):
        part = begun(subject.build(in_dim=dim))
        expect(part.in_dim == dim, f"in_dim is {part.in_dim}, {dim} was asked for")
        expect_shape(f"of 5 rows of {dim} the encoding", part(torch.full((5, dim), 0.3)), (5, part.out_dim))


@law("encoding", mend="no statistics over rows (mean, max, batch norm); everything is worked out row by row")
def a_row_does_not_see_the_others(subject: Subject) -> None:
    """f(concat(a, b)) = concat(f(a), f(b)), in any order."""
    part = begun(subject.build())
    x = subject.inputs(40)
    whole = part(x)
    expect_close("the encoding of two batches together", whole, torch.cat([part(x[:13]), part(x[13:])]), 1e-6)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    expect_close("the encoding in another order", part(x[order]), whole[order], 1e-6)


@law(
    "encoding", when=_gives("grad", "grad2"), mend="leave out 'grad' from provides, or make forward differentiable by x"
)
def grad_is_true(subject: Subject) -> None:
    """Who declares `grad` has the derivative by position that central differences find, almost everywhere."""
    part, x, direction, weights = _double(subject)
    slope = _slope(part, x, direction, weights)
    expected = (moved_by(part, x, direction, 1e-6) * weights).sum(-1, keepdim=True)
    expect_mostly_close("the derivative by position", slope, expected, 1e-4)


@law("encoding", when=_gives("grad2"), mend="leave out 'grad2', or make the backward itself differentiable")
def grad2_is_true(subject: Subject) -> None:
    """Who declares `grad2` has second derivatives by position too, as central differences of the first find them,
    almost everywhere; a loss on normals trains the encoding through them."""
    part, x, direction, weights = _double(subject)

    def first(y: Tensor) -> Tensor:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            return torch.autograd.grad((part(y) * weights).sum(), y)[0]

    expected = moved_by(first, x, direction, 1e-6)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((part(leaf) * weights).sum(), leaf, create_graph=True)
    if slope.requires_grad:
        (found,) = torch.autograd.grad((slope * direction).sum(), leaf, retain_graph=True, materialize_grads=True)
    else:
        found = torch.zeros_like(slope)
    expect_mostly_close("the second derivative by position", found, expected, 1e-3)
    inner = [parameter for parameter in part.parameters() if parameter.requires_grad]
    if inner:
        expect(slope.requires_grad, "the derivative by position does not depend on the parameters")
        grads = torch.autograd.grad(slope.square().sum(), inner, allow_unused=True)
        reached = any(grad is not None and bool(grad.any()) for grad in grads)
        expect(reached, "a loss on the derivative by position reaches no parameter")


@law("encoding", when=_gives("gaussians"), mend="encode the expectation over the Gaussian, not its mean")
def gaussians_agree_with_monte_carlo(subject: Subject) -> None:
    """The encoding of a Gaussian is the mean of the encodings of points drawn from it: diagonal covariance, variances,
    not standard deviations."""
    part = begun(subject.build().double())
    x = 0.6 * subject.inputs(6, dtype=torch.float64)
    cov = torch.tensor([0.02, 0.05, 0.01], dtype=torch.float64).expand(6, 3)
    noise = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        draws = torch.stack([part(row + cov[0].sqrt() * noise, torch.zeros_like(noise)).mean(0) for row in x])
        found = part(x, cov)
    expect_close("the encoding of Gaussians", found, draws, 0.02)


@law("encoding", when=_gives("gaussians"), mend="take the limit exactly: cov = 0, and no cov at all, mean a point")
def a_vanishing_gaussian_is_a_point(subject: Subject) -> None:
    """As the covariance goes to zero the encoding goes to that of the point, without a jump."""
    part = begun(subject.build().double())
    x = subject.inputs(9, dtype=torch.float64)
    point = part(x)
    expect_close("with covariance 0 the encoding", part(x, torch.zeros_like(x)), point, 1e-12)
    expect_close("with covariance 1e-12 the encoding", part(x, torch.full_like(x, 1e-12)), point, 1e-3)


def _double(subject: Subject) -> tuple[torch.nn.Module, Tensor, Tensor, Tensor]:
    part = begun(subject.build().double())
    with torch.no_grad():
        for parameter in part.parameters():  # features that start near zero have nothing to differentiate
            generator = torch.Generator().manual_seed(0)
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = 0.9 * subject.inputs(60, seed=1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    direction = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator, dtype=torch.float64), dim=-1)
    weights = torch.randn(part.out_dim, generator=generator, dtype=torch.float64) / part.out_dim
    return part, x, direction, weights


def _slope(part: torch.nn.Module, x: Tensor, direction: Tensor, weights: Tensor) -> Tensor:
    """Derivative [M, 1] of the weighted features along `direction`."""
    leaf = x.clone().requires_grad_()
    features = part(leaf)
    expect(features.requires_grad, "features do not depend on the position for autograd")
    (slope,) = torch.autograd.grad((features * weights).sum(), leaf, materialize_grads=True)
    return (slope * direction).sum(-1, keepdim=True)
