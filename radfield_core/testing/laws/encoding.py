"""Laws of encodings. M is the number of inputs, and D is the number of their coordinates."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from radfield_core.interfaces import Encoding
from radfield_core.testing.inputs import at_step
from radfield_core.testing.law import (
    central_difference,
    expect,
    expect_close,
    expect_mostly_close,
    expect_shape,
    law,
    providing,
)
from radfield_core.testing.toys import N_TOY_VIEWS
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import SceneBox


@law("encoding", fix="Take the number of inputs from x.shape[0], and return a tensor [M, out_dim] even for M = 0.")
def one_row_of_features_per_input(tested: PartUnderTest) -> None:
    """M inputs give features [M, out_dim], for M = 0, 1 and 7. If the encoding provides `gaussians`, this also holds
    with covariances. in_dim is the number of coordinates that was passed to the constructor."""
    part: Encoding = at_step(tested.build())
    passed = tested.in_dim
    expect(part.in_dim == passed, f"in_dim is {part.in_dim}, but in_dim = {passed} was passed to the constructor")
    for m in (0, 1, 7):
        x = tested.inputs(m)
        expect_shape(f"the features of {m} points", part(x), (m, part.out_dim))
        if "gaussians" in tested.provides:
            expect_shape(f"the features of {m} Gaussians", part(x, torch.full_like(x, 0.01)), (m, part.out_dim))


@law("encoding", when=providing("any_dim"), fix="Compute every size from in_dim, or remove 'any_dim' from provides.")
def any_dimension_is_encoded(tested: PartUnderTest) -> None:
    """An encoding that provides `any_dim` encodes inputs of 1, 2 and 4 coordinates as well as 3."""
    for dim in (1, 2, 4):
        part: Encoding = at_step(tested.build(in_dim=dim))
        expect(part.in_dim == dim, f"in_dim is {part.in_dim}, but in_dim = {dim} was passed to the constructor")
        expect_shape(
            f"the features of 5 inputs with in_dim = {dim}", part(torch.full((5, dim), 0.3)), (5, part.out_dim)
        )


@law(
    "encoding",
    when=providing("points", "gaussians"),
    fix="Scale positions from ctx.bounds to the range that the encoding needs, (x - bounds.center) / bounds.radius.",
)
def features_vary_everywhere_in_the_bounds(tested: PartUnderTest) -> None:
    """The features change if a point anywhere in the region ctx.bounds moves along any axis by a quarter of the
    region's radius. This is tested for two regions: a box around the origin, and a sphere that is four times as large
    and lies elsewhere. An encoding that ignores the bounds is constant in the part of the region outside its range."""
    regions = (SceneBox(torch.zeros(3), 1.5), SceneBox(torch.tensor([30.0, -20.0, 10.0]), 6.0, "sphere"))
    generator = torch.Generator().manual_seed(0)
    inside = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator, dtype=torch.float64), dim=-1)
    inside = 0.7 * inside * torch.rand(200, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
    for region in regions:
        part = _randomized(at_step(tested.build(bounds=region).double()))
        points = region.center.double() + region.radius * inside
        for axis in range(3):
            moved = points.clone()
            moved[:, axis] += 0.25 * region.radius
            with torch.no_grad():
                still = ((part(moved) - part(points)).abs().amax(-1) < 1e-9).double().mean()
            where = f"in a {region.shape} of radius {region.radius:g} around {region.center.tolist()}"
            message = f"{where}, {float(still):.0%} of the points have the same features after a move along axis {axis}"
            expect(still <= 0.05, message)


@law("encoding", fix="Compute each row independently, without statistics over rows (mean, max, batch norm).")
def rows_are_independent(tested: PartUnderTest) -> None:
    """The features of a row do not depend on the other rows or on their order: f(concat(a, b)) = concat(f(a), f(b))."""
    part: Encoding = at_step(tested.build())
    x = tested.inputs(40)
    whole = part(x)
    expect_close("the encoding of two batches at once", whole, torch.cat([part(x[:13]), part(x[13:])]), 1e-6)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    expect_close("the encoding of the rows in another order", part(x[order]), whole[order], 1e-6)


@law(
    "encoding", when=providing("grad", "grad2"), fix="Make forward differentiable with respect to x, or remove 'grad'."
)
def grad_matches_finite_differences(tested: PartUnderTest) -> None:
    """If an encoding provides `grad`, its derivative with respect to position equals central differences, except at a
    few points."""
    part, x, direction, weights = _in_float64(tested)
    slope = _slope(part, x, direction, weights)
    expected = (central_difference(part, x, direction, 1e-6) * weights).sum(-1, keepdim=True)
    expect_mostly_close("the derivative with respect to position", slope, expected, 1e-4)


@law("encoding", when=providing("grad2"), fix="Make the backward pass differentiable too, or remove 'grad2'.")
def grad2_matches_finite_differences(tested: PartUnderTest) -> None:
    """If an encoding provides `grad2`, its second derivatives with respect to position equal central differences of the
    first derivatives, except at a few points. A loss on the first derivative gives the parameters a gradient."""
    part, x, direction, weights = _in_float64(tested)

    def first_derivative(y: Tensor) -> Tensor:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            return torch.autograd.grad((part(y) * weights).sum(), y)[0]

    expected = central_difference(first_derivative, x, direction, 1e-6)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((part(leaf) * weights).sum(), leaf, create_graph=True)
    if slope.requires_grad:
        (found,) = torch.autograd.grad((slope * direction).sum(), leaf, retain_graph=True, materialize_grads=True)
    else:
        found = torch.zeros_like(slope)
    expect_mostly_close("the second derivative with respect to position", found, expected, 1e-3)
    trainable = [parameter for parameter in part.parameters() if parameter.requires_grad]
    if trainable:
        expect(slope.requires_grad, "the derivative with respect to position does not depend on the parameters")
        grads = torch.autograd.grad(slope.square().sum(), trainable, allow_unused=True)
        reached = any(grad is not None and bool(grad.any()) for grad in grads)
        expect(reached, "a loss on the derivative with respect to position has no gradient for any parameter")


@law(
    "encoding",
    when=providing("gaussians"),
    fix="Encode the expectation over the Gaussian, not its mean.",
)
def gaussians_agree_with_monte_carlo(tested: PartUnderTest) -> None:
    """The encoding of a Gaussian is the mean of the encodings of points drawn from it. `cov` holds the diagonal of the
    covariance: variances, not standard deviations."""
    part: Encoding = at_step(tested.build().double())
    x = tested.inputs(6, dtype=torch.float64)
    cov = torch.tensor([0.02, 0.05, 0.01], dtype=torch.float64).expand(6, 3)
    noise = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        draws = torch.stack([part(row + cov[0].sqrt() * noise, torch.zeros_like(noise)).mean(0) for row in x])
        found = part(x, cov)
    expect_close("the encoding of Gaussians", found, draws, 0.02)


@law("encoding", when=providing("gaussians"), fix="Return the features of the point both for cov = 0 and without cov.")
def zero_covariance_gives_the_point(tested: PartUnderTest) -> None:
    """As the covariance goes to zero, the features of the Gaussian converge to those of its mean."""
    part: Encoding = at_step(tested.build().double())
    x = tested.inputs(9, dtype=torch.float64)
    point = part(x)
    expect_close("the encoding with covariance 0", part(x, torch.zeros_like(x)), point, 1e-12)
    expect_close("the encoding with covariance 1e-12", part(x, torch.full_like(x, 1e-12)), point, 1e-3)


@law(
    "encoding",
    when=providing("images"),
    fix="Store one row of features for each of ctx.n_images, and return the mean of all rows if x is None.",
)
def unknown_image_has_the_mean_features(tested: PartUnderTest) -> None:
    """Without a number, an encoding of images returns [1, out_dim]: the mean of the features of all images. The
    features of two images differ."""
    part = _randomized(at_step(tested.build()))
    everyone = part(torch.arange(N_TOY_VIEWS))
    expect_shape("the features without a number", part(None), (1, part.out_dim))
    expect_close("the features without a number", part(None), everyone.mean(0, keepdim=True), 1e-5)
    for first, second in pairwise(everyone):
        expect(not torch.equal(first, second), "two images have the same features")


def _in_float64(tested: PartUnderTest) -> tuple[Encoding, Tensor, Tensor, Tensor]:
    """The part in float64, 60 inputs [60, 3], a unit direction for each of them, and a weight for each feature [F]."""
    part = _randomized(at_step(tested.build().double()))
    x = 0.9 * tested.inputs(60, seed=1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    direction = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator, dtype=torch.float64), dim=-1)
    weights = torch.randn(part.out_dim, generator=generator, dtype=torch.float64) / part.out_dim
    return part, x, direction, weights


def _randomized(part: Encoding) -> Encoding:
    """The part with random parameters. Hash tables are initialized near zero, where derivatives vanish."""
    with torch.no_grad():
        for parameter in part.parameters():
            generator = torch.Generator().manual_seed(0)
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return part


def _slope(part: Encoding, x: Tensor, direction: Tensor, weights: Tensor) -> Tensor:
    """Derivative [M, 1] of the weighted sum of the features along `direction`, by autograd."""
    leaf = x.clone().requires_grad_()
    features = part(leaf)
    expect(
        features.requires_grad,
        "the features have no autograd graph, so they cannot be differentiated with respect to position",
    )
    (slope,) = torch.autograd.grad((features * weights).sum(), leaf, materialize_grads=True)
    return (slope * direction).sum(-1, keepdim=True)
