"""The analytic surface: its distance has slopes of at most 1, normals are correct, and the mesh of its zero level is
watertight."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh
from radfield_synthetic import surface
from radfield_synthetic.mesh import surface_mesh
from radfield_synthetic.surface import gradient, normal, sdf
from radfield_synthetic.tracing import trace
from radfield_synthetic.worlds import STILL_LIFE


def _points(n: int, seed: int = 0, half: float = 1.2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, 3, generator=generator, dtype=torch.float64) * 2 - 1) * half


@pytest.fixture(scope="module")
def mesh():
    vertices, faces = surface_mesh(96)
    return trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)


def test_distance_never_changes_faster_than_the_place():
    a = _points(200_000)
    b = (
        a
        + _points(200_000, 1, 1.0) * torch.logspace(-4, 0, 200_000, dtype=torch.float64)[torch.randperm(200_000), None]
    )
    assert ((sdf(a) - sdf(b)).abs() <= (a - b).norm(dim=-1) * (1 + 1e-9)).all()


def test_a_ball_of_the_distance_holds_no_surface():
    x = _points(2000)
    outside = x[sdf(x) > 0.02]
    ways = torch.nn.functional.normalize(_points(64, 3), dim=-1)
    reach = outside[:, None] + 0.999 * sdf(outside)[:, None, None] * ways
    assert (sdf(reach) > 0).all()


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ((0, 0, surface.TOP - 0.05), True),
        ((0, 0, surface.TOP - 0.2), False),
        ((0, 0, surface.BALL_CENTER[2]), True),
        ((surface.RING_RADIUS, 0, surface.RING_CENTER[2]), True),
        ((0, 0, surface.RING_CENTER[2] + 0.2), False),
        (surface.DOUGHNUT_CENTER, False),
        (surface.BOX_CENTER, True),
        (surface.CONE_CENTER, True),
        (surface.PILL_START, True),
        ((0, 0, 0.95), False),
    ],
)
def test_inside_is_negative(place, inside):
    assert bool(sdf(torch.tensor([place], dtype=torch.float64)) < 0) is inside


def test_solids_are_at_the_distance_that_their_formulas_in_words_say():
    """Compare the distance to each solid with the nearest of many points on it, which come from a parametrization of
    the solid."""
    x = _points(400, 5, 0.9)
    turn = torch.linspace(0, 2 * math.pi, 1001, dtype=torch.float64)[:-1]
    circle = torch.stack([turn.cos(), turn.sin()], -1)
    zero = torch.zeros_like(turn)
    ring = torch.stack([circle[:, 0], zero, circle[:, 1]], -1) * surface.RING_RADIUS + torch.tensor(surface.RING_CENTER)
    flat = torch.stack([circle[:, 0], circle[:, 1], zero], -1) * surface.DOUGHNUT_RADIUS
    share = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    start, end = (torch.tensor(place, dtype=torch.float64) for place in (surface.PILL_START, surface.PILL_END))
    (below, above), height = surface.CONE_RADII, surface.CONE_HEIGHT
    up = torch.tensor([0.0, 0.0, height], dtype=torch.float64)
    cores = {
        surface.ring: (ring, torch.tensor(surface.RING_TUBE)),
        surface.doughnut: (flat + torch.tensor(surface.DOUGHNUT_CENTER), torch.tensor(surface.DOUGHNUT_TUBE)),
        surface.pill: (start + share * (end - start), torch.tensor(surface.PILL_RADIUS)),
        surface.cone: (torch.tensor(surface.CONE_CENTER) + share * up, below + (above - below) * share[:, 0]),
        surface.ball: (torch.tensor([surface.BALL_CENTER], dtype=torch.float64), torch.tensor(surface.BALL_RADIUS)),
    }
    for solid, (core, radius) in cores.items():
        expected = (torch.cdist(x, core.double()) - radius).amin(-1)
        assert (solid(*x.unbind(-1)) - expected).abs().max() < 5e-5, solid.__name__


def test_the_box_and_the_plinth_are_at_the_distance_of_their_rounded_cores():
    x = _points(300, 6, 0.9)
    inner = surface.BOX_HALF - surface.BOX_ROUNDING
    local = torch.stack(surface.box_local(*x.unbind(-1)), -1)
    outside = (local.abs() > inner).any(-1)
    nearest = local.clamp(-inner, inner)
    expected = (local - nearest).norm(dim=-1) - surface.BOX_ROUNDING
    assert (surface.box(*x.unbind(-1)) - expected)[outside].abs().max() < 1e-9
    center = torch.tensor(surface.BOX_CENTER, dtype=torch.float64)
    assert ((x - center).norm(dim=-1) - local.norm(dim=-1)).abs().max() < 1e-12
    radial, height = x[:, :2].norm(dim=-1), x[:, 2] - (surface.TOP - 0.07)
    core = torch.stack([radial.clamp_max(surface.PLINTH_RADIUS - 0.03), height.clamp(-0.04, 0.04)], -1)
    away = (torch.stack([radial, height], -1) - core).norm(dim=-1)
    beyond = away > 0
    assert (surface.plinth(*x.unbind(-1)) - (away - 0.03))[beyond].abs().max() < 1e-9


def test_gradients_equal_finite_differences():
    x = _points(3000, 7)
    step = 1e-6
    numeric = torch.stack(
        [(sdf(x + step * axis) - sdf(x - step * axis)) / (2 * step) for axis in torch.eye(3, dtype=torch.float64)], -1
    )
    difference = (gradient(x) - numeric).abs().amax(-1)
    assert (difference < 1e-6).double().mean() > 0.995, "all but those beside a crease"


def test_normals_are_unit_and_point_outwards(mesh):
    x = torch.from_numpy(np.asarray(mesh.vertices))
    assert (normal(x).norm(dim=-1) - 1).abs().max() < 1e-9
    assert (sdf(x + 1e-3 * normal(x)) > 0).double().mean() > 0.999
    assert (sdf(x - 1e-3 * normal(x)) < 0).double().mean() > 0.999


def test_the_mesh_is_one_watertight_piece_on_the_zero_level(mesh):
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.body_count == 1
    assert np.abs(sdf(torch.from_numpy(np.asarray(mesh.vertices))).numpy()).max() < 1e-6
    assert np.linalg.norm(mesh.vertices, axis=-1).max() < STILL_LIFE.bound
    middles = torch.from_numpy(np.array(mesh.triangles_center))
    assert float(sdf(middles).abs().mean()) < 5e-4


def test_the_mesh_holds_the_volume_that_the_distance_says(mesh):
    generator = torch.Generator().manual_seed(8)
    x = torch.rand(2_000_000, 3, generator=generator) * 2 - 1
    assert mesh.volume == pytest.approx(8 * float((sdf(x) < 0).float().mean()), rel=0.01)


def test_rays_stop_on_the_surface_and_not_before():
    generator = torch.Generator().manual_seed(9)
    origins = 3 * torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator), dim=-1)
    targets = torch.randn(4000, 3, generator=generator) * 0.4
    directions = torch.nn.functional.normalize(targets - origins, dim=-1)
    t = trace(origins, directions)
    hit = t.isfinite()
    assert 0.3 < hit.double().mean() < 1
    assert sdf(origins[hit] + t[hit, None] * directions[hit]).abs().max() < 2e-3
    assert sdf(origins[hit] + t[hit, None] * directions[hit]).abs().median() < 1e-4
    share = torch.linspace(0, 1, 400)[None, :, None]
    end = torch.where(hit, t - 2e-3, torch.full_like(t, 6.0))
    along = origins[:, None] + share * end[:, None, None] * directions[:, None]
    assert (sdf(along).amin(1) > -1e-3).all()


def test_cones_stop_before_any_ray_in_them():
    generator = torch.Generator().manual_seed(10)
    origins = 4 * torch.nn.functional.normalize(torch.randn(2000, 3, generator=generator), dim=-1)
    directions = torch.nn.functional.normalize(torch.randn(2000, 3, generator=generator) * 0.4 - origins, dim=-1)
    spread = 0.01
    free = trace(origins, directions, spread=spread)
    for _ in range(5):
        off = torch.nn.functional.normalize(torch.randn(2000, 3, generator=generator), dim=-1) * 0.7 * spread
        inside = torch.nn.functional.normalize(directions + off, dim=-1)
        t = trace(origins, inside)
        assert (free <= t + 1e-3).all()
        again = trace(origins, inside, start=free)
        both = t.isfinite() & again.isfinite()
        assert (t.isfinite() == again.isfinite()).double().mean() > 0.999
        assert (t[both] - again[both]).abs().median() < 1e-4
