"""The level loop against nested loops, closed forms and its contract with parts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfield_core.cameras import Camera, Cameras, View
from radfield_core.config.run import BackgroundConfig, RunConfig, TrainerConfig
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.interfaces import BuildContext, Field, Part, Sampler
from radfield_core.model import LevelLoop, build_context, level_loop
from radfield_core.ops.ndc import Ndc
from radfield_core.rays import RaySpace, view_rays
from radfield_core.testing.toys import (
    BlobField,
    ConstantField,
    ProposalSampler,
    RaggedSampler,
    SphereField,
    importance_sampler,
    toy_rays,
    volume_renderer,
)
from radfield_core.types import Batch, FieldOutputs, ModelOutputs, RayBundle, RaySamples, SceneBox, Step

STEP = Step(3, 10, 0)


def begun(model: LevelLoop) -> LevelLoop:
    model.begin_step(STEP)
    return model


def loop_render(
    densities: list[float], colors: list[np.ndarray], t: list[float], far: float
) -> tuple[np.ndarray, list[float]]:
    """NeRF, equation 3, one sample at a time, with an endless last interval."""
    seen, pixel, weights = 1.0, np.zeros(3), []
    for i, (density, color) in enumerate(zip(densities, colors, strict=True)):
        alpha = 1 - math.exp(-density * (t[i + 1] - t[i] if i + 1 < len(t) else 1e10))
        weights.append(seen * alpha)
        pixel = pixel + weights[-1] * color
        seen *= 1 - alpha
    return pixel, weights


def blob_at(field: BlobField, x: np.ndarray, viewdir: np.ndarray) -> tuple[float, np.ndarray]:
    center, tint = field.center.detach().double().numpy(), field.tint.detach().double().numpy()  # type: ignore[union-attr]
    density = field.peak.item() * math.exp(-np.sum((x - center) ** 2) / (2 * field.size**2))
    return density, 1 / (1 + np.exp(-(x + 0.3 * viewdir + tint)))


def test_two_levels_with_two_fields_equal_nested_loops() -> None:
    fields, rays = [BlobField(0.5, 0.6), BlobField(2.0, 0.4)], toy_rays(4, dtype=torch.float64)
    model = LevelLoop(fields, importance_sampler(12, 9), volume_renderer(opaque_far=True)).eval()
    white = torch.ones(4, 3, dtype=torch.float64)
    with torch.no_grad():
        outputs = model.trace(rays, white)
    assert outputs.n_samples == 4 * 12 + 4 * 21
    for ray in range(4):
        origin, direction = rays.origins[ray].numpy(), rays.directions[ray].numpy()
        for level, field in zip(outputs.levels, fields, strict=True):
            t = level.samples.dense(level.samples.t_eval)[ray].tolist()
            asked = [blob_at(field, origin + ti * direction, direction) for ti in t]
            pixel, weights = loop_render([d for d, _ in asked], [c for _, c in asked], t, 6.0)
            np.testing.assert_allclose(level.samples.dense(level.weights)[ray], weights, atol=1e-7)
            np.testing.assert_allclose(level.rendered.rgb[ray], pixel + 1 - sum(weights), atol=1e-7)
            np.testing.assert_allclose(level.rendered.opacity[ray], sum(weights), atol=1e-7)
            np.testing.assert_allclose(level.rendered.depth[ray], np.dot(weights, t), atol=1e-6)
    assert outputs.rendered is outputs.levels[-1].rendered


def optical_depth(field: BlobField, rays: RayBundle) -> Tensor:
    """∫ σ dt [R] through a Gaussian: a s √(π/2) exp(−b² / 2 s²) (erf … − erf …) with b the closest approach."""
    offset = rays.origins - field.center.to(rays.origins)
    t_closest = -(offset * rays.directions).sum(-1)
    squared = (offset + t_closest[:, None] * rays.directions).square().sum(-1)
    scale = math.sqrt(2.0) * field.size
    span = torch.erf((rays.far - t_closest) / scale) - torch.erf((rays.near - t_closest) / scale)
    peak = field.peak.to(rays.origins) * field.size * math.sqrt(math.pi / 2)
    return peak * torch.exp(-squared / scale**2) * span


def test_opacity_comes_near_the_closed_form_as_samples_get_denser() -> None:
    field, rays = BlobField(), toy_rays(20, dtype=torch.float64)
    exact = 1 - torch.exp(-optical_depth(field, rays))
    errors = []
    for n in (50, 100, 200):
        with torch.no_grad():
            found = LevelLoop([field], importance_sampler(n), volume_renderer()).eval().trace(rays).rendered.opacity
        errors.append((found - exact).abs().max().item())
    assert errors[2] < 1e-3 and errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("sampler", [RaggedSampler((5, 8, 1)), importance_sampler(9)])
def test_a_constant_density_has_the_closed_form_in_both_layouts(sampler: Sampler) -> None:
    rays = toy_rays(6, dtype=torch.float64)
    model = begun(LevelLoop([ConstantField(0.3)], sampler, volume_renderer()))
    length = (
        4.0 if isinstance(sampler, RaggedSampler) else (rays.far - model.trace(rays).levels[0].samples.edges()[:, 0])
    )
    opacity = 1 - torch.exp(-0.3 * torch.as_tensor(length, dtype=torch.float64).expand(6))
    model.begin_step(STEP)
    rendered = model.trace(rays, torch.ones(6, 3)).rendered
    torch.testing.assert_close(rendered.opacity, opacity, rtol=1e-6, atol=0)
    expected = opacity[:, None] * torch.tensor([0.2, 0.4, 0.6]) + (1 - opacity[:, None])
    torch.testing.assert_close(rendered.rgb, expected, rtol=1e-6, atol=0)


def test_alpha_fields_render_with_their_own_opacity() -> None:
    model, rays = LevelLoop([SphereField()], RaggedSampler((40,)), volume_renderer()), toy_rays(3, dtype=torch.float64)
    outputs = model.trace(rays)
    alpha = outputs.levels[0].outputs.alpha.view(3, 40).tolist()
    normals = outputs.levels[0].outputs.normals.view(3, 40, 3).detach().numpy()
    for ray in range(3):
        seen, total, normal = 1.0, 0.0, np.zeros(3)
        for a, n in zip(alpha[ray], normals[ray], strict=True):
            total, normal, seen = total + seen * a, normal + seen * a * n, seen * (1 - a)
        assert outputs.rendered.opacity[ray].item() == pytest.approx(total, abs=1e-9)
        np.testing.assert_allclose(outputs.rendered.normals[ray].detach(), normal, atol=1e-9)


def test_levels_use_the_samplers_own_fields_then_the_next_then_the_last() -> None:
    first, second = BlobField(), BlobField()
    many = importance_sampler(8, 4)
    many.n_levels = 3
    model = LevelLoop([first, second], many, volume_renderer())
    assert [model.field_of(level) for level in range(3)] == [first, second, second] and model.main_field is second
    proposal = ProposalSampler()
    proposal.n_levels = 3
    model = LevelLoop([first, second], proposal, volume_renderer())
    assert [model.field_of(level) for level in range(3)] == [proposal.proposal, first, second]


def test_a_level_without_color_is_not_composited_and_the_last_must_have_one() -> None:
    outputs = LevelLoop([BlobField()], ProposalSampler(), volume_renderer()).trace(toy_rays(3))
    assert outputs.levels[0].rendered is None and outputs.levels[1].rendered is outputs.rendered
    with pytest.raises(UsageError, match="no color"):
        LevelLoop([BlobField(colored=False)], importance_sampler(4).eval(), volume_renderer()).eval().trace(toy_rays(3))


def test_floating_extras_of_a_field_are_composited() -> None:
    class Marked(ConstantField):
        def forward(self, samples: RaySamples) -> FieldOutputs:
            t = samples.t_eval
            extras = {"toy.t2": torch.stack([t, 2 * t], 1), "toy.count": samples.ray_indices}
            return dataclasses.replace(super().forward(samples), extras=extras)

    rendered = LevelLoop([Marked()], RaggedSampler((4, 0)), volume_renderer()).trace(toy_rays(4)).rendered
    assert set(rendered.extras) == {"toy.t2"}
    torch.testing.assert_close(rendered.extras["toy.t2"], torch.stack([rendered.depth, 2 * rendered.depth], 1))


class Beyond(Sampler):
    """Ten even intervals from near to ten units past it."""

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        return RaySamples.from_edges(rays, rays.near[:, None] + torch.linspace(0, 10, 11, dtype=rays.near.dtype))


class Short(Sampler):
    """One interval of three units from near, whatever the data's far limit."""

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        return rays.near, rays.near + 3.0

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        return RaySamples.from_edges(rays, torch.stack(self.extent(rays), 1))


