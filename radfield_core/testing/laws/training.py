"""Laws of training, for every part that a run trains with: on the ball, with toys for the parts that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from radfield_core.runs import checkpoint
from radfield_core.runtime import randomness
from radfield_core.testing.law import expect, law
from radfield_core.testing.subject import Subject
from radfield_core.types import Step

TRAINED = ("encoding", "field", "sampler", "renderer", "method")


def _has_color(subject: Subject) -> bool:
    return subject.kind != "field" or "rgb" in subject.provides


@law(*TRAINED, when=_has_color, mend="check activations that start dead, a detach too many, losses of the wrong sign")
def three_steps_lower_the_loss(subject: Subject) -> None:
    """Built into a run the part passes the check after building, and three optimizer steps on one batch of the ball's
    pixels lower the loss on that batch."""
    trainer = subject.trainer(subject.run_config(), "three-steps")
    model, method = trainer.model, trainer.method
    rates = [float(group["lr"]) for group in trainer.optimizer.param_groups]
    start = Step(0, 3, 0)
    model.refresh(start)
    batch = trainer.drawer.draw(start, 128)

    def loss_now() -> torch.Tensor:
        model.begin_step(start)
        return trainer.train_step(batch, start).total

    before = float(loss_now().detach())
    for index in range(3):
        step = Step(index, 3, 0)
        loss_now().backward()
        for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * method.lr_scale(step, group["name"])
        trainer.optimizer.step()
        trainer.optimizer.zero_grad(set_to_none=True)
        method.after_step(model, trainer.optimizer, step)
    after = float(loss_now().detach())
    expect(after < before, f"the loss was {before:.6g} before and is {after:.6g} after three steps")


@law(*TRAINED, when=_has_color, mend="keep state in buffers; random numbers from step.generator(salt); nothing global")
def resuming_is_bit_equal(subject: Subject) -> None:
    """Four steps, and two steps, a checkpoint and two more from there, end with the same model and the same state of
    the optimizer, bit for bit."""
    options = {"save_every": 2, "keep_checkpoints": 3}
    run = subject.run_config(4, options)
    whole = subject.trainer(run, "whole")
    whole.train()
    half = checkpoint.load(subject.folder / "whole" / "checkpoints" / "step-000000002")
    resumed = subject.trainer(run, "resumed")
    with randomness.undisturbed():
        torch.rand(11)
        resumed.restore(half)
        resumed.train()
    one, other = whole.state(), resumed.state()
    different = [name for name in one.model if not torch.equal(one.model[name], other.model[name])]
    expect(not different, f"after resuming these differ: {', '.join(different[:5])}")
    expect(list(_flat(one.optimizer)) == list(_flat(other.optimizer)), "the optimizer's state differs after resuming")


def _flat(node: Any) -> Iterator[Any]:
    """Everything in nested tables, tensors as bytes."""
    if isinstance(node, torch.Tensor):
        yield node.contiguous().view(-1).cpu().numpy().tobytes()
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _flat(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _flat(value)
    else:
        yield node
