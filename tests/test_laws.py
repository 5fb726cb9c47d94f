"""The laws of the level loop that no part may break, each shown on toy parts."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from radfield_core.interfaces import Field, Sampler
from radfield_core.model import LevelLoop
from radfield_core.ops.layout import LayoutError, Packing
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
from radfield_core.types import Batch, RayBundle, RaySamples, Step

STEP = Step(3, 10, 0)
SAMPLERS = {
    "importance": lambda: importance_sampler(8, 6),
    "packed": RaggedSampler,
    "proposal": ProposalSampler,
    "nothing": lambda: RaggedSampler((0,)),
}
FIELDS = {"density": BlobField, "alpha": SphereField}


def begun(field: Field, sampler: Sampler, opaque_far: bool = False) -> LevelLoop:
    model = LevelLoop([field], sampler, volume_renderer(opaque_far))
    model.begin_step(STEP)
    return model


def loss_of(model: LevelLoop, rays: RayBundle) -> torch.Tensor:
    """A photometric loss and everything the parts add."""
    outputs = model.trace(rays, torch.ones(len(rays), 3))
    batch = Batch(rays, None, torch.zeros(len(rays), 3))
    photometric = outputs.rendered.rgb.square().sum() / max(len(rays), 1)
    return photometric + sum(model.part_losses(outputs, batch, STEP).values(), torch.zeros(()))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("n", [5, 0])
def test_the_loop_takes_no_rays_and_no_samples_and_gives_finite_gradients(sampler: str, field: str, n: int) -> None:
    model = begun(FIELDS[field](), SAMPLERS[sampler]())
    loss = loss_of(model, toy_rays(n))
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all()), name


@pytest.mark.parametrize("field", FIELDS)
def test_a_ray_without_samples_shows_the_background_and_nothing_else(field: str) -> None:
    outputs = begun(FIELDS[field](), RaggedSampler((0, 9))).trace(toy_rays(4), torch.full((4, 3), 0.25))
    assert outputs.rendered.opacity[::2].tolist() == [0, 0] and outputs.rendered.depth[::2].tolist() == [0, 0]
    assert outputs.rendered.rgb[::2].tolist() == [[0.25] * 3] * 2


@pytest.mark.parametrize("sampler", ["importance", "packed", "proposal"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_parameter_that_a_part_brings_is_trained_by_the_loss_it_brings(sampler: str, field: str) -> None:
    """Without the parts' own losses a proposal's field never moves, and a distance is never made one."""
    model = begun(FIELDS[field](), SAMPLERS[sampler]())
    loss_of(model, toy_rays(16)).backward()
    if sampler == "proposal":
        assert all(float(p.grad.abs().sum()) > 0 for p in model.sampler.parameters() if p.grad is not None)
        assert all(p.grad is not None for p in model.sampler.parameters())
    if field == "alpha":
        rays = toy_rays(16)
        losses = model.part_losses(model.trace(rays), Batch(rays, None, torch.zeros(16, 3)), STEP)
        assert losses["eikonal"].item() == pytest.approx(0.1**2, rel=1e-4)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("opaque_far", [False, True])
def test_intervals_end_at_the_far_limit_also_with_an_opaque_far_end(field: str, opaque_far: bool) -> None:
    rays = toy_rays(6)
    outputs = begun(FIELDS[field](), importance_sampler(8, 6), opaque_far).trace(rays)
    for level in outputs.levels:
        assert float(level.samples.t_ends.max()) <= 6.0 and bool((level.samples.lengths >= 0).all())
        assert level.rendered.depth.max().item() <= 6.0
        mean, cov = level.samples.gaussians()
        assert bool(torch.isfinite(mean).all() and torch.isfinite(cov).all())


def test_an_opaque_far_end_stops_all_light_in_the_weights() -> None:
    rays = toy_rays(6)
    thin = ConstantField(0.01)
    opaque, clear = (
        begun(thin, importance_sampler(8).eval(), far).trace(rays).rendered.opacity for far in (True, False)
    )
    torch.testing.assert_close(opaque, torch.ones(6))
    torch.testing.assert_close(clear, 1 - torch.exp(torch.full((6,), -0.04)))


@pytest.mark.parametrize("field", FIELDS)
def test_an_empty_interval_has_no_opacity(field: str) -> None:
    class Twice(Sampler):
        def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
            return RaySamples.from_edges(rays, torch.tensor([2.0, 3.0, 3.0, 4.0, 4.0]).expand(len(rays), 5))

    class Opaque(ConstantField):
        def forward(self, samples: RaySamples):  # type: ignore[no-untyped-def]
            outputs = super().forward(samples)
            return dataclasses.replace(outputs, density=None, alpha=torch.full_like(samples.t_eval, 0.5))

    model = begun(Opaque() if field == "alpha" else ConstantField(2.0), Twice())
    weights = model.trace(toy_rays(3)).levels[0].samples.dense(model.trace(toy_rays(3)).levels[0].weights)
    assert bool((weights[:, [1, 3]] == 0).all()) and bool((weights[:, [0, 2]] > 0).all())


def test_dense_views_of_packed_samples_are_refused_even_if_sizes_fit() -> None:
    rays = toy_rays(2)
    packing = Packing.from_counts(torch.tensor([3, 1]))
    samples = RaySamples.packed(rays, torch.zeros(4), torch.ones(4), packing)
    with pytest.raises(LayoutError):
        samples.dense(samples.t_eval)
    with pytest.raises(LayoutError):
        samples.edges()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("field", FIELDS)
def test_float64_rays_stay_float64_and_half_precision_fields_are_widened(sampler: str, field: str) -> None:
    model = begun(FIELDS[field]().double(), SAMPLERS[sampler]())
    outputs = model.trace(toy_rays(5, dtype=torch.float64), torch.ones(5, 3))
    for level in outputs.levels:
        tensors = [level.samples.t_starts, level.samples.positions(), *level.samples.gaussians(), level.weights]
        assert {tensor.dtype for tensor in tensors} == {torch.float64}
    rendered = outputs.rendered
    assert {rendered.rgb.dtype, rendered.depth.dtype, rendered.opacity.dtype} == {torch.float64}

    class Half(nn.Module):
        def __init__(self, inner: Field):
            super().__init__()
            self.inner = inner

        def forward(self, samples: RaySamples):  # type: ignore[no-untyped-def]
            found = self.inner(samples)
            halves = {
                k: v.to(torch.bfloat16) for k in ("rgb", "density", "alpha") if (v := getattr(found, k)) is not None
            }
            return dataclasses.replace(found, **halves)

    half = begun(Half(FIELDS[field]()), SAMPLERS[sampler]()).trace(toy_rays(5))  # type: ignore[arg-type]
    assert half.levels[-1].weights.dtype == torch.float32 and half.rendered.rgb.dtype == torch.float32


def test_gradients_by_position_are_there_in_evaluation_and_leave_no_graph() -> None:
    model, rays = begun(SphereField(), RaggedSampler((9,))).eval(), toy_rays(4)
    trained = model.trace(rays)
    with torch.no_grad():
        evaluated = model.trace(rays)
    torch.testing.assert_close(evaluated.rendered.normals, trained.rendered.normals)
    assert trained.rendered.normals.requires_grad and not evaluated.rendered.normals.requires_grad
    radial = nn.functional.normalize(evaluated.levels[0].samples.positions(), dim=-1)
    torch.testing.assert_close(evaluated.levels[0].outputs.normals, radial)
    torch.testing.assert_close(model.render_rays(rays).normals, evaluated.rendered.normals)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("chunk", [1, 4, 11, 100])
def test_evaluation_in_chunks_equals_the_whole(sampler: str, field: str, chunk: int) -> None:
    model, rays = begun(FIELDS[field](), SAMPLERS[sampler]()), toy_rays(11)
    colors = torch.rand(11, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model.eval().trace(rays, colors).rendered
    dealt = 4 if sampler == "packed" else 1  # the packed toy deals its counts anew with every four rays
    pieces = model.render_rays(rays, colors, chunk * dealt)
    for name in ("rgb", "depth", "opacity"):
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name))
    assert (pieces.normals is None) == (field == "density")


@pytest.mark.parametrize("sampler", ["importance", "packed", "proposal"])
@pytest.mark.parametrize("field", FIELDS)
def test_gradients_by_rays_equal_finite_differences(sampler: str, field: str) -> None:
    """Samples are fixed by limits, so moving a ray moves its points; float64 keeps the differences meaningful."""
    model = begun(FIELDS[field]().double(), SAMPLERS[sampler]()).eval()
    rays = toy_rays(4, dtype=torch.float64)
    with torch.no_grad():
        frozen = [level.samples for level in model.trace(rays).levels]

    class Fixed(Sampler):
        def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
            return dataclasses.replace(frozen[level], rays=rays)

    fixed = Fixed()
    fixed.n_levels = len(frozen)
    model.sampler, proposal = fixed, model.sampler
    fixed.own_fields = proposal.own_fields

    def pixels(origins: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        moved = dataclasses.replace(rays, origins=origins, directions=directions, viewdirs=directions)
        rendered = model.trace(moved, torch.ones(4, 3)).rendered
        return rendered.rgb, rendered.depth

    inputs = (rays.origins.clone().requires_grad_(), rays.directions.clone().requires_grad_())
    assert torch.autograd.gradcheck(pixels, inputs)


def test_per_ray_values_reach_samples_in_order_and_carry_gradients() -> None:
    for sampler, counts in ((RaggedSampler((2, 0, 3)), [2, 0, 3]), (importance_sampler(4).eval(), [4, 4, 4])):
        samples = sampler.propose(toy_rays(3), 0, None, BlobField())
        per_ray = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        spread = samples.per_sample(per_ray)
        assert spread.tolist() == [v for v, n in zip((1.0, 2.0, 3.0), counts, strict=True) for _ in range(n)]
        spread.sum().backward()
        assert per_ray.grad is not None and per_ray.grad.tolist() == [float(n) for n in counts]


def test_sampling_carries_no_gradient() -> None:
    rays = toy_rays(3)
    rays = dataclasses.replace(rays, near=rays.near.requires_grad_())
    outputs = begun(BlobField(), importance_sampler(8, 6)).trace(rays)
    assert not any(level.samples.t_eval.requires_grad or level.samples.t_ends.requires_grad for level in outputs.levels)
