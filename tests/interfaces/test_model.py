"""The contract of models, kept by a third party's model that paints whole images and never sees a ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.config.run import TrainerConfig
from radfield_core.errors import UsageError
from radfield_core.interfaces import BuildContext, Method, Model, Part
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.testing.toys import toy_context, toy_rays
from radfield_core.testing.training import toy_scene, toy_trainer
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.dry_run import dry_run
from radfield_core.train.setup import TrainingSetup
from radfield_core.types import Batch, ModelOutputs, Rendered, Step

STEP = Step(3, 10, 0)


class Painter(Model):
    """Colors on a 4 × 4 grid, interpolated to the size of any view."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Parameter(torch.zeros(1, 3, 4, 4))

    def forward(self, batch: Batch) -> ModelOutputs:
        assert batch.view is not None and batch.rays is None
        return ModelOutputs(self._paint(batch.view), (), None, 0)

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        with torch.no_grad():
            return self._paint(view)

    def _paint(self, view: View) -> Rendered:
        size = (view.camera.height, view.camera.width)
        image = nn.functional.interpolate(self.grid, size=size, mode="bilinear", align_corners=False)
        rgb = torch.sigmoid(image[0].permute(1, 2, 0)).flatten(0, 1)
        return Rendered(rgb, torch.zeros(len(rgb)), torch.ones(len(rgb)))


class Painting(Method):
    """Squared error of whole images on white."""

    batching: Literal["rays", "images"] = "images"

    def build(self, ctx: BuildContext) -> Model:
        return Painter()

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        return torch.ones(n, 3, device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        assert outputs.rendered.rgb is not None
        return {"rgb": (outputs.rendered.rgb - batch.rgb).square().mean()}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        return [{"name": "all", "params": list(model.parameters()), "lr": 0.1}]


def error_on(model: Model) -> float:
    """Mean squared error over all views of the toy scene, composited on white by hand."""
    scene, total = toy_scene(), 0.0
    for index in range(len(scene.cameras)):
        rgba = scene.images[index].double() / 255
        truth = (rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]).view(-1, 3)
        rendered = model.render(scene.cameras.view(index), torch.ones(3))
        assert rendered.rgb is not None
        total += float((rendered.rgb.double() - truth).square().mean())
    return total / len(scene.cameras)


def test_a_model_without_rays_trains_and_renders(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, Painting(None), max_steps=60, save_every=60, log_every=20)  # type: ignore[arg-type]
    before = error_on(trainer.model)
    assert trainer.train() == "max_steps"
    assert isinstance(trainer.model, Painter) and error_on(trainer.model) < 0.5 * before
    assert (tmp_path / "metrics.jsonl").stat().st_size > 0


def test_a_model_without_rays_passes_the_checks_before_training() -> None:
    method, scene = Painting(None), toy_scene()
    drawer = PixelDrawer(scene, method, torch.device("cpu"))
    found = dry_run(TrainingSetup(TrainerConfig(), method, toy_context(), drawer))
    assert found.warnings == []


def test_a_model_that_renders_whole_views_says_so_when_asked_for_rays() -> None:
    with pytest.raises(UsageError, match="Painter"):
        Painter().render_rays(toy_rays(2))
    assert Painter().queries() is None


@pytest.mark.parametrize("missing", ["forward", "render"])
def test_a_model_that_does_not_implement_the_contract_cannot_be_built(missing: str) -> None:
    methods = {name: getattr(Painter, name) for name in ("forward", "render") if name != missing}
    incomplete = type("Incomplete", (Model,), methods)
    with pytest.raises(TypeError, match=missing):
        incomplete()


class Counter(Part):
    """Brings a loss and a scalar, and writes down when its step begins."""

    def __init__(self, value: float, begun: list[float], child: Part | None = None):
        super().__init__()
        self.value, self.begun, self.child = value, begun, child

    def begin_step(self, step: Step) -> None:
        self.begun.append(self.value)

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        return {"count": torch.tensor(self.value)}

    def scalars(self) -> dict[str, Tensor]:
        return {"count": torch.tensor(10 * self.value)}


def test_parts_of_any_model_begin_children_first_and_are_collected_by_name() -> None:
    begun: list[float] = []
    model = Painter()
    model.inner = Counter(1.0, begun, Counter(2.0, begun))  # type: ignore[assignment]
    model.begin_step(STEP)
    assert begun == [2.0, 1.0] and [path for path, _ in model.parts()] == ["inner", "inner.child"]
    batch = Batch(None, toy_scene().cameras.view(0), torch.zeros(256, 3))
    losses, scalars = model.part_losses(model(batch), batch, STEP), model.part_scalars()
    assert {name: float(loss) for name, loss in losses.items()} == {"count": 1, "inner.child.count": 2}
    assert {name: float(value) for name, value in scalars.items()} == {"count": 10, "inner.child.count": 20}
