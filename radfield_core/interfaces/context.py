"""The context that a part's or a model's constructor is given besides its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from radfield_core.errors import PluginError
from radfield_core.interfaces.encoding import Encoding
from radfield_core.interfaces.field import Field
from radfield_core.interfaces.part import Part
from radfield_core.interfaces.renderer import Renderer
from radfield_core.interfaces.sampler import Sampler
from radfield_core.types import SceneBox

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.interfaces.model import Model
    from radfield_core.rays import RaySpace


@dataclass(frozen=True, eq=False)
class BuildContext:
    """Facts about the run, and the builders of child parts.

    bounds: the region to model, in the space that fields live in (the unit cube under NDC). n_images: training images;
    an embedding per image has that many rows. run, space: the run's options, and the near and far limits and warp that
    rays are made with; None when a part is built alone (tests, queries).
    """

    bounds: SceneBox
    n_images: int = 0
    has_masks: bool = False
    ndc: bool = False
    max_steps: int = 1
    run: RunConfig | None = None
    space: RaySpace | None = None
    make_loop: Callable[[BuildContext, int], Model] | None = None

    def encoding(self, choice: Choice, *, in_dim: int, **sizes: Any) -> Encoding:
        """Build the encoding chosen in a slot, for `in_dim` coordinates.

        Example:
            >>> self.encoding = ctx.encoding(config.encoding, in_dim=3)  # doctest: +SKIP
        """
        part = self.make(choice, in_dim=in_dim, **sizes)
        if not isinstance(part, Encoding):
            raise _wrong_kind(choice, part, Encoding)
        return part

    def field(self, choice: Choice, **sizes: Any) -> Field:
        """Build the field chosen in a slot."""
        part = self.make(choice, **sizes)
        if not isinstance(part, Field):
            raise _wrong_kind(choice, part, Field)
        return part

    def sampler(self, choice: Choice, **sizes: Any) -> Sampler:
        """Build the sampler chosen in a slot."""
        part = self.make(choice, **sizes)
        if not isinstance(part, Sampler):
            raise _wrong_kind(choice, part, Sampler)
        return part

    def renderer(self, choice: Choice, **sizes: Any) -> Renderer:
        """Build the renderer chosen in a slot."""
        part = self.make(choice, **sizes)
        if not isinstance(part, Renderer):
            raise _wrong_kind(choice, part, Renderer)
        return part

    def make(self, choice: Choice, **sizes: Any) -> Part:
        """Build a part of any kind; `encoding`, `field`, `sampler` and `renderer` return the kind's own type."""
        part: Part = choice.load()(choice.config, self, **sizes)
        return part

    def level_loop(self, n_fields: int = 1) -> Model:
        """Build the ray-marching model from the parts in the run's slots, with at most `n_fields` separate fields.

        Raises ValueError in a context without a run.
        """
        if self.make_loop is None:
            raise ValueError("level_loop needs the context of a run")
        return self.make_loop(self, n_fields)


def _wrong_kind(choice: Choice, part: Part, kind: type) -> PluginError:
    component, name = choice.component, type(part).__name__
    return PluginError(
        f"{component.key} of {component.distribution} is built as {name}, which is no {kind.__name__}",
        hint=f"derive {name} from radfield_core.{kind.__name__}",
    )
