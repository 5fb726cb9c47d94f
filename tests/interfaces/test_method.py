"""Defaults that every method inherits: its model, its optimizer, and backgrounds by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from radfield_core.config.slots import Choice
from radfield_core.errors import PluginError, UsageError
from radfield_core.interfaces import BuildContext, Method, Model, background_color, method_of
from radfield_core.plugin import component
from radfield_core.types import Batch, ModelOutputs, SceneBox, Step

STEP = Step(3, 10, 0)


class Plain(Method):
    """A method with no losses."""

    n_fields = 2

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        return {}


def test_by_default_a_method_builds_the_level_loop_with_its_number_of_fields() -> None:
    asked: list[tuple[object, ...]] = []
    ctx = BuildContext(SceneBox(torch.zeros(3), 1.0), make_loop=lambda *arguments: asked.append(arguments))  # type: ignore
    Plain(None).build(ctx)
    assert asked == [(ctx, 2, None)]


def test_by_default_all_parameters_are_one_group_of_fused_adam() -> None:
    model: Any = nn.Linear(2, 3)
    method = Plain(None)
    (group,) = method.param_groups(model)
    assert group["name"] == "all" and len(group["params"]) == 2 and method.lr_scale(STEP, "all") == 1.0
    optimizer = method.optimizer([group])
    assert isinstance(optimizer, torch.optim.Adam) and optimizer.defaults["fused"] is True


def test_by_default_the_model_renders_a_batch_on_no_background() -> None:
    model: Any = lambda batch: ("rendered", batch)  # noqa: E731
    batch = Batch(None, None, torch.zeros(0, 3))
    assert Plain(None).forward(model, batch) == ("rendered", batch)  # type: ignore[comparison-overlap]
    assert Plain(None).background(STEP, 4, "cpu") is None


@pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("white", 1.0)])
@pytest.mark.parametrize("step", [STEP, None])
def test_a_plain_background_has_one_color(name: Any, value: float, step: Step | None) -> None:
    colors = background_color(name, step, 4, "cpu")
    assert colors is not None and colors.tolist() == [[value] * 3] * 4


def test_no_background_is_none() -> None:
    assert background_color("none", STEP, 4, "cpu") is None and background_color("none", None, 4, "cpu") is None


def test_a_random_background_is_a_function_of_the_step_and_white_in_evaluation() -> None:
    first, again, other = (background_color("random", step, 500, "cpu") for step in (STEP, STEP, Step(4, 10, 0)))
    assert first is not None and torch.equal(first, again) and not torch.equal(first, other)
    assert 0.45 < float(first.mean()) < 0.55 and len(first.unique(dim=0)) == 500
    assert torch.equal(background_color("random", None, 4, "cpu"), torch.ones(4, 3))


def test_a_background_that_is_random_by_step_has_one_color_in_all_pixels_of_a_step() -> None:
    found = [background_color("random_step", Step(i, 400, 0), 5, "cpu") for i in range(400)]
    colors = torch.stack([color for color in found if color is not None])
    assert torch.equal(colors, colors[:, :1].expand(400, 5, 3)) and len(colors[:, 0].unique(dim=0)) == 400
    assert 0.45 < float(colors.mean()) < 0.55 and float(colors.min()) < 0.02 and float(colors.max()) > 0.98
    again = background_color("random_step", Step(7, 400, 0), 5, "cpu")
    assert again is not None and torch.equal(again, colors[7])
    assert torch.equal(background_color("random_step", None, 4, "cpu"), torch.ones(4, 3))


def test_a_method_without_losses_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="losses"):
        type("Incomplete", (Method,), {})(None)


class Fails(Method):
    def __init__(self, config):
        raise KeyError("width")

    def losses(self, outputs, batch, model, step):
        return {}


def refuses(config):
    raise UsageError("width must be even", path="method.width")


@pytest.mark.parametrize(
    ("implementation", "words"),
    [
        (Fails, r"method:bad \(acme-bad\): building the method failed in __init__: KeyError: 'width'"),
        (dict, r"method:bad \(acme-bad\).*builds dict, which does not derive from Method"),
    ],
)
def test_a_method_that_cannot_be_made_is_named(implementation: type, words: str, monkeypatch) -> None:
    declared = component("method", "bad", impl="m:Bad", config="m:C", summary="s")._replace(distribution="acme-bad")
    monkeypatch.setattr(Choice, "load", lambda choice: implementation)
    with pytest.raises(PluginError, match=words):
        method_of(Choice("bad", declared, {}))


def test_options_that_a_method_refuses_stay_errors_about_options(monkeypatch) -> None:
    declared = component("method", "bad", impl="m:Bad", config="m:C", summary="s")
    monkeypatch.setattr(Choice, "load", lambda choice: refuses)
    with pytest.raises(UsageError, match=r"method\.width: width must be even"):
        method_of(Choice("bad", declared, {}))
