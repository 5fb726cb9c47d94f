"""The level loop: the model of all methods that march rays.

A level is one pass from rays to pixels: the sampler proposes samples on the rays, a field is evaluated at the samples,
and the renderer computes weights and pixels. The sampler may place the samples of a later level where the weights of an
earlier level are large.

Symbols in shapes: R rays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.errors import PluginError, UsageError
from radfield_core.interfaces import BuildContext, Field, Loss, Method, Model, Part, Renderer, Sampler
from radfield_core.model.early_stop import evaluate_visible
from radfield_core.model.pixels import concatenated, on_background, with_median_depth, with_scene_depths
from radfield_core.ops import segments
from radfield_core.ops.backend import device_of
from radfield_core.rays import RaySpace, view_rays, warped_box
from radfield_core.types import Batch, FieldOutputs, Level, ModelOutputs, RayBundle, RaySamples, Rendered, Step

if TYPE_CHECKING:
    from radfield_core.config.run import BackgroundConfig, RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.data.cropping import Crop
    from radfield_core.data.scene import Scene
    from radfield_core.runtime.progress import ProgressCallback


class LevelLoop(Model):
    """A model made of fields, a sampler and a renderer. A second LevelLoop may render the background.

    Level l uses the field `sampler.own_fields[l]` if there is one. The other levels use `fields` in order. If there are
    more of these levels than fields, the last field serves the remaining levels.

    Args:
        fields: fields of the levels, in order.
        sampler: sampler of all levels.
        renderer: renderer of all levels.
        background: model of the background. On each ray, the background begins where the foreground ends.
        space: limits and NDC warp of the rays that `render` makes; None if only `render_rays` will be called.

    Attributes:
        crop: a box. Only the field inside it is rendered, without the background model. None to render everything.

    Raises:
        UsageError: there is a background model, but `renderer.opaque_far` would hide the background.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        sampler: Sampler,
        renderer: Renderer,
        background: LevelLoop | None = None,
        space: RaySpace | None = None,
    ):
        super().__init__()
        self.fields = nn.ModuleList(fields)
        self.sampler = sampler
        self.renderer = renderer
        self.background = background
        self.space = space
        self.crop: Crop | None = None
        if background is not None and renderer.opaque_far:
            raise UsageError(
                "the far end of each ray is opaque, so the background behind it is invisible",
                path="renderer.opaque_far",
                hint="renderer.opaque_far=false",
            )

    @property
    def main_field(self) -> Field:
        """The last of `fields`. The sampler's grids, queries and exporters use this field."""
        return cast(Field, self.fields[-1])

    def field_of(self, level: int) -> Field:
        """Return the field that is evaluated on a level."""
        own = self.sampler.own_fields
        if level in own:
            return own[level]
        before = sum(1 for earlier in range(level) if earlier not in own)
        return cast(Field, self.fields[min(before, len(self.fields) - 1)])

    @torch.no_grad()
    def refresh(self, step: Step) -> None:
        """Update the grids of this model's sampler, and those of the background model's sampler."""
        self.sampler.refresh(step, self.main_field)
        if self.background is not None:
            self.background.refresh(step)

    def queries(self) -> Field:
        """Return the main field."""
        return self.main_field

    def forward(self, batch: Batch) -> ModelOutputs:
        """Render the rays of a batch over the batch's background.

        Raises:
            TypeError: the batch is a whole image.
        """
        if batch.rays is None:
            raise TypeError(
                "this model renders rays; a method that trains on whole images must build its own model in Method.build"
            )
        return self.trace(batch.rays, batch.background)

    def trace(self, rays: RayBundle, background: Tensor | None = None, *, stop_early: bool = False) -> ModelOutputs:
        """Render rays over the background model, if there is one, and then over the colors `background`.

        Args:
            rays: R rays.
            background: colors [R, 3]; None for no colors.
            stop_early: if True, do not evaluate fields behind opaque surfaces, as the sampler's `early_stop_eps` says.

        Raises:
            UsageError: the field of the last level returns no color.
        """
        levels: list[Level] = []
        if self.crop is not None and not self.renderer.opaque_far:  # an opaque far end must not move to the box
            rays = self.crop.limited(rays)
        for index in range(self.sampler.n_levels):
            field = self.field_of(index)
            with torch.no_grad():
                samples = self.sampler.propose(rays, index, levels[-1] if levels else None, field)
            if stop_early and self.sampler.early_stop_eps > 0:
                outputs = evaluate_visible(partial(self._evaluated, field), samples, self.sampler.early_stop_eps)
            else:
                outputs = self._evaluated(field, samples)
            weights = self.renderer.weights(samples, outputs)
            rendered = self.renderer.composite(samples, outputs, weights) if outputs.rgb is not None else None
            levels.append(Level(samples, outputs, weights, rendered))

        behind = None
        if self.background is not None and self.crop is None:
            if stop_early:
                background = self._visible_behind(rays, levels[-1], background)
            else:
                behind = self.background.trace(self._rays_behind(rays), background)
                background = behind.rendered.rgb
        levels = [on_background(level, background) for level in levels]

        last = levels[-1].rendered
        if last is None:
            raise UsageError(
                "the field of the last level returns no color", path="field", hint="Choose a field that returns rgb"
            )
        n_samples = sum(level.samples.n for level in levels) + (behind.n_samples if behind else 0)
        return ModelOutputs(last, tuple(levels), behind, n_samples)

    def _visible_behind(self, rays: RayBundle, last: Level, background: Tensor | None) -> Tensor:
        """Return the colors [R, 3] behind the foreground. They are 0 where an opaque ray hides the background."""
        assert self.background is not None
        transmitted = 1.0 - segments.sum(last.weights, last.samples.layout)
        seen = (~(transmitted <= self.sampler.early_stop_eps)).nonzero()[:, 0]
        colors = None if background is None else background[seen]
        rendered = self.background.trace(self._rays_behind(rays)[seen], colors, stop_early=True).rendered
        assert rendered.rgb is not None
        return rendered.rgb.new_zeros(len(rays), 3).index_copy(0, seen, rendered.rgb)

    def _evaluated(self, field: Field, samples: RaySamples) -> FieldOutputs:
        """Return the outputs of a field at samples. If there is a crop, the space outside it is empty."""
        outputs: FieldOutputs = field(samples)
        return outputs if self.crop is None else self.crop.applied(outputs, samples.positions())

    def _rays_behind(self, rays: RayBundle) -> RayBundle:
        """Return the part of each ray between the end of the foreground and the far limit."""
        _, end = self.sampler.extent(rays)
        return dataclasses.replace(rays, near=end, far=torch.maximum(rays.far, end))

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        """Render a view, as `Model.render` describes. Depths are distances in the scene, even if the scene uses NDC.

        Raises:
            ValueError: the model was built without a `space`.
        """
        space = self.space
        if space is None:
            raise ValueError("this model was built without a scene; make the rays and call render_rays")
        n, device = view.camera.width * view.camera.height, device_of(self)
        colors = None if background is None else background.to(device).expand(n, 3)
        pieces = []
        with _evaluating(self):
            for start in range(0, n, chunk):
                stop = min(start + chunk, n)
                rays = view_rays(space, view, start, stop, device)
                colored = None if colors is None else colors[start:stop]
                rendered = with_median_depth(self.trace(rays, colored, stop_early=True).levels[-1])
                pieces.append(with_scene_depths(rendered, space, view, rays))
                if progress is not None:
                    progress(stop, n)
        return concatenated(pieces)

    def render_rays(self, rays: RayBundle, background: Tensor | None = None, chunk: int = 4096) -> Rendered:
        """Render rays, as `Model.render_rays` describes."""
        n = len(rays)
        colors = None if background is None else background.to(device_of(self)).expand(n, 3)
        pieces = []
        with _evaluating(self):
            for start in range(0, max(n, 1), chunk):
                some = slice(start, start + chunk)
                colored = None if colors is None else colors[some]
                pieces.append(self.trace(rays[some], colored, stop_early=True).rendered)
        return concatenated(pieces)

    def part_losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Collect the losses of all parts by name. If two parts use the same name, the second loss is called
        "path.name".

        A field and its children receive only the levels on which the field was evaluated, so that no level counts
        twice. The background model receives its own outputs. Its losses are called "background.name".
        """
        field_of_part = {module: field for field in self._all_fields() for module in field.modules()}
        losses: dict[str, Tensor] = {}
        for path, part in self.parts():
            seen = outputs
            if part in field_of_part:
                levels = [lv for i, lv in enumerate(outputs.levels) if self.field_of(i) is field_of_part[part]]
                seen = dataclasses.replace(outputs, levels=tuple(levels))
            for name, loss in part.losses(seen, batch, step).items():
                losses[name if name not in losses else f"{path}.{name}"] = loss
        if self.background is not None and outputs.background is not None:
            behind = self.background.part_losses(outputs.background, batch, step)
            losses |= {f"background.{name}": loss for name, loss in behind.items()}
        return losses

    def part_scalars(self) -> dict[str, Tensor]:
        """Collect the scalars of all parts by name. The names follow the same rules as in `part_losses`."""
        scalars = super().part_scalars()
        if self.background is not None:
            scalars |= {f"background.{name}": value for name, value in self.background.part_scalars().items()}
        return scalars

    def _all_fields(self) -> list[Field]:
        return [*self.sampler.own_fields.values(), *(cast(Field, field) for field in self.fields)]

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Iterate over the parts of this model, each once, as (path, part). Skip the background model's parts."""
        return ((path, part) for path, part in super().parts() if not path.startswith("background."))


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Inside the `with` block, put a model in evaluation mode and disable gradients."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def build_context(scene: Scene, run: RunConfig) -> BuildContext:
    """Return the context that the constructors of a run's parts receive."""
    return BuildContext(
        bounds=warped_box(scene) if scene.ndc else scene.box,
        n_images=len(scene.cameras),
        has_masks=scene.masks is not None and scene.masks_mean == "object",
        has_alpha=scene.images.channels == 4,
        ndc=scene.ndc,
        max_steps=run.trainer.max_steps,
        run=run,
        space=RaySpace.of(scene),
        cameras=scene.cameras,
        points=scene.points,
        point_colors=scene.point_colors,
        make_loop=level_loop,
    )


