"""Fixed inputs for parts under test, and functions that compute a part's outputs for such inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from radfield_core.interfaces import ColorMap, Encoding, Field, Part, RayTransform, Renderer, Sampler
from radfield_core.runtime import randomness
from radfield_core.testing.toy_parts import ToyMlp, ToySurface, ToySurfaceConfig
from radfield_core.testing.toys import N_TOY_VIEWS, RaggedSampler, toy_context, toy_rays, volume_renderer
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import FieldOutputs, Level, RayBundle, RaySamples, Step

STEP = Step(3, 10, 0)
P = TypeVar("P", bound=Part)


def at_step(part: P, step: Step = STEP) -> P:
    """Call `begin_step` on a part and on the parts that it contains. Return the part in evaluation mode."""
    for module in reversed(list(part.modules())):
        if isinstance(module, Part):
            module.begin_step(step)
    return part.eval()


def dense_samples(rays: RayBundle, n: int = 8) -> RaySamples:
    """Make samples in the dense layout: each ray has n intervals of equal length."""
    shares = torch.linspace(0.0, 1.0, n + 1, dtype=rays.near.dtype, device=rays.near.device)
    return RaySamples.from_edges(rays, rays.near[:, None] + (rays.far - rays.near)[:, None] * shares)


def packed_samples(rays: RayBundle) -> RaySamples:
    """Make samples in the packed layout: successive rays have 5, 0, 8, 3, 5, 0, … intervals."""
    return RaggedSampler().propose(rays, 0, None, cast(Field, None))


def rays_of_images(n: int, dtype: torch.dtype = torch.float32) -> RayBundle:
    """Make n rays as `toy_rays` does. They belong to the toy scene's images in turn."""
    return replace(toy_rays(n, dtype=dtype), image_ids=torch.arange(n) % N_TOY_VIEWS)


def toy_field_for(tested: PartUnderTest) -> Field:
    """Make a toy field for a sampler under test.

    If the sampler requires a signed distance, the field has a signed distance. Otherwise it has a density.
    """
    if "sdf" in tested.requires.get("field", ()):
        return ToySurface(ToySurfaceConfig(), toy_context())
    config = tested.choose(tested.registry.find("field", "radfield-toys:toy"), {}).config
    with randomness.undisturbed():
        torch.manual_seed(0)
        return ToyMlp(config, toy_context())


def random_outputs(samples: RaySamples, seed: int = 0) -> FieldOutputs:
    """Make random colors and densities for samples. About half of the densities are zero."""
    generator = torch.Generator().manual_seed(seed)
    t = samples.t_eval
    density = (4.0 * torch.randn(samples.n, generator=generator, dtype=torch.float64)).clamp_min(0.0)
    rgb = torch.rand(samples.n, 3, generator=generator, dtype=torch.float64)
    return FieldOutputs(rgb=rgb.to(t), density=density.to(t))


def samples_of_levels(sampler: Sampler, rays: RayBundle, field: Field) -> list[RaySamples]:
    """Return the samples of every level of a sampler.

    Each level is evaluated with core's renderer, and with the sampler's own field for that level or with `field`.
    """
    found: list[RaySamples] = []
    previous: Level | None = None
    renderer = volume_renderer()
    with torch.no_grad():
        for number in range(sampler.n_levels):
            seen = sampler.own_fields.get(number) or field
            samples = sampler.propose(rays, number, previous, seen)
            outputs = seen(samples)
            previous = Level(samples, outputs, renderer.weights(samples, outputs), None)
            found.append(samples)
    return found


class ColorInputs(NamedTuple):
    """Inputs for a color map.

    Attributes:
        rgb: colors [R, 3] in [0, 1].
        image_ids: numbers of images [R] int64.
        pixels: positions of the pixels in their images [R, 2].
    """

    rgb: Tensor
    image_ids: Tensor
    pixels: Tensor

    @staticmethod
    def random(n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> ColorInputs:
        """Make random colors at random positions in random images."""
        generator = torch.Generator().manual_seed(seed)
        values = torch.rand(n, 5, generator=generator, dtype=torch.float64).to(dtype)
        return ColorInputs(values[:, :3], torch.randint(N_TOY_VIEWS, (n,), generator=generator), values[:, 3:])


class Inputs(NamedTuple):
    """Inputs for a part of any kind.

    Attributes:
        x: input of an encoding: points or directions [M, 3].
        rays: input of a sampler or of a ray transform.
        samples: input of a field or a renderer.
        outputs: further input of a renderer: the outputs of a field at the samples.
        field: further input of a sampler: a field that the sampler may evaluate.
        colors: input of a color map.
    """

    x: Tensor
    rays: RayBundle
    samples: RaySamples
    outputs: FieldOutputs
    field: Field
    colors: ColorInputs


def inputs_for(tested: PartUnderTest, n: int = 9, dtype: torch.dtype = torch.float32) -> Inputs:
    """Make inputs for a part under test, with n points and n rays. Every call returns the same inputs."""
    rays = rays_of_images(n, dtype) if tested.kind == "rays" else toy_rays(n, dtype=dtype)
    samples = dense_samples(rays)
    field = toy_field_for(tested).to(dtype)
    colors = ColorInputs.random(n, dtype=dtype)
    return Inputs(tested.inputs(n, dtype=dtype), rays, samples, random_outputs(samples), field, colors)


def outputs_of(part: Part, inputs: Inputs) -> list[Tensor]:
    """Return every tensor that a part of any kind computes from the given inputs."""
    if isinstance(part, Encoding):
        return [part(inputs.x)]
    if isinstance(part, Field):
        found: FieldOutputs = part(inputs.samples)
        named = (found.rgb, found.density, found.alpha, found.sdf, found.gradients, found.normals)
        return [tensor for tensor in named if tensor is not None]
    if isinstance(part, Sampler):
        levels = samples_of_levels(part, inputs.rays, inputs.field)
        return [t for samples in levels for t in (samples.t_starts, samples.t_ends, samples.t_eval)]
    if isinstance(part, RayTransform):
        moved: RayBundle = part(inputs.rays)
        return [moved.origins, moved.directions, moved.viewdirs, moved.near, moved.far, moved.radii]
    if isinstance(part, ColorMap):
        return [part(*inputs.colors), part(inputs.colors.rgb, None, inputs.colors.pixels)]
    renderer = cast(Renderer, part)
    weights = renderer.weights(inputs.samples, inputs.outputs)
    rendered = renderer.composite(inputs.samples, inputs.outputs, weights)
    return [tensor for tensor in (weights, rendered.rgb, rendered.depth, rendered.opacity) if tensor is not None]


def fixed_outputs(tested: PartUnderTest, part: Part, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Return every tensor that a part computes from the inputs that `inputs_for` makes."""
    return outputs_of(part, inputs_for(tested, dtype=dtype))
