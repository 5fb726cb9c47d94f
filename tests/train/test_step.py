"""Losses and gradients of one step."""

from __future__ import annotations

import pytest
import torch

from radfield_core.runtime import randomness
from radfield_core.testing.training import ToyField, ToyMethod, toy_setup
from radfield_core.train.step import StepLosses, TrainStep, backward
from radfield_core.types import Batch, ModelOutputs, Step


class Decaying(ToyField):
    """A field with a loss of its own, named like the method's."""

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, torch.Tensor]:
        return {"rgb": sum(parameter.square().sum() for parameter in self.parameters()), "decay": torch.tensor(2.0)}


@pytest.fixture
def setup_and_step() -> tuple[TrainStep, Batch, Step]:
    """A toy step whose field has losses, on 40 rays."""
    setup, step = toy_setup(ToyMethod(noise=False)), Step(0, 10, 0)
    with randomness.undisturbed():
        train_step = setup.build(0)
        train_step.model.fields[0] = Decaying(noise=False)
    train_step.model.begin_step(step)
    return train_step, setup.drawer.draw(step, 40), step


def test_losses_of_parts_are_added_under_names_of_their_own(setup_and_step) -> None:
    train_step, batch, step = setup_and_step
    losses = train_step(batch, step)
    assert list(losses.terms) == ["rgb", "part.rgb", "decay"]
    squares = sum(float(parameter.detach().square().sum()) for parameter in train_step.model.parameters())
    assert float(losses.terms["part.rgb"].detach()) == pytest.approx(squares, rel=1e-5)
    assert float(losses.total.detach()) == pytest.approx(
        sum(float(term.detach()) for term in losses.terms.values()), rel=1e-6
    )


def test_the_squared_error_is_that_of_the_pixels_without_gradient(setup_and_step) -> None:
    train_step, batch, step = setup_and_step
    losses = train_step(batch, step)
    rgb = train_step.model(batch).rendered.rgb
    assert float(losses.squared_error) == pytest.approx(float(((rgb.detach() - batch.rgb) ** 2).mean()), rel=1e-5)
    assert not losses.squared_error.requires_grad
    assert (losses.n_rays, losses.n_samples) == (40, 40 * 8)


@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_chunks_change_neither_losses_nor_gradients(setup_and_step, chunk: int) -> None:
    train_step, batch, step = setup_and_step

    def taken(chunk: int | None) -> tuple[StepLosses, list[torch.Tensor]]:
        train_step.zero_grad(set_to_none=True)
        losses = backward(train_step, batch, step, chunk)
        return losses, [parameter.grad.clone() for parameter in train_step.parameters()]

    (whole, gradients), (parts, accumulated) = taken(None), taken(chunk)
    assert whole.n_samples == parts.n_samples and whole.n_rays == parts.n_rays
    for name, term in whole.terms.items():
        torch.testing.assert_close(parts.terms[name], term, rtol=1e-5, atol=1e-6)
        assert not parts.terms[name].requires_grad
    torch.testing.assert_close(parts.squared_error, whole.squared_error)
    for one, other in zip(gradients, accumulated, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)
