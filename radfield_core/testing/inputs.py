"""Fixed inputs for parts under test, and the tensors that a part computes from them."""

from __future__ import annotations

from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from radfield_core.interfaces import Encoding, Field, Part, Renderer, Sampler
from radfield_core.runtime import randomness
from radfield_core.testing.toy_parts import ToyMlp, ToySurface, ToySurfaceConfig
from radfield_core.testing.toys import RaggedSampler, toy_context, toy_rays
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import FieldOutputs, RayBundle, RaySamples, Step

STEP = Step(3, 10, 0)
P = TypeVar("P", bound=Part)


def at_step(part: P, step: Step = STEP) -> P:
    """The part in evaluation mode, after `begin_step` was called on it and on every part within it."""
    for module in reversed(list(part.modules())):
        if isinstance(module, Part):
            module.begin_step(step)
    return part.eval()


def dense_samples(rays: RayBundle, n: int = 8) -> RaySamples:
    """n intervals of equal length on each ray, in the dense layout."""
    shares = torch.linspace(0.0, 1.0, n + 1, dtype=rays.near.dtype, device=rays.near.device)
    return RaySamples.from_edges(rays, rays.near[:, None] + (rays.far - rays.near)[:, None] * shares)


def packed_samples(rays: RayBundle) -> RaySamples:
    """5, 0, 8, 3, 5, 0, … intervals on successive rays, in the packed layout."""
    return RaggedSampler().propose(rays, 0, None, cast(Field, None))


def toy_field_for(tested: PartUnderTest) -> Field:
    """A field for a sampler under test: a signed distance if the sampler requires one, else a density."""
    if "sdf" in tested.requires.get("field", ()):
        return ToySurface(ToySurfaceConfig(), toy_context())
    config = tested.choose(tested.registry.find("field", "radfield-toys:toy"), {}).config
    with randomness.undisturbed():
        torch.manual_seed(0)
        return ToyMlp(config, toy_context())


def random_outputs(samples: RaySamples, seed: int = 0) -> FieldOutputs:
    """Random colors and densities of samples; about half of the densities are zero."""
    generator = torch.Generator().manual_seed(seed)
    t = samples.t_eval
    density = (4.0 * torch.randn(samples.n, generator=generator, dtype=torch.float64)).clamp_min(0.0)
    rgb = torch.rand(samples.n, 3, generator=generator, dtype=torch.float64)
    return FieldOutputs(rgb=rgb.to(t), density=density.to(t))


class Inputs(NamedTuple):
    """Inputs of every kind of part.

    Attributes:
        x: points or directions [M, 3], for an encoding.
        rays: rays, for a sampler.
        samples: samples, for a field or renderer.
        outputs: outputs of a field at the samples, for a renderer.
        field: field that a sampler may evaluate.
    """

    x: Tensor
    rays: RayBundle
    samples: RaySamples
    outputs: FieldOutputs
    field: Field


def inputs_for(tested: PartUnderTest, n: int = 9, dtype: torch.dtype = torch.float32) -> Inputs:
    """The same n rows and n rays in every call."""
    rays = toy_rays(n, dtype=dtype)
    samples = dense_samples(rays)
    field = toy_field_for(tested).to(dtype)
    return Inputs(tested.inputs(n, dtype=dtype), rays, samples, random_outputs(samples), field)


def outputs_of(part: Part, inputs: Inputs) -> list[Tensor]:
    """Every tensor that a part of any kind computes from its inputs."""
    if isinstance(part, Encoding):
        return [part(inputs.x)]
    if isinstance(part, Field):
        found: FieldOutputs = part(inputs.samples)
        named = (found.rgb, found.density, found.alpha, found.sdf, found.gradients, found.normals)
        return [tensor for tensor in named if tensor is not None]
    if isinstance(part, Sampler):
        with torch.no_grad():
            samples = part.propose(inputs.rays, 0, None, inputs.field)
        return [samples.t_starts, samples.t_ends, samples.t_eval]
    renderer = cast(Renderer, part)
    weights = renderer.weights(inputs.samples, inputs.outputs)
    rendered = renderer.composite(inputs.samples, inputs.outputs, weights)
    return [tensor for tensor in (weights, rendered.rgb, rendered.depth, rendered.opacity) if tensor is not None]


def fixed_outputs(tested: PartUnderTest, part: Part, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Every tensor that a part computes from the inputs of `inputs_for`."""
    return outputs_of(part, inputs_for(tested, dtype=dtype))
