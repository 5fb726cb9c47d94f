"""A model that is no level loop is checked against the contract, and its method's distribution is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.errors import PluginError, UsageError
from radfield_core.interfaces import BuildContext, Model, TrainedParameters
from radfield_core.plugin import component
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.testing.training import ToyMethod, toy_setup
from radfield_core.train.dry_run import Findings, dry_run
from radfield_core.types import Batch, ModelOutputs, Rendered, Step


class Painter(Model):
    """Paints every pixel in one learned color, without rays."""

    def __init__(self) -> None:
        super().__init__()
        self.color = nn.Parameter(torch.full((3,), 0.5))

    def forward(self, batch: Batch) -> ModelOutputs:
        pixels = batch.rgb.shape[:-1]
        return ModelOutputs(self.paint(pixels), (), None, batch.rgb[..., 0].numel())

    def paint(self, pixels: Any) -> Rendered:
        return Rendered(self.color.expand(*pixels, 3), torch.zeros(pixels), torch.ones(pixels))

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, report: ProgressCallback | None = None
    ) -> Rendered:
        return self.paint((view.camera.width * view.camera.height,))


class Splats(ToyMethod):
    """A method with a model of its own that trains on whole images."""

    batching = "images"
    model_class: type[Model] = Painter

    def build(self, ctx: BuildContext) -> Model:
        return self.model_class()

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        return {"rgb": (outputs.rendered.rgb - batch.rgb).square().mean()}


def check(model_class: type[Model], **changes: Any) -> Findings:
    """Findings about a method of distribution acme-splats with such a model."""
    method_class = type("Splats", (Splats,), {"model_class": model_class, **changes})
    setup = toy_setup(method_class(), max_steps=10)
    declared = component("method", "splats", impl="x:Y", config="x:Z", summary="s")._replace(distribution="acme-splats")
    run = SimpleNamespace(method=SimpleNamespace(component=declared), losses={}, rays=None, color=None)
    return dry_run(dataclasses.replace(setup, context=dataclasses.replace(setup.context, run=run)))  # type: ignore[arg-type]


@pytest.mark.parametrize("batching", ["images", "rays"])
def test_a_sound_model_of_its_own_kind_passes(batching: str) -> None:
    assert check(Painter, batching=batching) == Findings(1.0, [])


def altered(**values: Callable[[Tensor], Tensor | None]) -> type[Painter]:
    """A painter with some quantities changed."""

    class Altered(Painter):
        def paint(self, pixels: Any) -> Rendered:
            rendered = super().paint(pixels)
            return dataclasses.replace(
                rendered, **{name: change(getattr(rendered, name)) for name, change in values.items()}
            )

    return Altered


class ReturnsTensor(Painter):
    def forward(self, batch: Batch) -> ModelOutputs:
        return super().forward(batch).rendered.rgb  # type: ignore[return-value]


class RendersTensor(Painter):
    def render(self, *arguments: Any, **options: Any) -> Rendered:
        return super().render(*arguments, **options).rgb  # type: ignore[return-value]


class RendersOnePixel(Painter):
    def render(self, *arguments: Any, **options: Any) -> Rendered:
        return self.paint((1,))


class RendersNothing(Painter):
    def forward(self, batch: Batch) -> ModelOutputs:
        return ModelOutputs(None, (), None, 0)  # type: ignore[arg-type]


class CountsWithTensors(Painter):
    def forward(self, batch: Batch) -> ModelOutputs:
        return dataclasses.replace(super().forward(batch), n_samples=torch.tensor(3))  # type: ignore[arg-type]


class RendersOnlyTheView(Painter):
    def render(self, view: View) -> Rendered:  # type: ignore[override]
        return super().render(view)


class AdaptsWithoutDeclaring(Painter):
    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        parameters.replace(self, "color", self.color)


class ForgetsSuper(Painter):
    def __init__(self) -> None:
        self.color = nn.Parameter(torch.zeros(3))


class IsNoModel(nn.Module):
    pass


class Raises(Painter):
    def forward(self, batch: Batch) -> ModelOutputs:
        raise TypeError("no\nrasterizer")


class Idle(Painter):
    def __init__(self) -> None:
        super().__init__()
        self.forgotten = nn.Parameter(torch.zeros(2))


@pytest.mark.parametrize(
    ("model_class", "words"),
    [
        (ReturnsTensor, "forward returned Tensor, expected ModelOutputs"),
        (altered(rgb=lambda x: x[..., :2]), r"rgb has shape \[256, 2\], expected \[256, 3\]"),
        (altered(rgb=lambda x: None), "rendered no color"),
        (altered(depth=lambda x: x / 0.0), "depth is not finite"),
        (altered(opacity=lambda x: x[..., None]), r"opacity has shape \[256, 1\]"),
        (RendersTensor, r"RendersTensor\.render: returned Tensor, expected Rendered"),
        (RendersOnePixel, r"RendersOnePixel\.render: rgb has shape \[1, 3\], expected \[64, 3\]"),
        (altered(depth=lambda x: None), "depth is None, expected one number for each pixel"),
        (altered(rgb=lambda x: x.detach().numpy()), "rgb is ndarray, expected Tensor"),
        (altered(rgb=lambda x: (255 * x).byte()), r"rgb has dtype torch\.uint8, expected a floating-point dtype"),
        (altered(opacity=lambda x: x > 0), r"opacity has dtype torch\.bool"),
        (RendersNothing, "rendered is NoneType, expected Rendered"),
        (CountsWithTensors, "n_samples is Tensor, expected int"),
        (RendersOnlyTheView, r"the first step failed: TypeError: .*render\(\) takes"),
        (AdaptsWithoutDeclaring, "AdaptsWithoutDeclaring replaces 'color', but its attribute growing"),
        (ForgetsSuper, "building the model failed: AttributeError"),
        (IsNoModel, "Splats.build returns IsNoModel, which does not derive from Model"),
        (Raises, "the first step failed: TypeError: no rasterizer"),
        (Idle, "forgotten: gets no gradient"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_breach_of_the_contract_names_the_distribution(model_class: type[Model], words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        check(model_class)
    assert caught.value.code == 69
    assert all(problem.path.startswith("method:splats (acme-splats)") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (lambda self, model: [{"params": list(model.parameters())}], "the first step failed: KeyError: 'name'"),
        (lambda self, model: [], "optimizer got an empty parameter list"),
        (lambda self, model: [{"name": "a", "params": model.parameters(), "lr": "fast"}], "first step failed"),
    ],
)
def test_parameter_groups_that_no_optimizer_takes_name_the_method(groups: Any, words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        check(Painter, param_groups=groups)
    assert caught.value.problems[0].path == "method:splats (acme-splats)"


def test_a_model_that_cannot_be_built_names_the_distribution() -> None:
    def build(self: Splats, ctx: BuildContext) -> Model:
        raise ImportError("no module named rasterizer")

    with pytest.raises(PluginError, match=r"acme-splats\): building the model failed: ImportError: no module"):
        check(Painter, build=build)


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({}, "returns no losses"),
        ({"rgb": torch.tensor([1.0, 2.0])}, r"loss rgb: has shape \[2\], expected a scalar"),
        ({"rgb": torch.tensor(torch.nan)}, "loss rgb: is not finite"),
    ],
    ids=["none", "a vector", "NaN"],
)
def test_losses_that_are_no_finite_numbers_are_named(losses: dict[str, Tensor], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check(Painter, losses=lambda *_: losses)


def test_a_model_with_only_zero_gradients_is_warned_of() -> None:
    (warning,) = check(Painter, losses=lambda self, outputs, *_: {"rgb": 0.0 * outputs.rendered.rgb.mean()}).warnings
    assert "model (Painter)" in warning


def failing(error: Exception) -> type[Painter]:
    class Failing(Painter):
        def forward(self, batch: Batch) -> ModelOutputs:
            raise error

    return Failing


def test_errors_about_options_and_memory_are_not_blamed_on_the_plugin() -> None:
    for error in (UsageError("set field.color=true"), torch.OutOfMemoryError("made up")):
        with pytest.raises(type(error)):
            check(failing(error))


def test_with_radfield_debug_the_traceback_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADFIELD_DEBUG", "1")
    with pytest.raises(TypeError, match="rasterizer"):
        check(Raises)
