"""A setup builds the same model from the same seed, wherever it is used."""

from __future__ import annotations

import torch

from radfield_core.runtime import randomness
from radfield_core.testing.training import ToyMethod, toy_setup, toy_trainer


def weights(seed: int) -> torch.Tensor:
    return toy_setup().build(seed).model.get_parameter("fields.0.layers.0.weight")


def test_a_model_is_decided_by_its_seed() -> None:
    with randomness.undisturbed():
        torch.rand(5)
        first = weights(3)
        torch.rand(7)
        assert torch.equal(weights(3), first)
        assert not torch.equal(weights(4), first)


def test_a_built_model_is_in_training_mode_on_the_drawer_s_device() -> None:
    with randomness.undisturbed():
        setup = toy_setup()
        built = setup.build(0)
    assert built.model.training and built.method is setup.method
    assert all(parameter.device == setup.drawer.device for parameter in built.parameters())


def test_a_trainer_s_model_is_the_setup_s(tmp_path) -> None:
    trainer = toy_trainer(tmp_path, ToyMethod(), seed=11)
    with randomness.undisturbed():
        assert torch.equal(trainer.model.get_parameter("fields.0.layers.0.weight"), weights(11))
