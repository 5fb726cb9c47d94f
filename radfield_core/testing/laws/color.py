"""Laws of color maps. R is the number of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.interfaces import ColorMap
from radfield_core.model.colors import PIXELS
from radfield_core.testing.inputs import STEP, ColorInputs, at_step
from radfield_core.testing.law import central_difference, expect, expect_close, expect_mostly_close, expect_shape, law
from radfield_core.testing.toys import N_TOY_VIEWS
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import Batch, ModelOutputs, Rendered

GAIN = 0.75
"""A color map is trained to multiply the colors of the first image by this number, and to divide those of the second
image by it. Every color map can do this, at least approximately."""

LIGHTEST = 0.7
"""Largest color of the pixels on which a map is trained, so that no color is above 1 after the map."""


@law("color", fix="Begin forward with: if image_ids is None: return rgb.")
def colors_without_an_image_are_unchanged(tested: PartUnderTest) -> None:
    """Without image numbers, the colors are returned unchanged, whatever was learned. Rendered views therefore have the
    colors of the scene."""
    part = _learned(tested)
    inputs = ColorInputs.random(20)
    expect_close("the color without an image", part(inputs.rgb, None, inputs.pixels), inputs.rgb, 0.0)


@law("color", fix="Map each row by its own image number and position, without statistics over rows.")
def pixels_are_mapped_one_by_one(tested: PartUnderTest) -> None:
    """R pixels give colors [R, 3], for R = 0, 1 and 20. The color of a pixel does not depend on the other pixels."""
    part = _learned(tested)
    for n in (0, 1, 20):
        expect_shape(f"the colors of {n} pixels", part(*ColorInputs.random(n)), (n, 3))
    inputs = ColorInputs.random(20)
    pieces = [part(*(tensor[s] for tensor in inputs)) for s in (slice(0, 7), slice(7, 20))]
    expect_close("the colors of two batches at once", part(*inputs), torch.cat(pieces), 1e-6)


@law("color", fix="Use image_ids to choose the parameters, with one entry for each of ctx.n_images.")
def each_image_has_its_own_map(tested: PartUnderTest) -> None:
    """A map is trained to darken the first image, to brighten the second, and to leave the others unchanged. At most
    20 % of the difference are then left in the first two images, and the third image has at most 20 % of it."""
    part, inputs = _learned(tested), _inputs(64)
    for image, gain in enumerate((GAIN, 1.0 / GAIN, 1.0)):
        found = part(inputs.rgb, torch.full((64,), image), inputs.pixels)
        share = _error(found, gain * inputs.rgb) / _error(inputs.rgb, GAIN * inputs.rgb)
        expect(
            share < 0.2, f"image {image} shall be {gain:.2f} times as bright; {share:.0%} of the difference are left"
        )


@law("color", fix="Let the mean of all maps leave colors unchanged, for example by subtracting the mean of all rows.")
def mean_brightness_belongs_to_the_scene(tested: PartUnderTest) -> None:
    """If every image is trained to be darker, the maps do not darken all of them: the mean brightness over all images
    stays at least 90 % of that of the scene. Otherwise the brightness of rendered views would be
    arbitrary."""
    part = at_step(tested.build())
    inputs = _inputs(1500)
    _train(part, inputs, GAIN * inputs.rgb)
    ratio = float(part(*inputs).detach().mean() / inputs.rgb.mean())
    expect(ratio > 0.9, f"the images became {ratio:.2f} times as bright as the scene")


@law("color", fix="Look for a logarithm, root or quotient of a color. Clamp colors before it, at the smallest color.")
def black_and_white_have_finite_gradients(tested: PartUnderTest) -> None:
    """Colors and their gradients are finite for black, for white, and for colors slightly outside [0, 1]."""
    part = _learned(tested)
    for value in (0.0, 1e-12, 1.0, 1.2):
        inputs = ColorInputs.random(6)._replace(rgb=torch.full((6, 3), value, requires_grad=True))
        mapped = part(*inputs)
        expect(bool(mapped.isfinite().all()), f"the color {value:g} is mapped to a color that is not finite")
        leaves = [inputs.rgb, *(p for p in part.parameters() if p.requires_grad)]
        for gradient in torch.autograd.grad(mapped.sum(), leaves, allow_unused=True):
            finite = gradient is None or bool(gradient.isfinite().all())
            expect(finite, f"a gradient is not finite for the color {value:g}")


@law("color", fix="Make forward differentiable, and detach nothing.")
def color_gradient_matches_finite_differences(tested: PartUnderTest) -> None:
    """The derivative with respect to the rendered color equals central differences, except for a few pixels. The scene
    is trained through this derivative."""
    part = _learned(tested).double()
    inputs = ColorInputs.random(40, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    direction, weights = torch.rand(2, 40, 3, generator=generator, dtype=torch.float64)
    leaf = inputs.rgb.clone().requires_grad_()
    mapped = part(leaf, *inputs[1:])
    expect(mapped.requires_grad, "the mapped color has no gradient with respect to the rendered color")
    (slope,) = torch.autograd.grad((mapped * weights).sum(), leaf)

    def function(rgb: Tensor) -> Tensor:
        mapped: Tensor = part(rgb, *inputs[1:])
        return mapped.mul(weights)

    expected = central_difference(function, inputs.rgb, direction, 1e-6).sum(-1, keepdim=True)
    found = (slope * direction).sum(-1, keepdim=True)
    expect_mostly_close("the derivative with respect to the color", found, expected, 1e-4)


@law("color", fix="Fit the map by least squares, and return the identity if there are no pixels.")
def fit_recovers_the_map_of_an_image(tested: PartUnderTest) -> None:
    """If an image is the rendered view after the map that `forward` has learned, then a fit to half of its pixels
    removes at least 90 % of the error of the other pixels. If the image equals the view, or there are no pixels, the
    fitted map leaves colors unchanged."""
    part, inputs = _learned(tested), _inputs(400, seed=1)
    with torch.no_grad():
        truth = part(inputs.rgb, torch.zeros(400, dtype=torch.int64), inputs.pixels)
        fitted = part.fit(inputs.rgb[:200], truth[:200], inputs.pixels[:200])
        mapped = fitted(inputs.rgb[200:], inputs.pixels[200:])
        share = _error(mapped, truth[200:]) / _error(inputs.rgb[200:], truth[200:])
        expect(share < 0.1, f"after the fit, {share:.0%} of the error remain")
        for n, what in ((400, "an equal image"), (0, "no pixels")):
            same = part.fit(inputs.rgb[:n], inputs.rgb[:n], inputs.pixels[:n])(inputs.rgb, inputs.pixels)
            expect_close(f"the color after a fit to {what}", same, inputs.rgb, 1e-3)


def _learned(tested: PartUnderTest) -> ColorMap:
    """Return the part after training that darkens the first image, brightens the second, and leaves the others as they
    are."""
    part: ColorMap = at_step(tested.build())
    inputs = _inputs(1500)
    gains = torch.ones(N_TOY_VIEWS)
    gains[0], gains[1] = GAIN, 1.0 / GAIN
    _train(part, inputs, gains[inputs.image_ids, None] * inputs.rgb)
    return part


def _inputs(n: int, seed: int = 0) -> ColorInputs:
    inputs = ColorInputs.random(n, seed)
    return inputs._replace(rgb=LIGHTEST * inputs.rgb)


def _train(part: ColorMap, inputs: ColorInputs, truth: Tensor) -> None:
    """Train the parameters of a color map to turn the colors into `truth`, by 150 steps of Adam.

    The losses of the part itself, such as the smoothness of its map, are added.
    """
    parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
    expect(parameters, "a color map has no parameters")
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        rgb = part(*inputs)
        outputs = ModelOutputs(Rendered(rgb, rgb[:, 0], torch.ones_like(rgb[:, 0])), (), None, 0)
        own = part.losses(outputs, Batch(None, None, truth, extras={PIXELS: inputs.pixels}), STEP)
        torch.autograd.backward((rgb - truth).square().mean() + sum(own.values()))
        optimizer.step()


def _error(rgb: Tensor, truth: Tensor) -> float:
    return float((rgb.detach() - truth.detach()).square().mean().sqrt())