def build_model(method: Method, context: BuildContext) -> Model:
    """Build the model of a run's method, with the parts that the run adds to it.

    These are the ray transform, `ray_transform`, the color map, `color_map`, and the losses, in the submodule `added`.
    They are part of the model, so that checkpoints contain their parameters.

    Raises:
        UsageError: the run has a ray transform, but its rays are in NDC.
    """
    model, run = method.build(context), context.run
    if not isinstance(model, Model):
        message = f"{type(method).__name__}.build returns {type(model).__name__}, which does not derive from Model"
        raise PluginError(message, hint="Derive the model from radfield_core.Model, and call super().__init__()")
    if run is not None and run.rays is not None:
        if context.ndc:
            message = f"rays {run.rays.name!r} corrects cameras, which is impossible for rays in NDC"
            raise UsageError(message, path="rays", hint="Set data.ndc=false, or rays=none")
        model.ray_transform, model.training_cameras = context.ray_transform(run.rays), context.cameras
    if run is not None and run.color is not None:
        model.color_map = context.color(run.color)
        model.color_map.keeps_background = context.has_alpha
    losses = {} if run is None else {name: context.loss(choice) for name, choice in run.losses.items()}
    if losses:
        model.added = nn.ModuleDict(losses)
    return model


def added_losses(model: Model) -> dict[str, Loss]:
    """Return a dictionary: name -> loss, for all losses that the run adds to those of its method."""
    return {name: cast(Loss, loss) for name, loss in getattr(model, "added", nn.ModuleDict()).items()}


