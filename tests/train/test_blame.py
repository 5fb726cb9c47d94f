"""An exception in a part's code before training names the part and its distribution, and others pass unchanged."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import torch

from radfield_core.config.slots import Choice
from radfield_core.errors import DatasetError, PluginError
from radfield_core.interfaces import BuildContext, Loss
from radfield_core.plugin import component
from radfield_core.plugins.discovery import CORE
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.toy_parts import ToyFieldConfig, ToyMlp
from radfield_core.testing.training import toy_scene
from radfield_core.train.blame import blamed
from radfield_core.train.dry_run import dry_run
from radfield_core.train.setup import TrainingSetup
from radfield_core.types import FieldOutputs, RaySamples


class FailsToBuild(ToyMlp):
    def __init__(self, config: ToyFieldConfig, ctx: BuildContext):
        raise KeyError("n_layers")


class FailsInForward(ToyMlp):
    def forward(self, samples: RaySamples) -> FieldOutputs:
        super().forward(samples)
        return torch.zeros(3) @ torch.zeros(4)  # type: ignore[return-value]


class FailsAsALoss(Loss):
    def __init__(self, config: Any, ctx: BuildContext):
        super().__init__()

    def forward(self, outputs: Any, batch: Any, model: Any, step: Any) -> torch.Tensor:
        return outputs.no_such_thing


def setup_of(field: type | None = None, loss: type | None = None, distribution: str = "acme-bad") -> TrainingSetup:
    """The setup of a run on the toy ball with these classes of parts."""
    run = part_under_test("field:toy").run_config()
    if field is not None:
        run = attrs.evolve(run, field=chosen("field", field, run.field.config, distribution))
    if loss is not None:
        run = attrs.evolve(run, losses={"bad": chosen("loss", loss, LossOptions(), distribution)})
    return TrainingSetup.of(run, toy_scene(), torch.device("cpu"))


@attrs.frozen
class LossOptions:
    weight: Any = None


def chosen(kind: str, implementation: type, config: Any, distribution: str) -> Choice:
    declared = component(kind, "bad", impl=f"{__name__}:{implementation.__name__}", config="m:C", summary="s")
    return Choice("bad", declared._replace(distribution=distribution), config)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"field": FailsToBuild},
            r"bad \(acme-bad\): building the model failed in __init__: KeyError: 'n_layers'",
        ),
        ({"field": FailsInForward}, r"field:bad \(acme-bad\): the first step failed in forward: RuntimeError: .*size"),
        (
            {"loss": FailsAsALoss},
            r"loss:bad \(acme-bad\): .* step failed in forward: AttributeError: .*no_such_thing",
        ),
    ],
)
def test_the_part_whose_code_failed_is_named_with_its_distribution(parts: dict[str, type], words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        dry_run(setup_of(**parts))
    assert caught.value.code == 69


def test_of_two_parts_of_one_package_the_class_decides() -> None:
    with pytest.raises(PluginError, match="loss:bad"):
        dry_run(setup_of(field=ToyMlp, loss=FailsAsALoss))


def test_errors_of_core_and_of_data_pass_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        dry_run(setup_of(field=FailsToBuild, distribution=CORE))
    for error in (ZeroDivisionError(), DatasetError("gone"), OSError("gone"), torch.OutOfMemoryError("made up")):
        with pytest.raises(type(error)), blamed(setup_of(), "it failed", on_method=False):
            raise error
    monkeypatch.setenv("RADFIELD_DEBUG", "1")
    with pytest.raises(KeyError):
        dry_run(setup_of(field=FailsToBuild))
