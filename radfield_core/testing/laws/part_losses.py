"""Laws of the losses that a part brings for its own parameters, and of how these parameters are trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from radfield_core.interfaces import Model
from radfield_core.model import added_losses, corrected_batch, map_colors
from radfield_core.names import plural
from radfield_core.ops import segments
from radfield_core.testing.law import expect, expect_close, law
from radfield_core.testing.laws.parts import PARTS
from radfield_core.testing.laws.training import has_color
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.train.trainer import Trainer
from radfield_core.types import Batch, ModelOutputs, Step

STEP = Step(0, 3, 0)
REPEATS = 4


@law(
    *PARTS,
    when=has_color,
    fix="Average over the rays or samples given with ops.segments.mean, and do not multiply by their number.",
)
def part_losses_are_means_over_rays(tested: PartUnderTest) -> None:
    """Each loss of a part is one finite number. It does not grow with the number of rays: a batch in which every ray
    occurs four times has the same losses. An interlevel loss may sum over the samples of a ray, but not over rays. The
    losses of a batch without rays are finite too."""
    trainer = _trainer(tested)
    batch = trainer.drawer.draw(STEP, 16)
    repeated = batch[torch.arange(16).repeat(REPEATS)]
    for training in (False, True):
        once, often = (_part_losses(trainer, each, training) for each in (batch, repeated))
        for name, loss in once.items():
            expect(loss.numel() == 1 and bool(loss.isfinite().all()), f"loss {name} is not one finite number")
            if training:  # samples are drawn anew for each ray, so the losses may differ a little
                grown = float(often[name].abs().clamp_min(1e-6) / loss.abs().clamp_min(1e-6))
                expect(grown < REPEATS / 2, f"loss {name} is {grown:.3g} times as large for four times as many rays")
            else:
                expect_close(f"loss {name} of four times as many rays", often[name].reshape(()), loss.reshape(()), 1e-4)
    for name, loss in _part_losses(trainer, batch[0:0], True).items():
        expect(bool(loss.isfinite().all()), f"loss {name} of a batch without rays is {loss.item():g}")


@law(*PARTS, when=has_color, fix="Return a loss whose smallest value is 0, and give its weight the right sign.")
def part_losses_are_not_negative(tested: PartUnderTest) -> None:
    """Each loss of a part is at least 0 in every step, so that 0 is the best value and a weight has the right sign."""
    trainer = _trainer(tested)
    for index in range(3):
        step = Step(index, 3, 0)
        losses = _part_losses(trainer, trainer.drawer.draw(step, 64), True, step)
        for name, loss in losses.items():
            expect(bool((loss >= -1e-8).all()), f"loss {name} is {loss.item():.6g} in step {index}")


@law(
    *PARTS,
    "loss",
    "method",
    when=has_color,
    fix="Use each parameter in what the part computes, without a detach, or remove the parameter.",
)
def parameters_learn_from_the_images(tested: PartUnderTest) -> None:
    """Each trainable parameter gets a gradient other than zero from a loss that depends on what the model renders. A
    regularizer, which depends on the parameters alone, is not enough."""
    trainer = _trainer(tested)
    if trainer.method.batching != "rays":
        return
    parameters = _parameters_of(tested, trainer.model)
    batch = trainer.drawer.draw(STEP, 256)
    terms, regularizers = _terms(trainer, batch)
    total = torch.stack([term.reshape(()) for term in terms.values()]).sum()
    found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True) if parameters else ()
    idle = [name for name, grad in zip(parameters, found, strict=True) if grad is None or not bool(grad.any())]
    message = f"{plural(len(idle), 'parameter')} without a gradient from the images: {', '.join(idle[:5])}"
    ignored = f" ({', '.join(regularizers)} does not depend on what the model renders)" if regularizers else ""
    expect(not idle, message + ignored)


def _trainer(tested: PartUnderTest) -> Trainer:
    """A trainer for the part under test. Its model is slightly changed, so that no parameter is zero."""
    trainer = tested.trainer(tested.run_config(), "part-losses")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    trainer.model.refresh(STEP)
    return trainer


def _outputs(trainer: Trainer, batch: Batch, training: bool = True, step: Step = STEP) -> ModelOutputs:
    """What the model computes for a batch at the beginning of a step."""
    trainer.model.begin_step(step)
    batch = corrected_batch(trainer.model, batch)
    return map_colors(trainer.model, trainer.method.forward(trainer.model.train(training), batch), batch)


def _part_losses(trainer: Trainer, batch: Batch, training: bool, step: Step = STEP) -> dict[str, Tensor]:
    """The losses of the model's parts for a batch."""
    losses = trainer.model.part_losses(_outputs(trainer, batch, training, step), batch, step)
    return {name: loss.detach() for name, loss in losses.items()}


def _terms(trainer: Trainer, batch: Batch) -> tuple[dict[str, Tensor], list[str]]:
    """The losses of a batch that depend on what the model computes for its rays, and the names of all other losses.

    To find out whether a loss depends on it, the loss is computed a second time, for the outputs of moved rays.
    """
    assert batch.rays is not None
    rays = replace(batch.rays, origins=batch.rays.origins + 0.1)
    others = _added_by_parts(trainer, _outputs(trainer, replace(batch, rays=rays)), batch)
    again = {name: loss.detach() for name, loss in others.items()}
    outputs = _outputs(trainer, batch)
    terms = _added_by_parts(trainer, outputs, batch)
    regularizers = [name for name, loss in terms.items() if torch.equal(loss, again[name])]
    terms = {name: loss for name, loss in terms.items() if name not in regularizers}
    method = trainer.method.losses(outputs, batch, trainer.model, STEP)
    return {**{f"method.{name}": loss for name, loss in method.items()}, **terms}, regularizers


def _added_by_parts(trainer: Trainer, outputs: ModelOutputs, batch: Batch) -> dict[str, Tensor]:
    """All losses except those of the method. Their weights are left out."""
    model = trainer.model
    losses = model.part_losses(outputs, batch, STEP)
    for name, part in added_losses(model).items():
        losses[f"losses.{name}"] = segments.mean(part(outputs, batch, model, STEP).flatten())
    return losses


def _parameters_of(tested: PartUnderTest, model: Model) -> dict[str, nn.Parameter]:
    """The trainable parameters of the part under test, by name. Those of a method are all parameters of its model."""
    implementation = tested.choice.load()
    modules = [model] if tested.kind == "method" else [m for m in model.modules() if type(m) is implementation]
    named = {name: p for module in modules for name, p in module.named_parameters() if p.requires_grad}
    return named
