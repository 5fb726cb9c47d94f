"""The level loop: the only forward pass. Rays -> samples -> field -> weights -> pixels, level by level."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.errors import UsageError
from radfield_core.interfaces import BuildContext, Field, Model, Part, Renderer, Sampler
from radfield_core.ops.backend import device_of
from radfield_core.rays import RaySpace, view_rays, warped_box
from radfield_core.types import Batch, Level, ModelOutputs, RayBundle, Rendered, Step

if TYPE_CHECKING:
    from radfield_core.config.run import BackgroundConfig, RunConfig
    from radfield_core.data.scene import Scene
    from radfield_core.runtime.progress import ProgressCallback


class LevelLoop(Model):
    """A stack of fields, sampler and renderer, and perhaps another one behind it.

    Level l uses `sampler.own_fields[l]` if there is one, else the next of `fields`; the last of these serves all
    remaining levels. `background` is a loop of its own that begins where the foreground ends.
    """

    def __init__(
        self, fields: Sequence[Field], sampler: Sampler, renderer: Renderer, background: LevelLoop | None = None,
        space: RaySpace | None = None,
    ):  # fmt: skip
        super().__init__()
        self.fields = nn.ModuleList(fields)
        self.sampler = sampler
        self.renderer = renderer
        self.background = background
        self.space = space
        if background is not None and renderer.opaque_far:
            raise UsageError("the far end is opaque, so a background behind it is never seen",
                             path="renderer.opaque_far", hint="renderer.opaque_far=false")  # fmt: skip

    @property
    def main_field(self) -> Field:
        """The field that grids, queries and exporters use: the last."""
        return cast(Field, self.fields[-1])

    def field_of(self, level: int) -> Field:
        """The field of a level."""
        own = self.sampler.own_fields
        if level in own:
            return own[level]
        before = sum(1 for earlier in range(level) if earlier not in own)
        return cast(Field, self.fields[min(before, len(self.fields) - 1)])

    @torch.no_grad()
    def refresh(self, step: Step) -> None:
        """Bring the samplers' grids up to date."""
        self.sampler.refresh(step, self.main_field)
        if self.background is not None:
            self.background.refresh(step)

    def queries(self) -> Field:
        """Return the main field."""
        return self.main_field

    def forward(self, batch: Batch) -> ModelOutputs:
        """Render the rays of a batch on its background."""
        if batch.rays is None:
            raise TypeError("the level loop renders rays; a method that trains on images builds its own model")
        return self.trace(batch.rays, batch.background)

    def trace(self, rays: RayBundle, background: Tensor | None = None) -> ModelOutputs:
        """Render rays on the learned background, if there is one, and then on the colors `background` [R, 3]."""
        levels: list[Level] = []
        for index in range(self.sampler.n_levels):
            field = self.field_of(index)
            with torch.no_grad():
                samples = self.sampler.propose(rays, index, levels[-1] if levels else None, field)
            outputs = field(samples)
            weights = self.renderer.weights(samples, outputs)
            rendered = self.renderer.composite(samples, outputs, weights) if outputs.rgb is not None else None
            levels.append(Level(samples, outputs, weights, rendered))

        behind = None
        if self.background is not None:
            behind = self.background.trace(self._beyond(rays), background)
            background = behind.rendered.rgb
        levels = [_on_background(level, background) for level in levels]

        rendered = levels[-1].rendered
        if rendered is None:
            raise UsageError("the field of the last level gives no color", path="field", hint="a field with color")
        n_samples = sum(level.samples.n for level in levels) + (behind.n_samples if behind else 0)
        return ModelOutputs(rendered, tuple(levels), behind, n_samples)

    def _beyond(self, rays: RayBundle) -> RayBundle:
        """The same rays from the foreground's far end to the data's far limit."""
        _, end = self.sampler.extent(rays)
        return dataclasses.replace(rays, near=end, far=torch.maximum(rays.far, end))

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, report: ProgressCallback | None = None
    ) -> Rendered:
        """Pixels [H·W, ...] of a view, row by row, as in evaluation; `background` is one color [3] or [H·W, 3].

        depth is Σ w times the distance in the scene, also where t is not one (NDC). report(done, of) is called after
        each chunk with the pixels that are done and H·W.
        """
        space, device = self.space, device_of(self)
        if space is None:
            raise ValueError("this model was built without a scene; make the rays and call render_rays")

        n = view.camera.width * view.camera.height

        def piece(start: int, stop: int, colors: Tensor | None) -> Rendered:
            rays = view_rays(space, view, start, stop, device)
            rendered = self.trace(rays, colors).rendered
            mean = rendered.depth / rendered.opacity.clamp_min(torch.finfo(rendered.opacity.dtype).tiny)
            rendered = dataclasses.replace(rendered, depth=rendered.opacity * space.distances(view, rays, mean))
            if report is not None:
                report(stop, n)
            return rendered

        return self._evaluate(n, chunk, background, piece)

    def render_rays(self, rays: RayBundle, background: Tensor | None = None, chunk: int = 4096) -> Rendered:
        """Pixels [R, ...] of rays, as in evaluation, `chunk` rays at a time; `background` is [3] or [R, 3]."""
        return self._evaluate(
            len(rays), chunk, background, lambda start, stop, colors: self.trace(rays[start:stop], colors).rendered
        )

    @torch.no_grad()
    def _evaluate(
        self, n: int, chunk: int, background: Tensor | None, piece: Callable[[int, int, Tensor | None], Rendered]
    ) -> Rendered:
        """Pixels [n, ...] of all pieces start:stop, of which `background` gives the colors behind them."""
        colors = None if background is None else background.to(device_of(self)).expand(n, 3)
        was_training = self.training
        self.eval()
        try:
            spans = [(start, min(start + chunk, n)) for start in range(0, max(n, 1), chunk)]
            return _concatenated([piece(*span, None if colors is None else colors[slice(*span)]) for span in spans])
        finally:
            self.train(was_training)

    def part_losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Losses that the parts bring, by name; a name that two parts use is preceded by the part's place.

        A field and what it holds see only the levels that the field made, and a background stack its own outputs, so
        that no level is counted twice.
        """
        made_by = {module: field for field in self._all_fields() for module in field.modules()}
        losses: dict[str, Tensor] = {}
        for path, part in self.parts():
            seen = outputs
            if part in made_by:
                levels = [lv for i, lv in enumerate(outputs.levels) if self.field_of(i) is made_by[part]]
                seen = dataclasses.replace(outputs, levels=tuple(levels))
            for name, loss in part.losses(seen, batch, step).items():
                losses[name if name not in losses else f"{path}.{name}"] = loss
        if self.background is not None and outputs.background is not None:
            behind = self.background.part_losses(outputs.background, batch, step)
            losses |= {f"background.{name}": loss for name, loss in behind.items()}
        return losses

    def part_scalars(self) -> dict[str, Tensor]:
        """Collect the scalars that parts want logged, named as in `part_losses`."""
        scalars = super().part_scalars()
        if self.background is not None:
            scalars |= {f"background.{name}": value for name, value in self.background.part_scalars().items()}
        return scalars

    def _all_fields(self) -> list[Field]:
        return [*self.sampler.own_fields.values(), *(cast(Field, field) for field in self.fields)]

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Iterate over the parts of this stack, each once, with its path; the background lists its own."""
        return ((path, part) for path, part in super().parts() if not path.startswith("background."))


