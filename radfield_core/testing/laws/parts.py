"""Laws that every trainable part keeps: encodings, fields, samplers and renderers."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from radfield_core.interfaces import Encoding, Field, Part, Renderer, Sampler
from radfield_core.ops import backend
from radfield_core.runtime import randomness
from radfield_core.testing.law import expect, expect_close, law
from radfield_core.testing.subject import Subject
from radfield_core.testing.toy_parts import ToyMlp, ToySurface, ToySurfaceConfig
from radfield_core.testing.toys import Ragged, toy_context, toy_rays
from radfield_core.types import FieldOutputs, RayBundle, RaySamples, Step

PARTS = ("encoding", "field", "sampler", "renderer")
STEP = Step(3, 10, 0)


def begun(part: Part, step: Step = STEP) -> Any:
    """The part, in evaluation, after it and all within it were told of a step."""
    for module in reversed(list(part.modules())):
        if isinstance(module, Part):
            module.begin_step(step)
    return part.eval()


def dense(rays: RayBundle, n: int = 8) -> RaySamples:
    """n even intervals on each ray."""
    shares = torch.linspace(0.0, 1.0, n + 1, dtype=rays.near.dtype, device=rays.near.device)
    return RaySamples.from_edges(rays, rays.near[:, None] + (rays.far - rays.near)[:, None] * shares)


def packed(rays: RayBundle) -> RaySamples:
    """Five, none, eight and three intervals on rays in turn."""
    return Ragged().propose(rays, 0, None, cast(Field, None))


def toy_field_for(subject: Subject) -> Field:
    """A field that a sampler may ask: a surface if it wants one."""
    if "sdf" in subject.requires.get("field", ()):
        return ToySurface(ToySurfaceConfig(), toy_context())
    config = subject.choose(subject.registry.find("field", "radfield-toys:toy"), {}).config
    with randomness.undisturbed():
        torch.manual_seed(0)
        return ToyMlp(config, toy_context())


def toy_outputs(samples: RaySamples, seed: int = 0) -> FieldOutputs:
    """Random densities, some of them zero and some large, and colors."""
    generator = torch.Generator().manual_seed(seed)
    t = samples.t_eval
    density = (4.0 * torch.randn(samples.n, generator=generator, dtype=torch.float64)).clamp_min(0.0)
    rgb = torch.rand(samples.n, 3, generator=generator, dtype=torch.float64)
    return FieldOutputs(rgb=rgb.to(t), density=density.to(t))


class Inputs(NamedTuple):
    """What a part is handed: x for an encoding, rays and a field for a sampler, samples and outputs for the others."""

    x: Tensor
    rays: RayBundle
    samples: RaySamples
    outputs: FieldOutputs
    field: Field


def inputs_of(subject: Subject, n: int = 9, dtype: torch.dtype = torch.float32) -> Inputs:
    """n rows or rays, the same every time."""
    rays = toy_rays(n, dtype=dtype)
    samples = dense(rays)
    return Inputs(
        subject.inputs(n, dtype=dtype), rays, samples, toy_outputs(samples), toy_field_for(subject).to(dtype)
    )  # fmt: skip


def made(part: Part, inputs: Inputs) -> list[Tensor]:
    """What the part makes of its inputs, as a list of tensors."""
    if isinstance(part, Encoding):
        return [part(inputs.x)]
    if isinstance(part, Field):
        found = part(inputs.samples)
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


def exercise(subject: Subject, part: Part, n: int = 9, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """What the part makes of n inputs, the same every time."""
    return made(part, inputs_of(subject, n, dtype))


@law(*PARTS, mend="convert constants with .to(x); compute in the dtype of the input or a wider one")
def dtype_is_kept(subject: Subject) -> None:
    """float32 in gives float32 out, and a part moved to float64 gives float64 for float64: nothing on the way is
    narrower."""
    for dtype in (torch.float32, torch.float64):
        for tensor in exercise(subject, begun(subject.build().to(dtype)), dtype=dtype):
            expect(tensor.dtype == dtype, f"{dtype} in gives {tensor.dtype} out")


@law(*PARTS, mend="make tensors with device=x.device, keep constants in buffers (register_buffer)")
def device_is_kept(subject: Subject) -> None:
    """Outputs lie on the inputs' device, and so does every tensor made on the way: on a GPU if there is one, else with
    a default device on which nothing can be computed."""
    part = begun(subject.build())
    inputs = inputs_of(subject)
    if torch.cuda.is_available():
        inputs = inputs._replace(
            x=inputs.x.cuda(), rays=inputs.rays.to("cuda"), samples=dense(inputs.rays.to("cuda")),
            outputs=toy_outputs(dense(inputs.rays.to("cuda"))),
            field=inputs.field.cuda(),
        )  # fmt: skip
        found, device = made(part.cuda(), inputs), "cuda"
    else:
        with backend.using("torch"), torch.device("meta"):
            found, device = made(part, inputs), "cpu"
    for tensor in found:
        expect(tensor.device.type == device, f"inputs on {device} give an output on {tensor.device}")


@law(
    *PARTS, mend="draw initial values from torch's generator; take what is random in training from step.generator(salt)"
)
def same_seed_same_part(subject: Subject) -> None:
    """Built twice from one seed the part has the same state and the same outputs."""
    first, second = subject.build(7), subject.build(7)
    for name, tensor in first.state_dict().items():
        expect(torch.equal(tensor, second.state_dict()[name]), f"{name} differs between two builds with one seed")
    for one, other in zip(exercise(subject, begun(first)), exercise(subject, begun(second)), strict=True):
        expect(torch.equal(one, other), "outputs differ between two builds with one seed")


@law(*PARTS, mend="keep everything learned or counted in parameters and buffers (register_buffer), not in attributes")
def state_survives_a_round_trip(subject: Subject) -> None:
    """A part built from another seed and given the state of this one has the same outputs: what a checkpoint keeps is
    all there is."""
    one, other = subject.build(1), subject.build(2)
    with torch.no_grad():
        for number, parameter in enumerate(one.parameters()):
            parameter.add_(0.01 * (number + 1))
    missing = other.load_state_dict(one.state_dict(), strict=False)
    expect(not (missing.missing_keys or missing.unexpected_keys), f"states of two builds differ: {missing}")
    for left, right in zip(exercise(subject, begun(one)), exercise(subject, begun(other)), strict=True):
        expect(torch.equal(left, right), "outputs differ after the state was loaded")


@law(*PARTS, mend="set what is scheduled from the step alone, not from what it was before")
def begin_step_is_a_function_of_the_step(subject: Subject) -> None:
    """What a part makes after begin_step(s) does not depend on the steps before: a resumed run is exact."""
    fresh, used = subject.build(), subject.build()
    for index in (900, 0, 5, 5):
        begun(used, Step(index, 1000, 0))
    target = Step(400, 1000, 0)
    for one, other in zip(exercise(subject, begun(fresh, target)), exercise(subject, begun(used, target)), strict=True):
        expect(torch.equal(one, other), "outputs depend on which steps went before")


@law("encoding", "field", "sampler", mend="no operation in place (x *= …, relu_ on an input) on what was handed in")
def inputs_are_left_alone(subject: Subject) -> None:
    """What is handed to a part is the same afterward."""
    part = begun(subject.build())
    if subject.kind == "encoding":
        x = subject.inputs(9)
        kept = x.clone()
        part(x)
        expect(torch.equal(x, kept), "the input was changed in place")
        return
    rays = toy_rays(9)
    before = [tensor.clone() for tensor in (rays.origins, rays.directions, rays.viewdirs, rays.near, rays.far)]
    with torch.no_grad():
        part(dense(rays)) if subject.kind == "field" else part.propose(rays, 0, None, toy_field_for(subject))
    for one, other in zip(before, (rays.origins, rays.directions, rays.viewdirs, rays.near, rays.far), strict=True):
        expect(torch.equal(one, other), "a tensor of the rays was changed in place")


@law(*PARTS, mend="draw random numbers only when self.training")
def evaluation_is_not_random(subject: Subject) -> None:
    """In evaluation the same inputs give the same outputs every time."""
    part = begun(subject.build())
    for one, other in zip(exercise(subject, part), exercise(subject, part), strict=True):
        expect_close("an output asked for twice", one, other, 0.0)
