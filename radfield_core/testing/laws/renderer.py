"""Laws of renderers. R rays, N samples."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.interfaces import Renderer
from radfield_core.ops import segments
from radfield_core.ops.layout import Packing
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.laws.parts import begun, dense, packed, toy_outputs
from radfield_core.testing.subject import Subject
from radfield_core.testing.toys import toy_rays
from radfield_core.types import FieldOutputs, RaySamples


def outputs_for(subject: Subject, samples: RaySamples, seed: int = 0) -> FieldOutputs:
    """Random densities, or alphas for a renderer that takes those alone."""
    outputs = toy_outputs(samples, seed)
    if any("density" in need.split("|") for need in subject.requires.get("field", {"density"})):
        return outputs
    assert outputs.density is not None
    return replace(outputs, density=None, alpha=(outputs.density / 8.0).clamp(0.0, 1.0))


@law("renderer", mend="alpha = 1 − exp(−σ δ), w = T alpha with T = Π (1 − alpha) of the samples before")
def weights_are_shares(subject: Subject) -> None:
    """Weights lie in [0, 1] and sum to at most 1 on every ray, in dense and packed layouts."""
    renderer: Renderer = begun(subject.build())
    for samples in (dense(toy_rays(30)), packed(toy_rays(30))):
        weights = renderer.weights(samples, outputs_for(subject, samples))
        expect_shape("weights", weights, (samples.n,))
        expect(bool((weights >= 0).all() and (weights <= 1).all()), "a weight is outside [0, 1]")
        most = float(segments.sum(weights, samples.layout).max())
        expect(most <= 1 + 1e-5, f"weights of a ray sum to {most:.6g}")


@law("renderer", mend="a density is per unit length: alpha = 1 − exp(−σ δ) with δ the length of the interval")
def a_slab_has_its_closed_form(subject: Subject) -> None:
    """Through a constant density σ the opacity of a way of length L is 1 − exp(−σ L), and a sample from a to b weighs
    exp(−σ a) − exp(−σ b), however the way is cut."""
    renderer: Renderer = begun(subject.build())
    rays, sigma = toy_rays(3, dtype=torch.float64), 0.4
    edges = torch.tensor([2.0, 2.1, 2.5, 2.5, 4.0, 6.0], dtype=torch.float64).expand(3, 6)
    samples = RaySamples.from_edges(rays, edges)
    free = torch.exp(-sigma * (edges - 2.0))
    expected = (free[:, :-1] - free[:, 1:]).reshape(-1)
    one = torch.ones_like(samples.t_eval)
    outputs = FieldOutputs(rgb=one[:, None].expand(-1, 3), density=sigma * one)
    if not any("density" in need.split("|") for need in subject.requires.get("field", {"density"})):
        outputs = replace(outputs, density=None, alpha=1 - torch.exp(-sigma * samples.lengths))
    weights = renderer.weights(samples, outputs)
    if renderer.opaque_far:  # the last interval stops all that is left
        expected = expected.view(3, 5)
        expected = torch.cat([expected[:, :-1], free[:, -2:-1]], 1).reshape(-1)
    expect_close("the weights of a slab", weights, expected, 1e-6)


@law("renderer", mend="reduce along rays with ops.segments, which knows both layouts")
def dense_equals_packed(subject: Subject) -> None:
    """The same intervals and densities give the same weights and pixels in a dense and in a packed layout."""
    renderer, rays = begun(subject.build()), toy_rays(6)
    samples = dense(rays)
    packing = Packing.from_counts(torch.full((6,), 8), 8)
    again = RaySamples.packed(rays, samples.t_starts, samples.t_ends, packing)
    outputs = outputs_for(subject, samples)
    one, other = renderer.weights(samples, outputs), renderer.weights(again, outputs)
    expect_close("weights of packed samples", other, one, 1e-5)
    first, second = renderer.composite(samples, outputs, one), renderer.composite(again, outputs, other)
    for name in ("rgb", "depth", "opacity"):
        expect_close(f"{name} of packed samples", getattr(second, name), getattr(first, name), 1e-5)


@law("renderer", mend="opacity 0 where t_ends == t_starts, whatever the field says")
def an_empty_interval_weighs_nothing(subject: Subject) -> None:
    """An interval without length has no weight and takes nothing from those behind it."""
    renderer: Renderer = begun(subject.build())
    rays = toy_rays(2)
    with_gap = RaySamples.from_edges(rays, torch.tensor([2.0, 3.0, 3.0, 4.0]).expand(2, 4))
    outputs = outputs_for(subject, with_gap)
    name = "density" if outputs.density is not None else "alpha"
    half = _changed(outputs, name, torch.full((6,), 0.5))
    weights = renderer.weights(with_gap, half).view(2, 3)
    expect(bool((weights[:, 1] == 0).all()), "an empty interval has a weight")


@law("renderer", mend="composite gives Σ w c, Σ w t and Σ w, all of this stack alone")
def pixels_are_weighted_sums(subject: Subject) -> None:
    """rgb is Σ w c, depth Σ w t and opacity Σ w on every ray; a ray without samples is free and black; no rays give no
    pixels."""
    renderer: Renderer = begun(subject.build())
    for rays in (toy_rays(9), toy_rays(0)):
        samples = packed(rays)
        outputs = outputs_for(subject, samples)
        weights = renderer.weights(samples, outputs)
        rendered = renderer.composite(samples, outputs, weights)
        assert outputs.rgb is not None
        for name, value in (("rgb", outputs.rgb), ("depth", samples.t_eval), ("opacity", torch.ones(samples.n))):
            expect_close(name, getattr(rendered, name), _looped(weights, value, samples), 1e-5)


def _changed(outputs: FieldOutputs, name: str, value: Tensor) -> FieldOutputs:
    """The outputs with another density or alpha."""
    return replace(outputs, density=value) if name == "density" else replace(outputs, alpha=value)


def _looped(weights: Tensor, values: Tensor, samples: RaySamples) -> Tensor:
    """Σ w v by a loop over samples."""
    total = torch.zeros(len(samples.rays), *values.shape[1:], dtype=torch.float64)
    for sample, ray in enumerate(samples.ray_indices.tolist()):
        total[ray] += weights[sample].double() * values[sample].double()
    return total


@law("renderer", mend="the first samples hide those behind them: transmittance runs along the ray, from near to far")
def what_is_in_front_hides_what_is_behind(subject: Subject) -> None:
    """More density in front takes weight from behind; more density behind changes nothing in front."""
    renderer, samples = begun(subject.build()), dense(toy_rays(1), 4)
    outputs = outputs_for(subject, samples)
    name = "density" if outputs.density is not None else "alpha"
    thin = _changed(outputs, name, torch.full((4,), 0.2))
    front = _changed(outputs, name, torch.tensor([0.9, 0.2, 0.2, 0.2]))
    back = _changed(outputs, name, torch.tensor([0.2, 0.2, 0.9, 0.2]))
    base, first, second = (renderer.weights(samples, each) for each in (thin, front, back))
    expect(bool((first[1:3] < base[1:3]).all()), "more density in front does not take weight from behind")
    expect_close("weights in front of more density", second[:2], base[:2], 1e-6)


@law("renderer", mend="differentiate through exp and cumulative products in float32 or wider; no detach")
def weights_have_true_gradients(subject: Subject) -> None:
    """The gradient of the weights by density or alpha is that of central differences."""
    renderer, samples = begun(subject.build().double()), packed(toy_rays(4, dtype=torch.float64))
    outputs = outputs_for(subject, samples)
    name = "density" if outputs.density is not None else "alpha"
    value = getattr(outputs, name).clamp(0.05, 0.9).requires_grad_()

    def weights(x: Tensor) -> Tensor:
        return renderer.weights(samples, _changed(outputs, name, x))

    coefficients = torch.linspace(-1.0, 1.0, samples.n, dtype=torch.float64)
    total = (weights(value) * coefficients).sum()
    expect(total.requires_grad, f"weights do not depend on the {name} for autograd")
    (found,) = torch.autograd.grad(total, value)
    expected = torch.zeros_like(found)
    with torch.no_grad():
        for sample in range(samples.n):
            step = torch.zeros_like(value)
            step[sample] = 1e-5
            expected[sample] = ((weights(value + step) - weights(value - step)) * coefficients).sum() / 2e-5
    expect_close("the gradient of the weights", found, expected, 1e-4)