def test_a_background_begins_where_the_foreground_ends_and_fills_what_it_leaves() -> None:
    rays = toy_rays(5, dtype=torch.float64)
    behind = LevelLoop([ConstantField(0.1, (0.9, 0.1, 0.5))], Beyond(), volume_renderer())
    model = LevelLoop([ConstantField(0.4)], Short(), volume_renderer(), behind)
    outputs = model.trace(rays, torch.ones(5, 3))
    a, b = 1 - math.exp(-0.4 * 3.0), 1 - math.exp(-0.1 * 10.0)
    front, back, white = (torch.tensor(c, dtype=torch.float64) for c in ([0.2, 0.4, 0.6], [0.9, 0.1, 0.5], [1.0, 1, 1]))
    expected = a * front + (1 - a) * (b * back + (1 - b) * white)
    torch.testing.assert_close(outputs.rendered.rgb, expected.expand(5, 3), rtol=1e-6, atol=0)
    assert outputs.background is not None and outputs.n_samples == 5 + 50
    begins = outputs.background.levels[0].samples.edges()[:, 0]
    torch.testing.assert_close(begins, rays.near + 3.0)
    torch.testing.assert_close(outputs.rendered.opacity, torch.full((5,), a, dtype=torch.float64))
    without = model.trace(rays).rendered.rgb
    torch.testing.assert_close(without, (a * front + (1 - a) * b * back).expand(5, 3), rtol=1e-6, atol=0)


