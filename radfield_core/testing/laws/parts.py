"""Laws of all parts of a model: encodings, fields, samplers, renderers and ray transforms."""

from __future__ import annotations

import torch

from radfield_core.config.schedules import Schedule
from radfield_core.names import plural
from radfield_core.ops import backend
from radfield_core.testing.inputs import (
    ColorInputs,
    at_step,
    dense_samples,
    fixed_outputs,
    inputs_for,
    outputs_of,
    random_outputs,
    toy_field_for,
)
from radfield_core.testing.law import expect, expect_close, law
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import Step

PARTS = ("encoding", "field", "sampler", "renderer", "rays", "color")


@law(*PARTS, fix="Convert constants with .to(x), and compute in the dtype of the input or in a wider one.")
def dtype_is_preserved(tested: PartUnderTest) -> None:
    """Outputs have the dtype of the inputs. This is tested for float32, and for float64 with the part in float64."""
    for dtype in (torch.float32, torch.float64):
        for tensor in fixed_outputs(tested, at_step(tested.build().to(dtype)), dtype):
            expect(tensor.dtype == dtype, f"{dtype} inputs give a {tensor.dtype} output")


@law(*PARTS, fix="Create tensors with device=x.device, and keep constants in buffers (register_buffer).")
def device_is_preserved(tested: PartUnderTest) -> None:
    """Outputs and intermediate tensors are on the device of the inputs. Without a GPU, this is tested on the CPU while
    torch's default device is "meta". A tensor that is created without a device then causes an error."""
    part, inputs = at_step(tested.build()), inputs_for(tested)
    if torch.cuda.is_available():
        samples = dense_samples(inputs.rays.to("cuda"))
        inputs = inputs._replace(
            x=inputs.x.cuda(),
            rays=inputs.rays.to("cuda"),
            samples=samples,
            outputs=random_outputs(samples),
            field=inputs.field.cuda(),
            colors=ColorInputs(*(tensor.cuda() for tensor in inputs.colors)),
        )
        found, device = outputs_of(part.cuda(), inputs), "cuda"
    else:
        with backend.using("torch"), torch.device("meta"):
            found, device = outputs_of(part, inputs), "cpu"
    for tensor in found:
        expect(tensor.device.type == device, f"inputs on {device} give an output on {tensor.device}")


@law(
    *PARTS,
    fix="Draw initial values from torch's global generator, and all other random numbers from step.generator(salt).",
)
def same_seed_gives_the_same_part(tested: PartUnderTest) -> None:
    """Two parts built from the same seed have the same state and the same outputs."""
    first, second = tested.build(7), tested.build(7)
    for name, tensor in first.state_dict().items():
        expect(
            torch.equal(tensor, second.state_dict()[name]), f"{name} differs between two parts built from the same seed"
        )
    for one, other in zip(fixed_outputs(tested, at_step(first)), fixed_outputs(tested, at_step(second)), strict=True):
        expect(torch.equal(one, other), "outputs differ between two parts built from the same seed")


@law(
    *PARTS, fix="Store learned and counted values in parameters and buffers (register_buffer), not in plain attributes."
)
def state_survives_a_round_trip(tested: PartUnderTest) -> None:
    """After loading this part's state_dict, a part built from another seed has the same outputs as this part. A
    checkpoint thus holds everything that the outputs depend on."""
    one, other = tested.build(1), tested.build(2)
    with torch.no_grad():
        for number, parameter in enumerate(one.parameters()):
            parameter.add_(0.01 * (number + 1))
    keys = other.load_state_dict(one.state_dict(), strict=False)
    expect(
        not (keys.missing_keys or keys.unexpected_keys),
        f"the state_dicts of two parts of the same kind have different keys: {keys}",
    )
    for left, right in zip(fixed_outputs(tested, at_step(one)), fixed_outputs(tested, at_step(other)), strict=True):
        expect(torch.equal(left, right), "outputs differ after the state_dict was loaded")


@law(*PARTS, fix="Compute scheduled values from the step alone, not from a counter or their previous values.")
def begin_step_depends_only_on_the_step(tested: PartUnderTest) -> None:
    """Outputs after begin_step(step) do not depend on earlier steps or on their number. This holds for all levels of a
    sampler, in evaluation and in training. A resumed run therefore equals an uninterrupted one."""
    fresh, used = tested.build(), tested.build()
    for index in (900, 0, 5, 5):
        at_step(used, Step(index, 1000, 0))
    step = Step(400, 1000, 0)
    for training in (False, True) if tested.kind == "sampler" else (False,):
        parts = [at_step(part, step).train(training) for part in (fresh, used)]
        after_one, after_five = (fixed_outputs(tested, part) for part in parts)
        for one, other in zip(after_one, after_five, strict=True):
            expect(torch.equal(one, other), "outputs depend on earlier steps")


@law(
    "encoding",
    "field",
    "sampler",
    "rays",
    "color",
    fix="Use no in-place operation (x *= 2, relu_) on a tensor that is passed in.",
)
def inputs_are_not_modified(tested: PartUnderTest) -> None:
    """A part does not modify the tensors that are passed to it."""
    part = at_step(tested.build())
    if tested.kind == "encoding":
        x = tested.inputs(9)
        before = x.clone()
        part(x)
        expect(torch.equal(x, before), "the input was modified in place")
        return
    if tested.kind == "color":
        colors = ColorInputs.random(9)
        copied = ColorInputs(*(tensor.clone() for tensor in colors))
        part(*colors)
        expect(all(map(torch.equal, colors, copied)), "the input was modified in place")
        return
    rays = inputs_for(tested).rays
    tensors = (rays.origins, rays.directions, rays.viewdirs, rays.near, rays.far)
    copies = [tensor.clone() for tensor in tensors]
    with torch.no_grad():
        if tested.kind == "field":
            part(dense_samples(rays))
        elif tested.kind == "rays":
            part(rays)
        else:
            part.propose(rays, 0, None, toy_field_for(tested))
    for tensor, copy in zip(tensors, copies, strict=True):
        expect(torch.equal(tensor, copy), "a tensor of the rays was modified in place")


@law(*PARTS, fix="Draw random numbers only if self.training.")
def evaluation_is_deterministic(tested: PartUnderTest) -> None:
    """In evaluation mode, the same inputs always give the same outputs."""
    part = at_step(tested.build())
    for first, second in zip(fixed_outputs(tested, part), fixed_outputs(tested, part), strict=True):
        expect_close("the output of a second evaluation", second, first, 0.0)


@law(
    *PARTS,
    fix="Put each parameter, from own_parameters() only, into one group. Rates and decays must be finite and ≥ 0.",
)
def parameter_groups_hold_own_parameters(tested: PartUnderTest) -> None:
    """parameter_groups contains only the part's own parameters, not those of parts inside it. No parameter occurs
    twice. All learning rates, factors and weight decays are finite and at least 0."""
    part = tested.build()
    groups = part.parameter_groups()
    found = [id(parameter) for group in groups for parameter in group.params]
    expect(len(found) == len(set(found)), "a parameter is in two groups")
    foreign = len(set(found) - {id(parameter) for parameter in part.own_parameters()})
    expect(
        not foreign,
        f"{plural(foreign, 'parameter')} of the groups {'is' if foreign == 1 else 'are'} not the part's own",
    )
    for group in groups:
        rates = () if group.lr is None else Schedule.of(group.lr).values()
        for value in (*rates, group.lr_factor, group.weight_decay or 0.0):
            expect(0 <= value < float("inf"), f"group {group.name!r} has a rate, factor or decay of {value}")
