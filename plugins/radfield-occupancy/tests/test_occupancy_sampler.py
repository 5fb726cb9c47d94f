"""sampler:occupancy: extent, random numbers, grid updates, early stop, and state."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_occupancy.config import OccupancyConfig
from radfield_occupancy.sampler import OccupancySampler

from radfield_core import (
    BuildContext,
    DensityOccupancy,
    Field,
    FieldOutputs,
    RayBundle,
    RaySamples,
    SceneBox,
    Step,
    UsageError,
)
from radfield_core.ops import segments, volume

CTX = BuildContext(bounds=SceneBox(torch.tensor([0.1, 0.0, -0.1]), 1.5))


class Ball(DensityOccupancy):
    """A ball of constant density around the origin."""

    def __init__(self, radius: float = 0.5, density: float = 50.0):
        self.radius, self.value, self.n_points = radius, density, 0

    def density(self, x: torch.Tensor, cov: torch.Tensor | None = None) -> torch.Tensor:
        self.n_points += len(x)
        return self.value * (x.norm(dim=-1) < self.radius).to(x.dtype)


def sampler(**options: object) -> OccupancySampler:
    return OccupancySampler(OccupancyConfig(**{"resolution": 32, "num_samples": 256, **options}), CTX)


def rays(n: int, near: float = 0.0, far: float = 100.0, seed: int = 0) -> RayBundle:
    generator = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1) * 4
    target = (torch.rand(n, 3, generator=generator) - 0.5) * 0.8
    directions = torch.nn.functional.normalize(target - origins, dim=-1)
    return RayBundle(origins, directions, directions, torch.full((n,), near), torch.full((n,), far), torch.zeros(n))


def train(part: OccupancySampler, field: Ball, steps: int, start: int = 0) -> None:
    for index in range(start, start + steps):
        step = Step(index, 1000, 3)
        part.begin_step(step)
        part.refresh(step, field)


def test_before_the_first_update_every_step_in_the_box_is_sampled() -> None:
    part, bundle = sampler(early_stop="never").eval(), rays(50)
    samples = part.propose(bundle, 0, None, Ball())
    near, far = part.extent(bundle)
    torch.testing.assert_close(segments.sum(samples.lengths, samples.layout), far - near)
    step = 2 * math.sqrt(3) * 1.5 / 256
    assert part.step == pytest.approx(step) and samples.lengths.max() < step * 1.001


def test_near_and_far_are_clipped_to_the_box() -> None:
    part = sampler()
    near, far = part.extent(rays(20, near=3.0, far=4.5))
    assert near.min() >= 3.0 and far.max() <= 4.5
    origins = torch.tensor([[9.0, 9.0, 9.0]])
    missing = RayBundle(origins, origins / 9 / math.sqrt(3), origins, torch.zeros(1), torch.ones(1), torch.zeros(1))
    near, far = part.extent(missing)
    assert torch.equal(near, far)


def test_after_updates_the_ball_and_a_thin_shell_of_cells_are_occupied() -> None:
    part, field = sampler(warmup_steps=32), Ball()
    train(part, field, 40)
    part.eval()
    samples = part.propose(rays(200), 0, None, Ball(density=0.0))
    distance = samples.positions().norm(dim=-1)
    cell_diagonal = 3.0 / 32 * math.sqrt(3)
    assert samples.n > 0 and distance.max() < 0.5 + cell_diagonal
    everything = sampler(early_stop="never").eval().propose(rays(200), 0, None, field)
    inside = everything.positions().norm(dim=-1) < 0.5 - cell_diagonal
    kept = set(zip(samples.ray_indices.tolist(), samples.t_starts.tolist(), strict=True))
    wanted = zip(everything.ray_indices[inside].tolist(), everything.t_starts[inside].tolist(), strict=True)
    assert all(pair in kept for pair in wanted)


def test_every_sixteen_steps_all_cells_are_updated_later_only_a_part() -> None:
    part, field = sampler(warmup_steps=17, resolution=16), Ball()
    counts = []
    for index in range(49):
        train(part, field, 1, index)
        counts.append(field.n_points)
        field.n_points = 0
    occupied = int(torch.count_nonzero(part.memory >= part.memory.double().mean().clamp_max(0.01)))
    assert [i for i, n in enumerate(counts) if n] == [0, 16, 32, 48]
    assert counts[0] == counts[16] == 16**3
    assert 16**3 // 4 < counts[48] <= 16**3 // 4 + occupied + 64


def test_cells_that_became_empty_decay() -> None:
    part = sampler(warmup_steps=10_000, resolution=16)
    train(part, Ball(), 1)
    before = part.memory.clone()
    train(part, Ball(density=0.0), 1, 16)
    torch.testing.assert_close(part.memory, before * 0.95)


class OpaqueBall(Field):
    """The same ball, as a field that returns the opacity of intervals and has no density."""

    def __init__(self, density: float) -> None:
        super().__init__()
        self.ball, self.n_points = Ball(density=density), 0

    def forward(self, samples: RaySamples) -> FieldOutputs:
        self.n_points += samples.n
        return FieldOutputs(alpha=-(-self.ball.density(samples.positions()) * samples.lengths).expm1())


@pytest.mark.parametrize("field", [Ball(density=200.0), OpaqueBall(density=200.0)], ids=["density", "alpha"])
def test_early_stop_drops_only_occluded_samples_and_evaluates_fewer(field) -> None:
    bundle, parts = rays(100), [sampler(early_stop=when) for when in ("never", "always")]
    for part in parts:
        part.begin_step(Step(1, 10, 0))
    all_of_it = parts[0].propose(bundle, 0, None, field)
    field.n_points = 0
    seen = parts[1].propose(bundle, 0, None, field)
    assert 0 < seen.n < all_of_it.n and field.n_points < all_of_it.n
    density = Ball(density=200.0).density
    light = volume.transmittance_from_density(density(all_of_it.positions()), all_of_it.lengths, all_of_it.layout)
    torch.testing.assert_close(seen.t_starts, all_of_it.t_starts[light >= 1e-4])
    full = volume.weights_from_density(density(all_of_it.positions()), all_of_it.lengths, all_of_it.layout)
    part = volume.weights_from_density(density(seen.positions()), seen.lengths, seen.layout)
    torch.testing.assert_close(
        volume.opacity(part, seen.layout), volume.opacity(full, all_of_it.layout), atol=1.1e-4, rtol=0
    )


def test_early_stop_applies_as_set_and_thin_samples_are_dropped_by_threshold() -> None:
    field, bundle = Ball(), rays(20)
    for when, evaluates in (("render", False), ("always", True), ("never", False)):
        part = sampler(early_stop=when)
        part.begin_step(Step(1, 10, 0))
        field.n_points = 0
        part.propose(bundle, 0, None, field)
        assert bool(field.n_points) == evaluates
        field.n_points = 0
        part.eval().propose(bundle, 0, None, field)
        assert field.n_points == 0, "rendering stops as the model evaluates the field"
        assert part.early_stop_eps == (0.0 if when == "never" else 1e-4)
    thin = sampler(alpha_threshold=0.01).eval().propose(bundle, 0, None, field)
    assert (thin.positions().norm(dim=-1) < 0.5).all()


@pytest.mark.parametrize("when", ["render", "always"])
def test_samples_with_nan_density_are_kept(when: str) -> None:
    """If they were dropped, the loss would stay finite, and training would silently stop making progress."""
    part, bundle = sampler(early_stop=when, alpha_threshold=0.01), rays(20)
    all_of_it = sampler(early_stop="never").eval().propose(bundle, 0, None, Ball())
    if when == "always":
        part.begin_step(Step(1, 10, 0))
    else:
        part.eval()
    assert part.propose(bundle, 0, None, Ball(density=math.nan)).n >= 0.95 * all_of_it.n


def test_training_shifts_each_ray_by_less_than_a_step_and_evaluation_does_not() -> None:
    part, bundle = sampler(early_stop="never"), rays(200)
    still = sampler(early_stop="never").eval().propose(bundle, 0, None, Ball())
    part.begin_step(Step(5, 10, 0))
    moved = part.propose(bundle, 0, None, Ball())
    firsts = [s.t_starts[s.packing.offsets[:-1]] for s in (still, moved)]  # type: ignore[union-attr]
    shift = (firsts[1] - firsts[0]) / part.step
    assert shift.min() >= -1e-3 and shift.max() < 1.001 and shift.std() > 0.2
    part.begin_step(Step(5, 10, 0))
    assert torch.equal(part.propose(bundle, 0, None, Ball()).t_starts, moved.t_starts)
    with pytest.raises(RuntimeError, match="begin_step"):
        sampler().propose(bundle, 0, None, Ball())


def test_a_resumed_run_is_bit_equal() -> None:
    straight, first, second = (sampler(warmup_steps=40, resolution=16) for _ in range(3))
    train(straight, Ball(), 120)
    train(first, Ball(), 70)
    second.load_state_dict(first.state_dict())
    train(second, Ball(), 50, 70)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    bundle = rays(30)
    a, b = (part.propose(bundle, 0, None, Ball()) for part in (straight, second))
    assert torch.equal(a.t_starts, b.t_starts)


@pytest.mark.parametrize("options", [{"n_levels": 3}, {"contraction": "sphere", "cone_angle": 0.02, "step": 0.02}])
def test_large_scenes_are_sampled_beyond_the_inner_box(options: dict) -> None:
    part = sampler(early_stop="never", **options).eval()
    samples = part.propose(rays(20), 0, None, Ball())
    assert torch.isfinite(samples.t_ends).all() and (samples.t_ends >= samples.t_starts).all()
    reach = (samples.positions() - part.box.center).abs().amax(-1).max()
    assert reach > 5.0 if options.get("n_levels") == 3 else reach > 50
    train(part, Ball(), 17)
    assert part.propose(rays(20), 0, None, Ball()).n < samples.n


def test_no_rays_give_no_samples() -> None:
    for when in ("never", "render"):
        samples = sampler(early_stop=when).eval().propose(rays(5)[:0], 0, None, Ball())
        assert samples.n == 0 and samples.positions().shape == (0, 3)


def test_contradicting_options_are_all_reported_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        sampler(resolution=30, contraction="sphere", n_levels=2)
    assert [p.path for p in raised.value.problems] == ["sampler.resolution", "sampler.cone_angle", "sampler.n_levels"]


def test_a_field_without_occupancy_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="occupancy"):
        sampler().refresh(Step(0, 10, 0), object())  # type: ignore[arg-type]
