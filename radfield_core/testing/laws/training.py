"""Laws of training. Each law trains the part under test on images of the toy ball, together with toy parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from radfield_core.interfaces import TrainedParameters
from radfield_core.runs import checkpoint
from radfield_core.runtime import randomness
from radfield_core.testing.law import expect, law
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.train.trainer import Trainer
from radfield_core.types import Step

TRAINED = ("encoding", "field", "sampler", "renderer", "rays", "color", "loss", "method")


def has_color(tested: PartUnderTest) -> bool:
    """True unless the part is a field without color. Such a field cannot be trained on images."""
    return tested.kind != "field" or "rgb" in tested.provides


@law(*TRAINED, when=has_color, fix="Look for activations that are 0 at first, a detach, or a loss of the wrong sign.")
def three_steps_lower_the_loss(tested: PartUnderTest) -> None:
    """A dry run with the part succeeds. Three optimizer steps on one batch of pixels of the toy ball lower the loss of
    that batch."""
    trainer = tested.trainer(tested.run_config(), "three-steps")
    model, method = trainer.model, trainer.method
    start = Step(0, 3, 0)
    model.refresh(start)
    batch = trainer.drawer.draw(start, 128)

    def loss_now() -> torch.Tensor:
        model.begin_step(start)
        total: torch.Tensor = trainer.train_step(batch, start).total
        return total

    before = float(loss_now().detach())
    for index in range(3):
        step = Step(index, 3, 0)
        loss_now().backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        trainer.groups.set_rates(trainer.optimizer, step)
        trainer.optimizer.step()
        with torch.no_grad():
            model.adapt(step, TrainedParameters(model, trainer.optimizer))
        trainer.optimizer.zero_grad(set_to_none=True)
        method.after_step(model, trainer.optimizer, step)
    after = float(loss_now().detach())
    expect(after < before, f"the loss is {before:.6g} before training and {after:.6g} after three steps")


@law(*TRAINED, when=has_color, fix="Store state in buffers, draw from step.generator(salt), and use no global state.")
def resuming_is_bit_identical(tested: PartUnderTest) -> None:
    """Train two steps, save a checkpoint, resume from it and train two more steps. The states of the model and the
    optimizer are then exactly those after four steps without interruption."""
    run = tested.run_config(4, {"save_every": 2, "keep_checkpoints": 3})
    whole = tested.trainer(run, "whole")
    whole.train()
    half = checkpoint.load(tested.folder / "whole" / "checkpoints" / "step-000000002")
    resumed = tested.trainer(run, "resumed")
    with randomness.undisturbed():
        torch.rand(11)
        resumed.restore(half)
        resumed.train()
    expect_equal_states(whole, resumed)


def expect_equal_states(whole: Trainer, resumed: Trainer) -> None:
    """Raise LawBroken unless the model and the optimizer of two trainers have exactly the same state."""
    one, other = whole.state(), resumed.state()
    different = [name for name in one.model if not torch.equal(one.model[name], other.model[name])]
    expect(not different, f"after resuming, these tensors differ: {', '.join(different[:5])}")
    expect(
        list(_leaves(one.optimizer)) == list(_leaves(other.optimizer)), "after resuming, the optimizer's state differs"
    )


def _leaves(node: Any) -> Iterator[Any]:
    """All keys and values in nested dicts and lists, with tensors converted to bytes."""
    if isinstance(node, torch.Tensor):
        yield node.contiguous().view(-1).cpu().numpy().tobytes()
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _leaves(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _leaves(value)
    else:
        yield node
