"""Marching: the definition is compared with a float64 loop over steps, and the CPU kernel equals the definition bit for
bit."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from radfield_occupancy.grid import pack
from radfield_occupancy.march import Grid, StepLengths, march

from radfield_core import RayBundle, SceneBox
from radfield_core.ops import using

CENTER = (0.1, -0.2, 0.05)
RADIUS = 1.3


def make_grid(share: float, n: int = 16, levels: int = 1, contracted: bool = False, seed: int = 0) -> Grid:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(levels, n // 8, n // 8, n // 8, generator=generator) < max(share, 0.5 * (share > 0))
    fine = torch.rand(levels, n, n, n, generator=generator) < share
    blocks = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return Grid(*pack(fine & blocks), n, levels, CENTER, RADIUS, contracted)


def make_rays(n: int, box: SceneBox, seed: int = 0, dtype: torch.dtype = torch.float32) -> RayBundle:
    """Make rays that start outside and inside the box. Some miss the box, and some are parallel to one or two axes."""
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(n, 3, generator=generator) * torch.rand(n, 1, generator=generator) * 3
    directions = torch.randn(n, 3, generator=generator) - 0.5 * origins
    directions[: n // 4, 0] = 0
    directions[: n // 8, 1] = 0
    directions[n // 8 : n // 4, 2] = -directions[n // 8 : n // 4, 2].abs()
    directions = torch.nn.functional.normalize(directions, dim=-1)
    zero = torch.zeros(n)
    rays = RayBundle(origins, directions, directions, zero, zero, zero)
    near, far = box.intersect(rays)
    return RayBundle(*(x.to(dtype) for x in (origins, directions, directions, near, far, zero)))


def run(backend: str, rays: RayBundle, grid: Grid, steps: StepLengths):  # type: ignore[no-untyped-def]
    with using(backend):
        return march(rays.origins, rays.directions, rays.near, rays.far, grid, steps)


def steps_for(n: int, levels: int, cone: float, contracted: bool = False, max_samples: int = 4096) -> StepLengths:
    diagonal = 2 * math.sqrt(3) * RADIUS
    reach = math.inf if contracted else diagonal * 2.0 ** (levels - 1)
    return StepLengths.make(diagonal / n, cone, reach, max_samples)


def oracle(rays: RayBundle, r: int, grid: Grid, step: float, cone: float) -> list[tuple[float, float, bool, bool]]:
    """Return four values for every step of a ray, in float64: start, end, True if occupied, and True if rounding cannot
    change the cell."""
    cells = ((grid.bits[:, None].int() >> torch.arange(8)) & 1).bool().view(grid.n_levels, *[grid.resolution] * 3)
    t, far, steps = float(rays.near[r]), float(rays.far[r]), []
    o, d = rays.origins[r].double().tolist(), rays.directions[r].double().tolist()
    while t < far:
        end = t + step if t < step / cone else t * (1 + cone) if cone else t
        middle = (t + min(end, far)) / 2
        u = [(o[k] + d[k] * middle - grid.center[k]) / grid.radius for k in range(3)]
        level = 0
        while max(map(abs, u)) > 2**level and level < grid.n_levels - 1:
            level += 1
        position = [(x / 2**level + 1) / 2 * grid.resolution for x in u]
        clear = all(abs(x - round(x)) > 1e-3 for x in position)
        index = [min(max(math.floor(x), 0), grid.resolution - 1) for x in position]
        steps.append((t, min(end, far), bool(cells[level, index[0], index[1], index[2]]), clear))
        t = end
    return steps


@pytest.mark.parametrize(("levels", "cone"), [(1, 0.0), (3, 0.0), (2, 0.03)])
def test_marching_keeps_the_steps_whose_middles_a_loop_finds_occupied(levels: int, cone: float) -> None:
    grid, steps = make_grid(0.4, levels=levels), steps_for(60, levels, cone)
    rays = make_rays(40, SceneBox(torch.tensor(CENTER), RADIUS * 2.0 ** (levels - 1)))
    starts, ends, packing = run("torch", rays, grid, steps)
    checked = 0
    for r in range(len(rays)):
        mine = packing.ray_indices == r
        kept = dict(zip(starts[mine].tolist(), ends[mine].tolist(), strict=True))
        # A tiny cone angle keeps the oracle's steps even where there is no cone.
        for start, end, occupied, clear in oracle(rays, r, grid, steps.step, cone or 1e-300):
            if not clear or float(rays.far[r]) - start < 1e-4:
                continue
            match = [t for t in kept if abs(t - start) < 1e-4]
            assert bool(match) == occupied
            if match:
                assert kept[match[0]] == pytest.approx(end, abs=1e-4)
            checked += 1
    assert checked > 500


@given(
    share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    levels=st.integers(1, 3),
    cone=st.sampled_from([0.0, 0.004, 0.05]),
    contracted=st.booleans(),
    resolution=st.sampled_from([8, 16, 32]),
    n_rays=st.sampled_from([0, 1, 64]),
    n_steps=st.sampled_from([7, 64, 300]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_the_cpu_kernel_equals_the_definition_to_the_bit(
    share: float, levels: int, cone: float, contracted: bool, resolution: int, n_rays: int, n_steps: int, seed: int
) -> None:
    levels, cone = (1, max(cone, 0.02)) if contracted else (levels, cone)
    grid = make_grid(share, resolution, levels, contracted, seed)
    steps = steps_for(n_steps, levels, cone, contracted)
    rays = make_rays(n_rays, SceneBox(torch.tensor(CENTER), RADIUS * 2.0 ** (levels - 1)), seed)
    expected, found = run("torch", rays, grid, steps), run("numba", rays, grid, steps)
    assert torch.equal(expected[2].offsets, found[2].offsets)
    assert torch.equal(expected[2].ray_indices, found[2].ray_indices)
    assert torch.equal(expected[0], found[0]) and torch.equal(expected[1], found[1])


@pytest.mark.parametrize("distance", [4.0, 1e3, 1e4, 1e5])
@pytest.mark.parametrize("cone", [0.0, 0.004])
def test_the_cpu_kernel_equals_the_definition_for_cameras_far_away(distance: float, cone: float) -> None:
    grid, steps = make_grid(0.02, 64), steps_for(1024, 1, cone)
    generator = torch.Generator().manual_seed(0)
    outward = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator), dim=-1)
    origins = torch.tensor(CENTER) + RADIUS * distance * outward
    toward = torch.tensor(CENTER) + RADIUS * (2 * torch.rand(200, 3, generator=generator) - 1) - origins
    directions, zero = torch.nn.functional.normalize(toward, dim=-1), torch.zeros(200)
    rays = RayBundle(origins, directions, directions, zero, zero, zero)
    near, far = SceneBox(torch.tensor(CENTER), RADIUS).intersect(rays)
    rays = RayBundle(origins, directions, directions, near, far, zero)
    expected, found = run("torch", rays, grid, steps), run("numba", rays, grid, steps)
    assert cone or len(expected[0]) > 100
    for one, other in zip((*expected[:2], expected[2].offsets), (*found[:2], found[2].offsets), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("away", [1e3, 1e4, 1e5])
def test_the_cpu_kernel_equals_the_definition_where_the_box_is_far_from_zero(away: float) -> None:
    near_grid, steps = make_grid(0.02, 64), steps_for(1024, 1, 0.0)
    center = tuple(RADIUS * away * share for share in (0.6, -0.5, 0.62))
    grid = dataclasses.replace(near_grid, center=center)
    box, rays = SceneBox(torch.tensor(center), RADIUS), make_rays(400, SceneBox(torch.zeros(3), RADIUS))
    rays = dataclasses.replace(rays, origins=rays.origins + torch.tensor(center))
    near, far = box.intersect(rays)
    rays = dataclasses.replace(rays, near=near, far=far)
    expected, found = run("torch", rays, grid, steps), run("numba", rays, grid, steps)
    assert len(expected[0]) > 100
    for one, other in zip((*expected[:2], expected[2].offsets), (*found[:2], found[2].offsets), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("far", [1e9, math.inf])
def test_no_step_is_without_length_however_far_rays_go(backend: str, far: float) -> None:
    rays, steps = make_rays(8, SceneBox(torch.tensor(CENTER), RADIUS)), steps_for(60, 1, 0.02, contracted=True)
    rays = dataclasses.replace(rays, near=torch.full((8,), 5.0), far=torch.full((8,), far))
    starts, ends, packing = run(backend, rays, make_grid(1.0, contracted=True), steps)
    assert (ends > starts).all() and (packing.counts > 500).all()


def test_the_growth_table_is_no_longer_than_the_box_has_steps() -> None:
    steps = StepLengths.make(0.01, 1e-9, 10.0, 100)
    assert len(steps.growth) <= steps.n_steps + 1 <= 1010


@pytest.mark.parametrize("n", [8, 16, 24, 32, 40, 64, 96])
def test_bricks_are_skipped_unless_partly_under_an_inner_level_or_contracted(n: int) -> None:
    """An outer level does not mark cells that an inner level covers. So a brick that is partly covered may look empty
    although it is not."""
    halved = 0
    for brick in range(0, n, 8):
        covered = [n / 4 <= cell and cell + 1 <= 3 * n / 4 for cell in range(brick, brick + 8)]
        halved += any(covered) and not all(covered)
    assert make_grid(0.5, n, levels=2).skips_bricks is (halved == 0)
    assert make_grid(0.5, n).skips_bricks and not make_grid(0.5, n, contracted=True).skips_bricks


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_a_full_grid_keeps_every_step_and_an_empty_one_none(backend: str) -> None:
    box, steps = SceneBox(torch.tensor(CENTER), RADIUS), steps_for(50, 1, 0.0)
    rays = make_rays(64, box)
    starts, ends, packing = run(backend, rays, make_grid(1.0), steps)
    total = torch.zeros(64).index_add(0, packing.ray_indices, ends - starts)
    torch.testing.assert_close(total, rays.far - rays.near)
    assert (total == 0).any() and (total > 0).any()
    assert run(backend, rays, make_grid(0.0), steps)[0].numel() == 0


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_a_miss_has_no_samples_and_a_ray_from_inside_starts_at_its_origin(backend: str) -> None:
    box = SceneBox(torch.tensor(CENTER), RADIUS)
    origins = torch.tensor([[5.0, 5.0, 5.0], list(CENTER)])
    directions = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    zero = torch.zeros(2)
    rays = RayBundle(origins, directions, directions, zero, zero, zero)
    near, far = box.intersect(rays)
    rays = RayBundle(origins, directions, directions, near, far, zero)
    starts, ends, packing = run(backend, rays, make_grid(1.0), steps_for(50, 1, 0.0))
    assert packing.counts[0] == 0 and starts[0] == 0
    assert float(ends[-1]) == pytest.approx(RADIUS)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_the_nearest_samples_are_kept_when_a_ray_has_too_many(backend: str) -> None:
    rays, grid = make_rays(32, SceneBox(torch.tensor(CENTER), RADIUS)), make_grid(0.6)
    everything = run(backend, rays, grid, steps_for(80, 1, 0.0))
    few = run(backend, rays, grid, steps_for(80, 1, 0.0, max_samples=5))
    assert few[2].max_per_ray == 5 and few[2].counts.max() == 5
    for r in range(32):
        a, b = everything[0][everything[2].ray_indices == r], few[0][few[2].ray_indices == r]
        assert torch.equal(a[:5], b)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_steps_are_even_until_the_cone_is_wider_and_contiguous_in_a_full_grid(backend: str) -> None:
    cone, steps = 0.1, steps_for(40, 1, 0.1)
    rays = make_rays(16, SceneBox(torch.tensor(CENTER), RADIUS))
    starts, ends, packing = run(backend, rays, make_grid(1.0), steps)
    inside = packing.ray_indices[1:] == packing.ray_indices[:-1]
    torch.testing.assert_close(starts[1:][inside], ends[:-1][inside])
    not_last = torch.cat([inside, torch.tensor([False])])
    lengths, t = (ends - starts)[not_last], starts[not_last]
    torch.testing.assert_close(
        lengths[t < 0.5 * steps.step / cone],
        t.new_tensor(steps.step).expand(int((t < 0.5 * steps.step / cone).sum())),
        rtol=1e-4,
        atol=1e-6,
    )
    grown = t > steps.step / cone + steps.step
    torch.testing.assert_close(lengths[grown], cone * t[grown], rtol=1e-4, atol=1e-5)


def test_float64_rays_give_float64_samples() -> None:
    rays = make_rays(4, SceneBox(torch.tensor(CENTER), RADIUS), dtype=torch.float64)
    assert run("numba", rays, make_grid(1.0), steps_for(20, 1, 0.0))[0].dtype == torch.float64