def level_loop(ctx: BuildContext, n_fields: int, coarse_field: Choice | None = None) -> LevelLoop:
    """Build the model from the parts that the config selects, as `BuildContext.level_loop` describes."""
    run = ctx.run
    if run is None:
        raise ValueError("level_loop needs the context of a training run, and this one has none")

    def stack(slots: RunConfig | BackgroundConfig, n: int, behind: LevelLoop | None) -> LevelLoop:
        if slots.sampler is None or slots.field is None or run.renderer is None:
            raise PluginError(
                "builds core's ray-marching model, but declares that it does not use the slots of this model",
                path=f"{run.method.component.key} ({run.method.component.distribution})",
                hint='Declare slots with "field", "sampler" and "renderer", or none of them and build another model',
            )
        sampler, renderer, chosen = ctx.sampler(slots.sampler), ctx.renderer(run.renderer), slots.field
        n = max(1, min(n, sampler.n_levels - len(sampler.own_fields)))
        if coarse_field is not None and slots is run and n == 1:
            message = f"sampler {slots.sampler.name!r} makes one level, which has no coarse field"
            hint = "Set sampler.n_importance above 0, or method.coarse_field=none"
            raise UsageError(message, path="method.coarse_field", hint=hint)
        coarse = coarse_field if coarse_field is not None and slots is run else chosen
        fields = [ctx.field(coarse if index < n - 1 else chosen) for index in range(n)]
        return LevelLoop(fields, sampler, renderer, behind, ctx.space)

    return stack(run, n_fields, None if run.background is None else stack(run.background, 1, None))
