"""Models: what training, checks, evaluation, rendering and exporters rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from radfield_core.errors import UsageError
from radfield_core.interfaces.part import Part
from radfield_core.types import Batch, ModelOutputs, RayBundle, Rendered, Step

if TYPE_CHECKING:
    from radfield_core.cameras import View
    from radfield_core.runtime.progress import ProgressCallback


class Model(nn.Module, ABC):
    """The contract between a method's model and core.

    Core's `LevelLoop` implements it for every method that marches rays. A method that renders differently, such as a
    rasterizer, derives its own model from this class and returns it from `Method.build`.
    """

    @abstractmethod
    def forward(self, batch: Batch) -> ModelOutputs:
        """Render the batch's rays, or its whole view if the method trains on images, on `batch.background`."""

    @abstractmethod
    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, report: ProgressCallback | None = None
    ) -> Rendered:
        """Render a view as in evaluation: pixels [H·W, ...], row by row.

        Args:
            view: the camera and its pose.
            background: one color [3], or a color for each pixel [H·W, 3]; None composites nothing.
            chunk: rays computed at once, which bounds the memory.
            report: called as report(done, of) with pixels.
        """

    def render_rays(self, rays: RayBundle, background: Tensor | None = None, chunk: int = 4096) -> Rendered:
        """Render rays as in evaluation: pixels [R, ...]. Raises UsageError if the model renders only whole views."""
        raise UsageError(f"{type(self).__name__} renders whole views, not single rays")

    def queries(self) -> object | None:
        """Return what answers `density`, `sdf`, `occupancy` or `point_color` (see `HasDensity` …), or None.

        Exporters and metrics use nothing else of a model beside `render` and `render_rays`.
        """
        return None

    def begin_step(self, step: Step) -> None:
        """Set what is scheduled in every part; each is called once, children before the parts that hold them."""
        for module in reversed(list(self.modules())):
            if isinstance(module, Part):
                module.begin_step(step)

    @torch.no_grad()
    def refresh(self, step: Step) -> None:
        """Update state that is not trained by gradients, such as occupancy grids; called before each step."""

    def part_losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Collect the losses that parts bring, by name; a name used by two parts is preceded by the part's path."""
        losses: dict[str, Tensor] = {}
        for path, part in self.parts():
            for name, loss in part.losses(outputs, batch, step).items():
                losses[name if name not in losses else f"{path}.{name}"] = loss
        return losses

    def part_scalars(self) -> dict[str, Tensor]:
        """Collect the scalars that parts want logged, named as in `part_losses`."""
        scalars: dict[str, Tensor] = {}
        for path, part in self.parts():
            for name, value in part.scalars().items():
                scalars[name if name not in scalars else f"{path}.{name}"] = value
        return scalars

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Iterate over the model's parts, each once, with its path."""
        for path, module in self.named_modules():
            if isinstance(module, Part):
                yield path, module
