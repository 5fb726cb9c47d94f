"""Laws of renderers.

σ is a density, δ is the length of an interval, T is a transmittance, w is a weight, c is a color, and t is the distance
of a sample along its ray.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.interfaces import Renderer
from radfield_core.ops import segments
from radfield_core.ops.layout import Packing
from radfield_core.testing.inputs import at_step, dense_samples, packed_samples, random_outputs
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.toys import toy_rays
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import FieldOutputs, RaySamples


def takes_density(tested: PartUnderTest) -> bool:
    """True if a renderer can use densities, False if it requires alphas."""
    return any("density" in need.split("|") for need in tested.requires.get("field", {"density"}))


def outputs_for(tested: PartUnderTest, samples: RaySamples, seed: int = 0) -> FieldOutputs:
    """Random colors and densities of samples. For a renderer that cannot use densities, random colors and alphas."""
    outputs = random_outputs(samples, seed)
    if takes_density(tested):
        return outputs
    assert outputs.density is not None
    return replace(outputs, density=None, alpha=(outputs.density / 8.0).clamp(0.0, 1.0))


def _name_of_opacity(outputs: FieldOutputs) -> str:
    return "density" if outputs.density is not None else "alpha"


def _changed(outputs: FieldOutputs, name: str, value: Tensor) -> FieldOutputs:
    """The outputs of a field, with the density or the alpha replaced by `value`."""
    return replace(outputs, density=value) if name == "density" else replace(outputs, alpha=value)


@law("renderer", fix="Compute w = T alpha, with alpha = 1 − exp(−σ δ) and T = Π (1 − alpha) over the samples in front.")
def weights_sum_to_at_most_one(tested: PartUnderTest) -> None:
    """Weights lie in [0, 1], and the weights of each ray sum to at most 1, in the dense and in the packed layout."""
    renderer: Renderer = at_step(tested.build())
    for samples in (dense_samples(toy_rays(30)), packed_samples(toy_rays(30))):
        weights = renderer.weights(samples, outputs_for(tested, samples))
        expect_shape("the weights", weights, (samples.n,))
        expect(bool((weights >= 0).all() and (weights <= 1).all()), "a weight lies outside [0, 1]")
        largest = float(segments.sum(weights, samples.layout).max())
        expect(largest <= 1 + 1e-5, f"the weights of a ray sum to {largest:.6g}")


@law("renderer", fix="Compute alpha = 1 − exp(−σ δ), because a density is given per unit of length.")
def constant_density_has_the_closed_form(tested: PartUnderTest) -> None:
    """If the density σ is constant, an interval from a to b, measured from the start of the ray, has the weight
    exp(−σ a) − exp(−σ b). This does not depend on how the rest of the ray is divided."""
    renderer: Renderer = at_step(tested.build())
    sigma = 0.4
    edges = torch.tensor([2.0, 2.1, 2.5, 2.5, 4.0, 6.0], dtype=torch.float64).expand(3, 6)
    samples = RaySamples.from_edges(toy_rays(3, dtype=torch.float64), edges)
    transmittance = torch.exp(-sigma * (edges - 2.0))
    expected = transmittance[:, :-1] - transmittance[:, 1:]
    if renderer.opaque_far:  # the last interval absorbs all remaining light
        expected = torch.cat([expected[:, :-1], transmittance[:, -2:-1]], 1)
    one = torch.ones_like(samples.t_eval)
    outputs = FieldOutputs(rgb=one[:, None].expand(-1, 3), density=sigma * one)
    if not takes_density(tested):
        outputs = replace(outputs, density=None, alpha=1 - torch.exp(-sigma * samples.lengths))
    expect_close("the weights", renderer.weights(samples, outputs), expected.reshape(-1), 1e-6)


@law("renderer", fix="Reduce along rays with radfield_core.ops.segments, which handles both layouts.")
def dense_equals_packed(tested: PartUnderTest) -> None:
    """The same intervals and field outputs give the same weights and pixels in the dense and the packed layout."""
    renderer: Renderer = at_step(tested.build())
    rays = toy_rays(6)
    dense = dense_samples(rays, 8)
    packed = RaySamples.packed(rays, dense.t_starts, dense.t_ends, Packing.from_counts(torch.full((6,), 8), 8))
    outputs = outputs_for(tested, dense)
    one, other = renderer.weights(dense, outputs), renderer.weights(packed, outputs)
    expect_close("the weights of packed samples", other, one, 1e-5)
    first, second = renderer.composite(dense, outputs, one), renderer.composite(packed, outputs, other)
    for name in ("rgb", "depth", "opacity"):
        expect_close(f"{name} of packed samples", getattr(second, name), getattr(first, name), 1e-5)


@law("renderer", fix="Give alpha 0 to a sample with t_ends == t_starts, whatever the field returns.")
def empty_intervals_have_no_weight(tested: PartUnderTest) -> None:
    """An interval of length 0 has the weight 0."""
    renderer: Renderer = at_step(tested.build())
    samples = RaySamples.from_edges(toy_rays(2), torch.tensor([2.0, 3.0, 3.0, 4.0]).expand(2, 4))
    outputs = outputs_for(tested, samples)
    outputs = _changed(outputs, _name_of_opacity(outputs), torch.full((6,), 0.5))
    weights = renderer.weights(samples, outputs).view(2, 3)
    expect(bool((weights[:, 1] == 0).all()), "an interval of length 0 has a weight above 0")


@law("renderer", fix="Return Σ w c, Σ w t and Σ w from composite, and do not add the background.")
def pixels_are_weighted_sums(tested: PartUnderTest) -> None:
    """For each ray, rgb is Σ w c, depth is Σ w t and opacity is Σ w. All three are 0 for a ray without samples. For
    an empty batch of rays, the result has no pixels."""
    renderer: Renderer = at_step(tested.build())
    for rays in (toy_rays(9), toy_rays(0)):
        samples = packed_samples(rays)
        outputs = outputs_for(tested, samples)
        weights = renderer.weights(samples, outputs)
        rendered = renderer.composite(samples, outputs, weights)
        assert outputs.rgb is not None
        for name, value in (("rgb", outputs.rgb), ("depth", samples.t_eval), ("opacity", torch.ones(samples.n))):
            expect_close(name, getattr(rendered, name), _weighted_sums(weights, value, samples), 1e-5)


def _weighted_sums(weights: Tensor, values: Tensor, samples: RaySamples) -> Tensor:
    """Σ w v of each ray, where v are the given values, computed by a loop over samples."""
    total = torch.zeros(len(samples.rays), *values.shape[1:], dtype=torch.float64)
    for sample, ray in enumerate(samples.ray_indices.tolist()):
        total[ray] += weights[sample].double() * values[sample].double()
    return total


@law("renderer", fix="Multiply the transmittance along the ray from near to far.")
def near_samples_occlude_far_ones(tested: PartUnderTest) -> None:
    """Increasing the density of a sample lowers the weights of the samples behind it, and leaves the weights of the
    samples in front of it unchanged."""
    renderer: Renderer = at_step(tested.build())
    samples = dense_samples(toy_rays(1), 4)
    outputs = outputs_for(tested, samples)
    name = _name_of_opacity(outputs)
    thin, front, back = (
        renderer.weights(samples, _changed(outputs, name, torch.tensor(values)))
        for values in ([0.2, 0.2, 0.2, 0.2], [0.9, 0.2, 0.2, 0.2], [0.2, 0.2, 0.9, 0.2])
    )
    expect(
        bool((front[1:3] < thin[1:3]).all()), "a greater density does not lower the weights of the samples behind it"
    )
    expect_close("the weights in front of a greater density", back[:2], thin[:2], 1e-6)


@law("renderer", fix="Compute in float32 or wider with differentiable operations, without detach.")
def weight_gradients_match_finite_differences(tested: PartUnderTest) -> None:
    """The gradient of the weights with respect to density or alpha equals central differences."""
    renderer: Renderer = at_step(tested.build().double())
    samples = packed_samples(toy_rays(4, dtype=torch.float64))
    outputs = outputs_for(tested, samples)
    name = _name_of_opacity(outputs)
    value = getattr(outputs, name).clamp(0.05, 0.9).requires_grad_()
    coefficients = torch.linspace(-1.0, 1.0, samples.n, dtype=torch.float64)

    def weighted(x: Tensor) -> Tensor:
        return (renderer.weights(samples, _changed(outputs, name, x)) * coefficients).sum()

    total = weighted(value)
    expect(
        total.requires_grad,
        f"the weights have no autograd graph, so they cannot be differentiated with respect to {name}",
    )
    (found,) = torch.autograd.grad(total, value)
    expected = torch.zeros_like(found)
    with torch.no_grad():
        for sample in range(samples.n):
            step = torch.zeros_like(value)
            step[sample] = 1e-5
            expected[sample] = (weighted(value + step) - weighted(value - step)) / 2e-5
    expect_close("the gradient of the weights", found, expected, 1e-4)
