"""Every scene of the suite: distances with slopes of at most 1, and images, depth, normals, albedo and a mesh that show
the same surface."""

from __future__ import annotations

from functools import cache
from typing import get_args, get_type_hints

import pytest
import torch
import trimesh
from radfield_synthetic import shapes, views
from radfield_synthetic.config import SyntheticConfig
from radfield_synthetic.dataset import SyntheticParser
from radfield_synthetic.mesh import surface_mesh
from radfield_synthetic.suite import NAMES, world_of

from radfield_core import view_rays
from radfield_core.plugins.registry import get_registry

SUITE = [name for name in NAMES if name != "still-life"]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path_factory.getbasetemp() / "suite-cache"))


@cache
def mesh_of(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return surface_mesh(96, world_of(name))


def points(n: int, half: float = 1.2, seed: int = 0) -> torch.Tensor:
    return (torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1) * half


def test_the_option_names_every_scene() -> None:
    assert get_args(get_type_hints(SyntheticConfig)["scene"]) == NAMES


@pytest.mark.parametrize("name", SUITE)
def test_distance_never_changes_faster_than_the_place(name: str) -> None:
    world, a = world_of(name), points(20_000)
    b = a + points(20_000, 1.0, 1) * torch.logspace(-4, 0, 20_000, dtype=torch.float64)[:, None]
    assert ((world.sdf(a) - world.sdf(b)).abs() <= (a - b).norm(dim=-1) * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", SUITE)
def test_the_mesh_is_closed_and_lies_on_the_surface_inside_the_bound(name: str) -> None:
    world, (vertices, faces) = world_of(name), mesh_of(name)
    assert world.sdf(vertices).abs().max() < 1e-5 and vertices.norm(dim=-1).max() < world.bound
    mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    if name == "room":  # the shaft of its skylight is open, and the normals point into the room
        edges = trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1)
        assert len(edges) and (mesh.vertices[mesh.edges_sorted[edges].ravel()][:, 2] > 0.9).all()
    else:
        assert mesh.is_watertight and mesh.volume > 0
    centers = torch.from_numpy(mesh.triangles_center.copy())
    outward = torch.from_numpy(mesh.face_normals.copy())
    assert float(((world.normal(centers) * outward).sum(-1) > 0).double().mean()) > 0.97


@pytest.mark.parametrize("name", SUITE)
def test_depth_normals_and_albedo_are_those_of_the_surface_that_pixels_show(name: str) -> None:
    world = world_of(name)
    config = SyntheticConfig(scene=name, resolution=40, n_train=2, n_val=1, n_test=2, supersample=1)
    scene = SyntheticParser(config).parse("train")
    rays = view_rays(scene, scene.cameras.view(1))
    depth, normals = scene.depths[1].reshape(-1), scene.normals[1].reshape(-1, 3)
    hit = depth.isfinite()
    x = rays.origins[hit] + depth[hit, None] * rays.directions[hit]
    assert hit.float().mean() > (0.05 if name == "wires" else 0.15) and world.sdf(x).abs().max() < 2e-3
    assert ((depth[hit] > rays.near[hit]) & (depth[hit] < rays.far[hit])).all()
    before = rays.origins[hit] + (depth[hit, None] - 0.02) * rays.directions[hit]
    assert float((world.sdf(before) > 0).float().mean()) > 0.97, "the first surface on the ray"
    step, slopes = 1e-5, []
    for axis in torch.eye(3, dtype=torch.float64):
        slopes.append((world.sdf(x.double() + step * axis) - world.sdf(x.double() - step * axis)) / (2 * step))
    expected = torch.nn.functional.normalize(torch.stack(slopes, -1), dim=-1)
    assert float(((normals[hit] * expected).sum(-1) > 0.999).float().mean()) > 0.95, "all but those on edges"
    assert float(((normals[hit] * rays.directions[hit]).sum(-1) < 0.05).float().mean()) > 0.99
    paint = views.albedo(scene.cameras, 1, world).reshape(-1, 3)
    assert (
        float((paint[hit] == world.albedo(x)).float().mean()) > 0.98
        and float(paint[hit].min()) >= 0
        and float(paint.max()) <= 1
    )
    assert (paint[~hit] == 0).all() and len(paint[hit].unique(dim=0)) >= 3
    alpha = scene.images[1][..., 3].reshape(-1)
    assert torch.equal(alpha == 255, hit)


@pytest.mark.parametrize("name", SUITE)
def test_a_seed_makes_one_scene_and_another_seed_another(name: str) -> None:
    x = points(2000)
    first, again, other = (world_of(name, seed).sdf(x) for seed in (3, 3, 4))
    assert torch.equal(first, again) and (first - other).abs().max() > 1e-3
    world = world_of(name, 4)
    vertices, _ = surface_mesh(48, world)
    assert vertices.norm(dim=-1).max() < world.bound


def test_cameras_suit_the_scene_unless_another_layout_is_asked_for() -> None:
    def places(**options):
        return (
            SyntheticParser(SyntheticConfig(n_train=40, resolution=16, **options)).parse("train").cameras.c2w[:, :, 3]
        )

    assert torch.equal(places(scene="wires"), places()) and (places(scene="facade")[:, 1] < -2).all()
    assert not torch.equal(places(scene="facade", layout="round"), places(scene="facade"))
    inside = places(scene="room", seed=1)
    assert float(world_of("room").sdf(inside).min()) > NEAREST_WALL and inside.norm(dim=-1).max() < 0.6
    test = SyntheticParser(SyntheticConfig(scene="room", n_test=30, resolution=16)).parse("test").cameras.c2w
    assert float(world_of("room").sdf(test[:, :, 3]).min()) > NEAREST_WALL
    assert (test[1:] - test[:-1]).abs().max() < 0.5, "a smooth path"


NEAREST_WALL = 0.03


def test_mirrors_show_their_surroundings_and_paint_does_not() -> None:
    from radfield_synthetic.shading import color

    world, (vertices, _) = world_of("chrome"), mesh_of("chrome")
    x = vertices[::29]
    away = torch.nn.functional.normalize(points(2, seed=3), dim=-1).float()
    change = (color(x, away[0].expand_as(x), world) - color(x, away[1].expand_as(x), world)).abs().amax(-1)
    shiny = world.mirrors(x)
    assert change[~shiny].max() == 0 and change[shiny].median() > 0.05 and 0.1 < float(shiny.float().mean()) < 0.9


CORNER = (0.3, -0.2, 0.4)


@pytest.mark.parametrize(
    ("distance", "at", "expected"),
    [
        (shapes.box((0, 0, 0), (1, 2, 3)), (4.0, 6.0, 3.0), 5.0),
        (shapes.box((0, 0, 0), (1, 2, 3)), (0.5, 0.0, 0.0), -0.5),
        (shapes.capsule((0, 0, 0), (0, 0, 2), 0.5), (3.0, 4.0, 1.0), 4.5),
        (shapes.capsule((0, 0, 0), (0, 0, 2), 0.5), (0.0, 3.0, 6.0), 4.5),
        (shapes.cylinder((0, 0, 0), 2.0, 1.0), (5.0, 0.0, 5.0), 5.0),
        (shapes.ring(CORNER, (0, 0, 1), 2.0, 0.5), (0.3, -0.2, 0.4), 1.5),
        (shapes.hollow_ball((0, 0, 0), 1.0, 0.1, 0.2), (0.0, 0.0, -2.0), 0.9),
        (shapes.hollow_ball((0, 0, 0), 1.0, 0.1, 0.2), (0.0, 0.0, 0.0), 0.9),
        (shapes.polyhedron((0, 0, 0), [(1, 0, 0), (-1, 0, 0)], [0.5, 0.25]), (-1.0, 9.0, 0.0), 0.75),
        (shapes.without(shapes.ball((0, 0, 0), 1.0), shapes.ball((0, 0, 0), 0.5)), (0.0, 0.2, 0.0), 0.3),
        (shapes.intersection(shapes.ball((0, 0, 0), 1.0), shapes.ball((1, 0, 0), 1.0)), (0.5, 0.0, 0.0), -0.5),
        (shapes.outside_of(shapes.ball((0, 0, 0), 1.0)), (0.0, 0.4, 0.0), 0.6),
    ],
)
def test_distances_to_single_solids_are_those_of_geometry(distance, at, expected: float) -> None:
    parts = (torch.tensor([value], dtype=torch.float64) for value in at)
    assert float(distance(*parts)) == pytest.approx(expected, abs=1e-9)


def test_the_part_says_that_it_has_several_scenes() -> None:
    assert "scenes" in get_registry().find("dataparser", "synthetic").summary