class Whole(Sampler):
    """One interval from near to far."""

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        return RaySamples.from_edges(rays, torch.stack([rays.near, rays.far], 1))


@pytest.mark.parametrize(("far", "length"), [(9.0, 4.0), (5.0, 0.0), (3.0, 0.0)])
def test_a_background_ends_at_the_datas_far_limit_and_never_before_it_begins(far: float, length: float) -> None:
    rays = dataclasses.replace(toy_rays(5, dtype=torch.float64), far=torch.full((5,), far, dtype=torch.float64))
    behind = LevelLoop([ConstantField(0.1)], Whole(), volume_renderer())
    outputs = LevelLoop([ConstantField(0.4)], Short(), volume_renderer(), behind).trace(rays)
    assert outputs.background is not None
    opacity = torch.full((5,), 1 - math.exp(-0.1 * length), dtype=torch.float64)
    torch.testing.assert_close(outputs.background.rendered.opacity, opacity)


class Boxed(Sampler):
    """One interval where rays cross a box, as sampler:occupancy narrows them."""

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        enter, leave = SceneBox(torch.zeros(3), 1.0).intersect(rays)
        near = torch.maximum(rays.near, enter)
        return near, torch.maximum(torch.minimum(rays.far, leave), near)

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        return RaySamples.from_edges(rays, torch.stack(self.extent(rays), 1))


