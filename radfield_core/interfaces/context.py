"""The context that the constructor of every part of a model receives, in addition to the part's options.

A slot is an option whose value names a part, such as the option "sampler".
"""

# mypy: disable-error-code="type-abstract"
# `_make` passes abstract classes to isinstance and never instantiates them.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from radfield_core.errors import PluginError
from radfield_core.interfaces.color_map import ColorMap
from radfield_core.interfaces.encoding import Encoding
from radfield_core.interfaces.field import Field
from radfield_core.interfaces.loss import Loss
from radfield_core.interfaces.part import Part
from radfield_core.interfaces.ray_transform import RayTransform
from radfield_core.interfaces.renderer import Renderer
from radfield_core.interfaces.sampler import Sampler
from radfield_core.types import SceneBox

if TYPE_CHECKING:
    from torch import Tensor

    from radfield_core.cameras import Cameras
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.data.estimated_points import EstimatedPoints
    from radfield_core.interfaces.model import Model
    from radfield_core.rays import RaySpace

_Part = TypeVar("_Part", bound=Part)


@dataclass(frozen=True, eq=False)
class BuildContext:
    """Facts about the scene and the run, and methods that build the parts that the config selects.

    Attributes:
        bounds: region to model, in the coordinates in which fields are evaluated. If the scene uses NDC, these are the
            warped coordinates. A field that contracts space gives its encodings the region that it contracts into.
        n_images: number of training images. An embedding with one row per image has this many rows.
        has_masks: True if the data has masks that show the object.
        has_alpha: True if the images have an alpha channel.
        ndc: True if the rays are in NDC.
        max_steps: number of training steps of the run.
        run: options of the run; None if a part is built without a run, for example in a test.
        space: near and far limits and NDC warp of the rays; None if there is no scene.
        cameras: the training cameras as the data set states them, in scene coordinates; None if there is no scene.
        points: known points of the scene's surfaces [P, 3] in scene coordinates; None if the data has none.
        point_colors: sRGB colors of `points` [P, 3] uint8; None if they are unknown.
        estimate_points: function of a number n and a seed that returns at most n points near the surfaces, with colors,
            or None if there are too few. It decodes images, so call it only if the data has no points. It is None if a
            trained model is built again.
        make_loop: function that builds core's ray-marching model. Core sets this attribute.

    Example:
        >>> import torch
        >>> context = BuildContext(bounds=SceneBox(torch.zeros(3), radius=1.0), n_images=100)
        >>> context.ndc
        False
    """

    bounds: SceneBox
    n_images: int = 0
    has_masks: bool = False
    has_alpha: bool = False
    ndc: bool = False
    max_steps: int = 1
    run: RunConfig | None = None
    space: RaySpace | None = None
    cameras: Cameras | None = None
    points: Tensor | None = None
    point_colors: Tensor | None = None
    estimate_points: Callable[[int, int], EstimatedPoints | None] | None = None
    make_loop: Callable[[BuildContext, int, Choice | None], Model] | None = None

    def encoding(self, choice: Choice, *, in_dim: int, **sizes: Any) -> Encoding:
        """Build the encoding that was chosen for a slot.

        Args:
            choice: value of the slot: the chosen part with its options.
            in_dim: number of coordinates that the encoding takes.
            sizes: further arguments of the part's constructor.

        Raises:
            PluginError: the part cannot be imported, or it is not an encoding.
        """
        return self._make(Encoding, choice, in_dim=in_dim, **sizes)

    def field(self, choice: Choice, **sizes: Any) -> Field:
        """Build the field that was chosen for a slot. Raises PluginError in the same cases as `encoding`."""
        return self._make(Field, choice, **sizes)

    def sampler(self, choice: Choice, **sizes: Any) -> Sampler:
        """Build the sampler that was chosen for a slot. Raises PluginError in the same cases as `encoding`."""
        return self._make(Sampler, choice, **sizes)

    def renderer(self, choice: Choice, **sizes: Any) -> Renderer:
        """Build the renderer that was chosen for a slot. Raises PluginError in the same cases as `encoding`."""
        return self._make(Renderer, choice, **sizes)

    def color(self, choice: Choice, **sizes: Any) -> ColorMap:
        """Build the color map that was chosen for a run. Raises PluginError in the same cases as `encoding`."""
        return self._make(ColorMap, choice, **sizes)

    def loss(self, choice: Choice, **sizes: Any) -> Loss:
        """Build a loss that was chosen for the run. Raises PluginError in the same cases as `encoding`."""
        return self._make(Loss, choice, **sizes)

    def ray_transform(self, choice: Choice, **sizes: Any) -> RayTransform:
        """Build the ray transform that was chosen for the run. Raises PluginError in the same cases as `encoding`."""
        return self._make(RayTransform, choice, **sizes)

    def make(self, choice: Choice, **sizes: Any) -> Part:
        """Build the part that was chosen for a slot of any kind. Raises PluginError in the same cases as `encoding`."""
        return self._make(Part, choice, **sizes)

    def level_loop(self, n_fields: int = 1, coarse_field: Choice | None = None) -> Model:
        """Build core's ray-marching model from the sampler, field and renderer that the config selects.

        Args:
            n_fields: largest number of separate fields. If fewer levels need a field, fewer fields are built.
            coarse_field: the part of all fields but the last. By default, they are built like the last one.

        Raises:
            ValueError: the context has no run.
            UsageError: there is a coarse field, but only one level.
        """
        if self.make_loop is None:
            raise ValueError("level_loop needs the context of a training run, and this one has none")
        return self.make_loop(self, n_fields, coarse_field)

    def _make(self, kind: type[_Part], choice: Choice, **sizes: Any) -> _Part:
        part = choice.load()(choice.config, self, **sizes)
        if not isinstance(part, kind):
            built, owner = type(part).__name__, choice.component.distribution
            raise PluginError(
                f"{choice.component.key} of {owner} builds {built}, which does not derive from {kind.__name__}",
                hint=f"Derive {built} from radfield_core.{kind.__name__}",
            )
        return part
