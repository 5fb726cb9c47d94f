"""The dry run finds faults that would otherwise appear hours later, and names the part."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from radfield_core.errors import PluginError
from radfield_core.interfaces import BuildContext, Model
from radfield_core.model import LevelLoop
from radfield_core.testing.toys import RaggedSampler, volume_renderer
from radfield_core.testing.training import ToyField, ToyMethod, toy_setup, toy_trainer
from radfield_core.train import dry_run as module
from radfield_core.train.dry_run import Findings, dry_run
from radfield_core.types import Batch, FieldOutputs, ModelOutputs, RaySamples, Step


def check(method: ToyMethod) -> Findings:
    """The findings about a method on the toy scene."""
    return dry_run(toy_setup(method, max_steps=10))


def with_field(field_class: type[ToyField]) -> ToyMethod:
    """The toy method with another field."""

    class Method(ToyMethod):
        def build(self, ctx: BuildContext) -> Model:
            model = super().build(ctx)
            model.fields[0] = field_class()
            return model

    return Method()


def test_a_sound_model_passes_and_its_samples_are_counted() -> None:
    assert check(ToyMethod()) == Findings(8.0, [])


def test_packed_samples_and_rays_without_any_pass() -> None:
    class Method(ToyMethod):
        def build(self, ctx: BuildContext) -> Model:
            return LevelLoop([ToyField()], RaggedSampler((5, 0, 8, 3)), volume_renderer(), space=ctx.space)

    assert check(Method()) == Findings(4.0, [])


def test_a_parameter_that_no_loss_depends_on_is_named() -> None:
    class Idle(ToyField):
        def __init__(self) -> None:
            super().__init__()
            self.forgotten = nn.Parameter(torch.zeros(3))
            self.frozen = nn.Parameter(torch.zeros(3), requires_grad=False)

    with pytest.raises(PluginError, match=r"fields\.0\.forgotten.*no gradient.*Idle") as caught:
        check(with_field(Idle))
    assert len(caught.value.problems) == 1


def test_a_field_that_is_dead_at_the_start_is_a_warning() -> None:
    class Dead(ToyField):
        def forward(self, samples: RaySamples) -> FieldOutputs:
            outputs = super().forward(samples)
            assert outputs.density is not None
            return FieldOutputs(rgb=outputs.rgb, density=torch.relu(outputs.density - 100.0))

    (warning,) = check(with_field(Dead)).warnings
    assert "fields.0 (Dead)" in warning and "1024" in warning


def test_a_field_that_only_some_rays_wake_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    method = ToyMethod()
    calls: list[int] = []
    real = ToyMethod.losses

    def losses(self: ToyMethod, outputs: ModelOutputs, batch: Batch, model: Any, step: Step) -> dict[str, torch.Tensor]:
        calls.append(len(batch.rgb))
        found = real(self, outputs, batch, model, step)
        return found if len(batch.rgb) > module.FEW_RAYS else {name: loss * 0.0 for name, loss in found.items()}

    monkeypatch.setattr(ToyMethod, "losses", losses)
    assert check(method).warnings == []
    assert max(calls) > module.FEW_RAYS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: {"rgb": o.rgb[:, :2]}, r"Odd: rgb has shape \[256, 2\], expected \[256, 3\]"),
        (lambda o: {"rgb": o.rgb / 0.0}, "Odd: rgb is not finite"),
        (lambda o: {"rgb": o.rgb, "normals": o.rgb[:, 0]}, r"Odd: normals has shape \[256\]"),
    ],
)
def test_outputs_of_the_wrong_shape_or_not_finite_name_part_and_quantity(change: Any, words: str) -> None:
    class Odd(ToyField):
        def forward(self, samples: RaySamples) -> FieldOutputs:
            outputs = super().forward(samples)
            return FieldOutputs(density=outputs.density, **change(outputs))

    with pytest.raises(PluginError, match=words):
        check(with_field(Odd))


def test_a_mean_over_no_samples_is_found() -> None:
    class Naive(ToyField):
        def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, torch.Tensor]:
            density = outputs.levels[0].outputs.density
            assert density is not None
            return {"sparsity": density[outputs.levels[0].samples.lengths > 0].mean()}

    with pytest.raises(PluginError, match=r"sparsity.*not finite.*without samples"):
        check(with_field(Naive))


def test_nothing_of_the_run_is_touched(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    before = trainer.state()
    draws = torch.rand(1), random.random(), np.random.rand()  # noqa: NPY002
    again = toy_trainer(tmp_path)
    check(ToyMethod())
    assert (torch.rand(1), random.random(), np.random.rand()) == draws  # noqa: NPY002
    for name, tensor in again.model.state_dict().items():
        assert torch.equal(tensor, before.model[name])
    assert all(parameter.grad is None for parameter in again.model.parameters())