def test_a_ray_that_misses_the_foregrounds_box_sees_the_whole_background() -> None:
    origins = torch.tensor([[0, 0, 4.0], [0, 0, 4], [-5, 0, 0], [5, 0, 0], [0, 0, 4]], dtype=torch.float64)
    along = torch.tensor([[0, 0, -1.0], [0.9, 0.1, -0.4], [0, 0, 1], [0, 0, 1], [0, 0, 1]], dtype=torch.float64)
    along = nn.functional.normalize(along, dim=-1)
    near = torch.full((5,), 2.0, dtype=torch.float64)
    rays = RayBundle(origins, along, along, near, 3 * near, 0 * near)
    behind = LevelLoop([ConstantField(0.1)], Whole(), volume_renderer())
    outputs = LevelLoop([ConstantField(0.4)], Boxed(), volume_renderer(), behind).trace(rays)
    assert outputs.background is not None
    lengths = torch.tensor([1.0, 4.0, 4.0, 4.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(outputs.background.rendered.opacity, 1 - (-0.1 * lengths).exp())
    torch.testing.assert_close(outputs.rendered.opacity[1:], torch.zeros(4, dtype=torch.float64))


def test_an_opaque_far_end_with_a_background_is_refused() -> None:
    with pytest.raises(UsageError, match="invisible"):
        LevelLoop(
            [ConstantField()],
            Short(),
            volume_renderer(opaque_far=True),
            LevelLoop([ConstantField()], Beyond(), volume_renderer()),
        )


class Diary(ConstantField):
    """Writes down when its turn comes to begin a step, and holds another part."""

    def __init__(self, diary: list[str], name: str, child: Part | None = None):
        super().__init__()
        self.diary, self.name, self.child = diary, name, child

    def begin_step(self, step: Step) -> None:
        self.diary.append(self.name)


def test_begin_step_reaches_every_part_once_and_children_first() -> None:
    diary: list[str] = []
    shared = Diary(diary, "shared")
    inner = Diary(diary, "inner", shared)
    nested = Diary(diary, "outer", inner)
    nested.boxed = nn.ModuleList([nn.Sequential(Diary(diary, "boxed"))])
    behind = LevelLoop([Diary(diary, "behind")], Beyond(), volume_renderer())
    LevelLoop([nested, Diary(diary, "second", shared)], importance_sampler(4), volume_renderer(), behind).begin_step(
        STEP
    )
    assert sorted(diary) == ["behind", "boxed", "inner", "outer", "second", "shared"]
    assert diary.index("shared") < diary.index("inner") < diary.index("outer") > diary.index("boxed")


class Grid(Sampler):
    """Remembers what it was refreshed with."""

    seen: tuple[int, Field, bool] | None = None

    def refresh(self, step: Step, field: Field) -> None:
        self.seen = (step.index, field, torch.is_grad_enabled())

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        raise AssertionError


def test_refresh_hands_each_stack_its_main_field_without_gradients() -> None:
    grids, fields = [Grid(), Grid()], [ConstantField(), ConstantField(), ConstantField()]
    LevelLoop(fields[:2], grids[0], volume_renderer(), LevelLoop(fields[2:], grids[1], volume_renderer())).refresh(STEP)
    assert [grid.seen for grid in grids] == [(3, fields[1], False), (3, fields[2], False)]


def batch_for(rays: RayBundle) -> Batch:
    return Batch(rays, None, torch.zeros(len(rays), 3))


def test_the_losses_of_all_parts_are_collected_under_names_of_their_own() -> None:
    rays = toy_rays(4)
    fields = [SphereField(), SphereField()]
    behind = LevelLoop([SphereField()], Beyond(), volume_renderer())
    model = begun(LevelLoop(fields, importance_sampler(6, 3), volume_renderer(), behind))
    losses = model.part_losses(model.trace(rays), batch_for(rays), STEP)
    assert set(losses) == {"eikonal", "fields.1.eikonal", "background.eikonal"}
    model = LevelLoop([BlobField()], ProposalSampler(), volume_renderer())
    assert set(model.part_losses(model.trace(rays), batch_for(rays), STEP)) == {"proposal"}


def test_losses_of_a_field_see_its_own_levels_and_a_backgrounds_its_own() -> None:
    class Counting(ConstantField):
        def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
            return {"n": torch.tensor(float(sum(level.samples.n for level in outputs.levels)))}

    rays = toy_rays(2)
    behind = LevelLoop([Counting()], Beyond(), volume_renderer())
    model = begun(LevelLoop([Counting(), Counting()], importance_sampler(6, 3), volume_renderer(), behind))
    losses = model.part_losses(model.trace(rays), batch_for(rays), STEP)
    assert {name: float(loss) for name, loss in losses.items()} == {"n": 12, "fields.1.n": 18, "background.n": 20}


def test_a_view_is_rendered_as_its_rays_are_whatever_the_chunk() -> None:
    view = View(
        torch.eye(4)[:3] + torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4.0]).view(3, 4), Camera(6, 4, 8, 8, 3, 2)
    )
    model = LevelLoop([BlobField()], importance_sampler(8, 4), volume_renderer(), space=RaySpace(2.0, 6.0))
    whole = model.render(view, torch.ones(3), chunk=1000)
    pieces = model.render(view, torch.ones(3), chunk=5)
    assert whole.rgb is not None and pieces.rgb is not None and whole.rgb.shape == (24, 3)
    for name in ("rgb", "depth", "opacity"):
        torch.testing.assert_close(getattr(whole, name), getattr(pieces, name))
    assert model.training and not whole.rgb.requires_grad
    with pytest.raises(ValueError, match="without a scene"):
        LevelLoop([BlobField()], importance_sampler(8), volume_renderer()).render(view)


