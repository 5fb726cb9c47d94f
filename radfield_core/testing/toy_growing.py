"""Toy parts whose parameters change their shape during training: a field, and a method that brings its own model."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, softplus

from radfield_core.cameras import View
from radfield_core.config.slots import option
from radfield_core.interfaces import BuildContext, Field, Method, Model, TrainedParameters
from radfield_core.interfaces.field import DensityOccupancy
from radfield_core.ops.segments import mean
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import Batch, FieldOutputs, ModelOutputs, RaySamples, Rendered, SceneBox, Step


def ends_half(step: Step) -> bool:
    """Return True for the step that completes the first half of a run."""
    return step.index + 1 == max(1, step.max_steps // 2)


@attrs.frozen(kw_only=True)
class ToyGridConfig:
    """Options of field:toy-grid."""

    resolution: int = option(4, help="number of grid points along each side, in the first half of the run", min=2)


class ToyGrid(DensityOccupancy, Field):
    """Density and color on a grid of points, interpolated linearly. The grid gets twice as fine after half the run."""

    growing = ("values",)
    bounds: SceneBox
    center: Tensor

    def __init__(self, config: ToyGridConfig, ctx: BuildContext):
        super().__init__()
        self.radius = ctx.bounds.radius
        self.register_buffer("center", ctx.bounds.center.clone(), persistent=False)
        self.values = nn.Parameter(torch.randn(1, 4, *3 * [config.resolution]))

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """Make the grid, and the optimizer's state of it, twice as fine after half the run."""
        if ends_half(step):
            parameters.replace(self, "values", twice_as_fine(self.values), state=twice_as_fine)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return density [N] and rgb [N, 3] for N samples."""
        raw = self._raw(samples.positions())
        return FieldOutputs(rgb=torch.sigmoid(raw[:, 1:]), density=softplus(raw[:, 0]))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the density [M] at x [M, 3]."""
        return softplus(self._raw(x)[:, 0])

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the color [M, 3] at x [M, 3]."""
        return torch.sigmoid(self._raw(x)[:, 1:])

    def _raw(self, x: Tensor) -> Tensor:
        """Return the interpolated values [M, 4] at x [M, 3]."""
        places = ((x - self.center.to(x)) / self.radius).view(1, -1, 1, 1, 3)
        found = grid_sample(self.values.to(x), places, align_corners=True, padding_mode="border")
        return found.view(4, -1).t()


def twice_as_fine(values: Tensor) -> Tensor:
    """Interpolate a grid [1, C, D, H, W] to twice as many points along each side."""
    size = [2 * n for n in values.shape[2:]]
    return interpolate(values, size=size, mode="trilinear", align_corners=True)


@attrs.frozen(kw_only=True)
class ToyPainterConfig:
    """Options of method:toy-painter."""

    lr: float = option(0.05, help="learning rate", min=0, exclusive_min=True)


class ToyPainting(Model):
    """The same picture for every view: stripes of trainable colors. After half the run, each stripe is divided."""

    growing = ("stripes",)

    def __init__(self, n: int = 4) -> None:
        super().__init__()
        self.stripes = nn.Parameter(torch.randn(n, 3))

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """Divide each stripe in two after half the run."""
        super().adapt(step, parameters)
        if ends_half(step):
            rows = torch.arange(len(self.stripes), device=self.stripes.device).repeat_interleave(2)
            parameters.replace(self, "stripes", self.stripes[rows], rows)

    def forward(self, batch: Batch) -> ModelOutputs:
        """Paint the view of a batch over its background."""
        assert batch.view is not None
        return ModelOutputs(self._paint(batch.view, batch.background), (), None, 0)

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        """Paint a view."""
        with torch.no_grad():
            return self._paint(view, background)

    def queries(self) -> ToyPainting:
        """Return this model, which can be evaluated as a color."""
        return self

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the mean color of the picture [M, 3] at x [M, 3]."""
        return torch.sigmoid(self.stripes).mean(0).to(x).expand(len(x), 3)

    def _paint(self, view: View, background: Tensor | None) -> Rendered:
        """Return the pixels of a view: stripes from left to right, with an opacity of 0.75."""
        height, width = view.camera.height, view.camera.width
        device = self.stripes.device
        stripe = torch.arange(width, device=device) * len(self.stripes) // width
        opacity = torch.full((height * width,), 0.75, device=device)
        rgb = 0.75 * torch.sigmoid(self.stripes)[stripe].repeat(height, 1)
        if background is not None:
            rgb = rgb + 0.25 * background.to(rgb)
        return Rendered(rgb, torch.ones_like(opacity), opacity)


class ToyPainter(Method):
    """A method that brings its own model and trains it on whole images, on white."""

    batching: Literal["rays", "images"] = "images"
    config: ToyPainterConfig

    def build(self, ctx: BuildContext) -> Model:
        """Build the model."""
        return ToyPainting()

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        """Return a white background [n, 3]."""
        return torch.ones(n, 3, device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Return the mean squared error of the pixels."""
        assert outputs.rendered.rgb is not None
        return {"rgb": mean((outputs.rendered.rgb - batch.rgb).square().mean(-1))}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group that contains all parameters."""
        return [{"name": "all", "params": list(model.parameters()), "lr": self.config.lr}]
