"""Laws of losses. A run adds these losses to those of its method."""

from __future__ import annotations

from dataclasses import replace

import torch

from radfield_core.config.schedules import Schedule
from radfield_core.model import added_losses
from radfield_core.testing.law import expect, expect_close, law
from radfield_core.testing.under_test import TESTED, PartUnderTest
from radfield_core.types import Step


@law("loss", fix="Derive the options from radfield_core.LossConfig, and leave the weight to core.")
def weight_is_applied_by_core(tested: PartUnderTest) -> None:
    """The options have a schedule `weight`. If the weight is doubled, the loss is exactly doubled. The part itself must
    therefore not multiply by the weight."""
    weight = getattr(tested.choice.config, "weight", None)
    expect(isinstance(weight, Schedule), "the options have no schedule 'weight'")
    values = []
    for factor in (0.5, 1.0):
        weighted = replace(tested, options={**tested.options, "weight": factor})
        trainer = weighted.trainer(weighted.run_config(), f"weight-{factor:g}")
        step = Step(0, 3, 0)
        trainer.model.begin_step(step)
        values.append(trainer.train_step(trainer.drawer.draw(step, 16), step).terms[TESTED].detach())
    expect_close("the loss with twice the weight", values[1], 2.0 * values[0], 1e-6)


@law("loss", fix="Return a loss whose smallest value is 0, such as a square, an absolute value or a cross-entropy.")
def loss_is_not_negative(tested: PartUnderTest) -> None:
    """The loss of every ray is finite and at least 0, so that 0 is the best value."""
    trainer = tested.trainer(tested.run_config(), "sign")
    for index in range(3):
        step = Step(index, 3, 0)
        trainer.model.begin_step(step)
        batch = trainer.drawer.draw(step, 64)
        with torch.no_grad():
            outputs = trainer.method.forward(trainer.model, batch)
            values = added_losses(trainer.model)[TESTED](outputs, batch, trainer.model, step)
        expect(bool(values.isfinite().all()), "the loss is not finite")
        expect(bool((values >= -1e-6).all()), f"the loss of a ray is {values.min():.6g}")