def _on_background(level: Level, background: Tensor | None) -> Level:
    """The level with its color on `background` [R, 3], seen through what it leaves free: C + (1 − Σ w) B."""
    rendered = level.rendered
    if rendered is None or rendered.rgb is None or background is None:
        return level
    rgb = rendered.rgb + (1.0 - rendered.opacity)[:, None] * background.to(rendered.rgb)
    return dataclasses.replace(level, rendered=dataclasses.replace(rendered, rgb=rgb))


def _concatenated(pieces: list[Rendered]) -> Rendered:
    """The pixels of all pieces."""

    def joined(parts: list[Tensor | None]) -> Tensor | None:
        tensors = [part for part in parts if part is not None]
        return torch.cat(tensors) if tensors else None

    return Rendered(
        joined([piece.rgb for piece in pieces]), torch.cat([piece.depth for piece in pieces]),
        torch.cat([piece.opacity for piece in pieces]), joined([piece.normals for piece in pieces]),
        {key: torch.cat([piece.extras[key] for piece in pieces]) for key in pieces[0].extras},
    )  # fmt: skip


def build_context(scene: Scene, run: RunConfig) -> BuildContext:
    """Return the context that the constructors of a run's parts are given."""
    return BuildContext(
        bounds=warped_box(scene) if scene.ndc else scene.box, n_images=len(scene.cameras),
        has_masks=scene.masks is not None and scene.masks_mean == "object", ndc=scene.ndc,
        max_steps=run.trainer.max_steps, run=run, space=RaySpace.of(scene), make_loop=level_loop,
    )  # fmt: skip


def level_loop(ctx: BuildContext, n_fields: int) -> LevelLoop:
    """Build the loop from the parts in the run's slots, with `n_fields` separate fields, or fewer if fewer levels need
    one."""
    run = ctx.run
    if run is None:
        raise ValueError("level_loop needs the context of a run")

    def stack(slots: RunConfig | BackgroundConfig, n: int, behind: LevelLoop | None) -> LevelLoop:
        sampler, renderer = ctx.sampler(slots.sampler), ctx.renderer(run.renderer)
        needed = sampler.n_levels - len(sampler.own_fields)
        fields = [ctx.field(slots.field) for _ in range(max(1, min(n, needed)))]
        return LevelLoop(fields, sampler, renderer, behind, ctx.space)

    return stack(run, n_fields, None if run.background is None else stack(run.background, 1, None))