class Given(NamedTuple):
    """A filled slot, as far as building goes."""

    build: Callable[[Any, BuildContext], Part]
    config: Any = None

    def load(self) -> Callable[[Any, BuildContext], Part]:
        return self.build


def test_depths_of_a_view_are_distances_in_the_scene_also_under_ndc() -> None:
    """A wall across z = −5, seen from z = 0.5: distance along a ray is 5.5 over its cosine."""

    class Wall(Field):
        def forward(self, samples: RaySamples) -> FieldOutputs:
            z = samples.positions()[:, 2]
            return FieldOutputs(rgb=torch.zeros(samples.n, 3), density=1e4 * ((z > 1 - 2 / 5) & (z < 0.9)).to(z))

    c2w = torch.tensor([[1.0, 0, 0, 0.1], [0, 1, 0, 0.2], [0, 0, 1, 0.5]], dtype=torch.float64)
    view = View(c2w, Camera(6, 4, 5.0, 5.0, 3.0, 2.0))
    space = RaySpace(0.0, 1.0, warp=Ndc(2 * 5.0 / 6, 2 * 5.0 / 4))
    rendered = LevelLoop([Wall()], importance_sampler(3000), volume_renderer(), space=space).render(view)
    cosines = -view_rays(space, view).viewdirs[:, 2]
    torch.testing.assert_close(rendered.depth / rendered.opacity, 5.5 / cosines, rtol=5e-3, atol=0)
    assert rendered.median_depth is not None
    torch.testing.assert_close(rendered.median_depth, 5.5 / cosines, rtol=5e-3, atol=0)
    clear = LevelLoop([ConstantField(0.0)], importance_sampler(8), volume_renderer(), space=space).render(view)
    assert clear.depth.tolist() == [0.0] * 24
    assert clear.median_depth is not None and clear.median_depth.tolist() == [torch.inf] * 24


def test_a_model_from_slots_has_the_parts_of_the_run() -> None:
    field, sampler = (lambda peak, ctx: BlobField(peak)), (lambda n, ctx: importance_sampler(*n))
    run = RunConfig(
        method=Given(field), data=Given(field), field=Given(field, 2.0), sampler=Given(sampler, (4, 2)),
        renderer=Given(lambda _, ctx: volume_renderer()),
        background=BackgroundConfig(field=Given(field, 1.0), sampler=Given(sampler, (3, 0))),
    )  # fmt: skip
    ctx = BuildContext(SceneBox(torch.zeros(3), 1.0), run=run, space=RaySpace(2.0, 6.0))
    model = level_loop(ctx, 2)
    assert [field.peak.item() for field in model.fields] == [2.0, 2.0] and model.fields[0] is not model.fields[1]
    assert model.space is ctx.space and model.background is not None
    assert [field.peak.item() for field in model.background.fields] == [1.0]
    assert (model.sampler.n_levels, model.background.sampler.n_levels) == (2, 1)


@pytest.mark.parametrize("ndc", [False, True])
def test_the_context_says_what_fields_live_in(ndc: bool) -> None:
    c2w = torch.eye(4, dtype=torch.float64)[:3].expand(2, 3, 4)
    images = MemoryImages(torch.zeros(2, 4, 6, 1, dtype=torch.uint8))
    scene = Scene(Cameras.pinhole(c2w, 8.0, 6, 4), images, 0.0, 1.0, SceneBox(torch.zeros(3), 9.0), images, ndc=ndc)
    slots = {name: Given(BlobField) for name in ("method", "data", "field", "sampler", "renderer")}
    run = RunConfig(**slots, trainer=TrainerConfig(max_steps=7))
    ctx = build_context(scene, run)
    assert (ctx.n_images, ctx.has_masks, ctx.ndc, ctx.max_steps, ctx.run) == (2, True, ndc, 7, run)
    assert ctx.bounds.radius == pytest.approx(1.0 if ndc else 9.0)
    assert ctx.space is not None and (ctx.space.warp is not None) == ndc
