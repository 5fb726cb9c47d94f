"""The methods of a model that core calls in training, evaluation, rendering and export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from radfield_core.errors import UsageError
from radfield_core.interfaces.parameters import TrainedParameters
from radfield_core.interfaces.part import ParameterGroup, Part
from radfield_core.types import Batch, ModelOutputs, RayBundle, Rendered, Step

if TYPE_CHECKING:
    from radfield_core.cameras import Cameras, View
    from radfield_core.interfaces.ray_transform import RayTransform
    from radfield_core.runtime.progress import ProgressCallback


class Model(nn.Module, ABC):
    """A trainable model that renders a scene.

    Training methods that march rays use core's own model, `radfield_core.model.LevelLoop`. A training method that
    renders differently, such as a rasterizer, derives a model from this class and returns it from `Method.build`. The
    derived class must implement `forward` and `render`, and may override the other methods.

    Pixels are in one row everywhere. An image of H × W pixels has R = H·W pixels, row by row from the top, in training
    and in rendering alike: colors are [R, 3].

    Attributes:
        growing: names of the model's own parameters and buffers whose shape `adapt` may change.
        ray_transform: the part that corrects training cameras, if the run has one. Core sets it and applies it, so that
            the model gets corrected rays and views.
        training_cameras: the training cameras before this correction. Core sets them.

    Example:
        >>> class OneColor(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.color = nn.Parameter(torch.full((3,), 0.5))
        ...
        ...     def forward(self, batch):
        ...         return ModelOutputs(self.paint(len(batch.rgb)), (), None, 0)
        ...
        ...     def render(self, view, background=None, chunk=4096, progress=None):
        ...         return self.paint(view.camera.width * view.camera.height)
        ...
        ...     def paint(self, n):
        ...         return Rendered(self.color.expand(n, 3), torch.zeros(n), torch.ones(n))
        >>> OneColor()(Batch(rays=None, view=None, rgb=torch.zeros(8, 3))).rendered.rgb.shape
        torch.Size([8, 3])
    """

    growing: tuple[str, ...] = ()
    ray_transform: RayTransform | None
    training_cameras: Cameras | None

    def __init__(self) -> None:
        super().__init__()
        self.ray_transform = None
        self.training_cameras = None

    @abstractmethod
    def forward(self, batch: Batch) -> ModelOutputs:
        """Render the batch over `batch.background`.

        The batch holds rays, or a whole view if the training method trains on images. In the result, `rendered.rgb`
        must have the shape of `batch.rgb`, [R, 3], and `rendered.depth` and `rendered.opacity` the shape [R].
        """

    @abstractmethod
    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        """Render a view for evaluation, with no gradients and no randomness.

        Args:
            view: camera and pose.
            background: one color [3], or a color for each pixel [H·W, 3]; None for no background.
            chunk: number of rays to compute at once, which limits the memory.
            progress: called as progress(done, total); both are numbers of pixels.

        Returns:
            Pixels [H·W, ...], row by row. Their `depth` is the mean distance in the scene, multiplied by the opacity Σ
            w.
        """

    def render_rays(self, rays: RayBundle, background: Tensor | None = None, chunk: int = 4096) -> Rendered:
        """Render rays for evaluation, with no gradients and no randomness.

        Args:
            rays: R rays.
            background: one color [3], or a color for each ray [R, 3]; None for no background.
            chunk: number of rays to compute at once, which limits the memory.

        Returns:
            Pixels [R, ...].

        Raises:
            UsageError: the model renders only whole views.
        """
        raise UsageError(f"{type(self).__name__} renders whole views, not single rays")

    def queries(self) -> object | None:
        """Return the object that exporters and metrics evaluate at points, or None if the model has no such object.

        The object implements `HasDensity`, `HasSDF`, `HasOccupancy` or `HasColor`. Exporters and metrics use only this
        object and the model's methods `render` and `render_rays`.
        """
        return None

    def start_from(self, path: Path, to_data: Tensor) -> None:
        """Set all parameters from a file of another program, which a new run starts with (`--init-from FILE`).

        Called before the optimizer is made. Parameters may get another shape if the attribute `growing` names them. The
        run's origin.json records the file and its hash.

        Args:
            path: the file.
            to_data: similarity [4, 4] from the scene's coordinates, which the model uses, to those of the data, which
                files use.

        Raises:
            UsageError: models of this class cannot start from a file, or not from this one.
            DatasetError: the file cannot be read.
        """
        raise UsageError("models of this method start from runs only, not from files", path=f"--init-from {path}")

    def begin_step(self, step: Step) -> None:
        """Call `begin_step` of every part once. A part is called after the parts that it contains."""
        for module in reversed(list(self.modules())):
            if isinstance(module, Part):
                module.begin_step(step)

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """Let the parts replace parameters by others of another shape, as `Part.adapt` describes.

        Called after every step of the optimizer, without gradients. A model that replaces its own parameters overrides
        this method and names them in its attribute `growing`.
        """
        for module in reversed(list(self.modules())):
            if isinstance(module, Part):
                module.adapt(step, parameters)

    @torch.no_grad()
    def refresh(self, step: Step) -> None:
        """Update state that gradients do not train, such as occupancy grids. Called before every training step."""

    def part_losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Collect the losses of all parts by name. If two parts use the same name, the second loss is called
        "path.name"."""
        losses: dict[str, Tensor] = {}
        for path, part in self.parts():
            _add(losses, path, part.losses(outputs, batch, step))
        return losses

    def part_scalars(self) -> dict[str, Tensor]:
        """Collect the scalars of all parts by name. The names follow the same rule as in `part_losses`."""
        scalars: dict[str, Tensor] = {}
        for path, part in self.parts():
            _add(scalars, path, part.scalars())
        return scalars

    def parameter_groups(self) -> list[ParameterGroup]:
        """Collect the parameter groups of all parts. Groups that have the same name and settings are joined.

        If two groups have the same name but different settings, the second is called "path.name".
        """
        groups: dict[str, ParameterGroup] = {}
        for path, module in self.named_modules():
            for group in module.parameter_groups() if isinstance(module, Part) else ():
                same = groups.get(group.name)
                name = group.name
                if same is not None and same[2:] != group[2:]:
                    name, same = f"{path}.{name}", None
                before = same.params if same is not None else ()
                groups[name] = group._replace(name=name, params=[*before, *group.params])
        return list(groups.values())

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Iterate over the parts of the model, each once, as (path, part)."""
        for path, module in self.named_modules():
            if isinstance(module, Part):
                yield path, module


def _add(collected: dict[str, Tensor], path: str, values: dict[str, Tensor]) -> None:
    """Add a part's values to `collected`. If a name is already taken, store the value as "path.name"."""
    for name, value in values.items():
        collected[name if name not in collected else f"{path}.{name}"] = value
