"""Depths of a known solid are fused to its surface, whatever the lens, block by block as in one piece."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from radfield_mesh import fusion, fusion_cpu
from radfield_mesh.config import TsdfConfig
from radfield_mesh.fusion import DepthView, Sums, Volume, without_jumps
from radfield_mesh.holes import borders, closed
from radfield_mesh.tsdf import TsdfExporter
from scipy.spatial import cKDTree

from radfield_core import (
    BuildContext,
    Camera,
    Cameras,
    Field,
    FieldOutputs,
    NoSurface,
    RaySamples,
    RaySpace,
    Rendered,
    Scene,
    SceneBox,
    UsageError,
    View,
    view_rays,
)
from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume as VolumeRenderer
from radfield_core.data import MemoryImages
from radfield_core.model import LevelLoop

RADIUS, SCALE, SHIFT = 0.5, 250.0, np.array([900.0, -400.0, 60.0])

SINGLE = View(torch.eye(4, dtype=torch.float64)[:3].contiguous(), Camera(21, 15, 20.0, 20.0, 10.5, 7.5))


def around(n: int, size: int = 64, lens: str = "pinhole", distortion: tuple[float, ...] = ()) -> Scene:
    """A scene of n cameras in all directions around the origin, at the distance 2."""
    turn = torch.arange(n).double() * 2.399963
    z = 1 - 2 * (torch.arange(n).double() + 0.5) / n
    back = torch.stack([(1 - z * z).sqrt() * turn.cos(), (1 - z * z).sqrt() * turn.sin(), z], -1)
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([[0.1, 0.2, 1.0]]).double(), back), dim=-1)
    c2w = torch.stack([right, torch.linalg.cross(back, right), back, 2 * back], -1)
    cameras = Cameras.pinhole(c2w, 1.4 * size, size, size)
    if lens == "equirectangular":
        cameras = Cameras.equirectangular(c2w, 3 * size)
    elif lens != "pinhole":
        cameras = replace(cameras, model=lens, distortion=torch.tensor(distortion).double().expand(n, -1).contiguous())
    images = MemoryImages(torch.zeros(n, *cameras.sizes[0].flip(0).tolist(), 3, dtype=torch.uint8))
    return Scene(cameras, images, 1.0, 5.0, SceneBox(torch.zeros(3), 1.0))


def ball_depths(view: View, radius: float = RADIUS) -> torch.Tensor:
    """Exact distances along the rays of a view to a ball around the origin; infinite beside it."""
    rays = view_rays(RaySpace(0.0, 1.0), view, dtype=torch.float64)
    middle = -(rays.origins * rays.directions).sum(-1)
    inside = radius**2 - (rays.origins + middle[:, None] * rays.directions).square().sum(-1)
    return torch.where(inside > 0, middle - inside.clamp_min(0).sqrt(), torch.inf)


def seen_of(scene: Scene) -> list[DepthView]:
    """What each view shows of the ball. A pixel's color encodes the place that it shows."""
    found = []
    for index in range(len(scene.cameras)):
        view = scene.cameras.view(index)
        depth, rays = ball_depths(view), view_rays(RaySpace(0.0, 1.0), view, dtype=torch.float64)
        place = rays.origins + rays.directions * depth.nan_to_num(posinf=0)[:, None]
        shape = view.camera.height, view.camera.width
        rgb = (255 * (0.5 + place).clamp(0, 1)).round().to(torch.uint8)
        found.append(DepthView(view, depth.float().view(shape), rgb.view(*shape, 3)))
    return found


def volume_of(scene: Scene, resolution: int = 40, truncation: float = 4.0, min_views: int = 3) -> Volume:
    return Volume(seen_of(scene), -np.ones(3), np.ones(3), resolution, truncation, min_views)


LENSES = {
    "pinhole": (), "opencv": (0.1, -0.05, 0.01, -0.02), "opencv_fisheye": (0.05, 0.01, 0.0, 0.0), "equirectangular": (),
}  # fmt: skip


@pytest.mark.parametrize("lens", LENSES)
def test_the_kernel_equals_the_definition_for_every_lens(lens: str) -> None:
    scene = around(3, 24, lens, LENSES[lens])
    draw = torch.Generator().manual_seed(0)
    points = 3 * torch.rand(3000, 3, generator=draw, dtype=torch.float64) - 1.5
    points[:2000] /= 2.5
    ours, expected = Sums.zero(3000), Sums.zero(3000)
    for seen in seen_of(scene):
        damaged = torch.where(torch.rand(seen.depths.shape, generator=draw) < 0.01, torch.nan, seen.depths)
        seen = replace(seen, depths=damaged)
        fusion.observe(points, seen, 0.4, expected)
        fusion_cpu.observe(points, seen, 0.4, ours)
    assert 200 < int((expected.weight > 0).sum()) < 2500 and int((expected.count == 0).sum()) > 10
    for name in ("distance", "count", "color", "weight"):
        torch.testing.assert_close(getattr(ours, name), getattr(expected, name), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("module", [fusion, fusion_cpu])
def test_a_wall_is_observed_as_far_away_as_it_is(module) -> None:
    """On the optical axis, the distance to a wall at depth 3 is 3 − z. Deep behind the wall, nothing is observed."""
    rays = view_rays(RaySpace(0.0, 1.0), SINGLE, dtype=torch.float64)
    depths = (3 / -rays.directions[:, 2]).float().view(15, 21)
    seen = DepthView(SINGLE, depths, torch.full((15, 21, 3), 200, dtype=torch.uint8))
    z = torch.tensor([1.0, 2.75, 3.0, 3.25, 3.75, -1.0], dtype=torch.float64)
    sums = Sums.zero(6)
    module.observe(torch.stack([0 * z, 0 * z, -z], -1), seen, 0.5, sums)
    assert sums.distance.tolist() == pytest.approx([1.0, 0.5, 0.0, -0.5, 0.0, 0.0], abs=1e-6)
    assert sums.count.tolist() == [1, 1, 1, 1, 0, 0]
    assert sums.weight.tolist() == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0, 0.0], abs=1e-6)
    torch.testing.assert_close(sums.color, 200 * sums.weight[:, None].expand(6, 3))


@pytest.mark.parametrize("module", [fusion, fusion_cpu])
def test_a_pixel_that_shows_nothing_says_that_its_ray_is_empty_and_an_unknown_one_says_nothing(module) -> None:
    for depth, expected in ((torch.inf, 1.0), (torch.nan, 0.0)):
        depths, sums = torch.full((15, 21), depth), Sums.zero(1)
        seen = DepthView(SINGLE, depths, torch.zeros(15, 21, 3, dtype=torch.uint8))
        module.observe(torch.tensor([[0.0, 0.0, -7.0]]).double(), seen, 0.5, sums)
        assert sums.distance.tolist() == sums.count.tolist() == [expected]
        assert sums.weight.tolist() == [0.0]


def test_depths_beside_a_jump_are_left_out() -> None:
    depths = torch.tensor([[1.0, 1.1, 3.0, 3.1], [1.0, 1.1, 3.0, torch.inf]])
    found = without_jumps(depths, 0.5)
    assert found.isnan().tolist() == [[False, True, True, True], [False, True, True, True]]
    assert found[:, 0].tolist() == [1.0, 1.0]
    empty = torch.full((2, 2), torch.inf)
    assert torch.equal(without_jumps(empty, 0.5), empty), "nothing beside nothing is no jump"


@pytest.mark.parametrize("lens", LENSES)
def test_the_fused_surface_is_the_ball_to_a_small_part_of_a_cell(lens: str) -> None:
    volume = volume_of(around(24, 64, lens, LENSES[lens]), resolution=24)
    vertices, faces = volume.surface()
    off = np.abs(np.linalg.norm(vertices[:, :3], axis=1) - RADIUS) / volume.grid.cell
    assert off.mean() < 0.06 and off.max() < 0.5
    assert trimesh.Trimesh(vertices[:, :3], faces).area == pytest.approx(4 * np.pi * RADIUS**2, rel=0.05)
    np.testing.assert_allclose(vertices[:, 3:] / 255, 0.5 + vertices[:, :3], atol=0.05)


def test_blocks_and_regions_give_the_surface_of_one_dense_grid() -> None:
    volume = volume_of(around(12), resolution=70)
    vertices, faces = volume.surface()
    size = -(-max(volume.grid.shape) // 8) * 8
    assert len(volume.regions()) == 8 and len(volume.blocks) < 0.75 * (size / 8) ** 3
    volume.blocks = np.array(list(product(range(size // 8 + 1), repeat=3)))
    piece = volume.surface_in(np.zeros(3, np.int64), size)
    assert piece is not None
    dense, dense_faces = piece
    assert len(faces) == len(dense_faces) and len(vertices) == len(dense)
    dense[:, :3] = volume.grid.origin + volume.grid.cell * dense[:, :3]
    to_dense, nearest = cKDTree(dense[:, :3]).query(vertices[:, :3])
    assert to_dense.max() < 1e-5 and len(np.unique(nearest)) == len(dense)
    assert np.abs(vertices[:, 3:] - dense[nearest, 3:]).max() < 0.5
    assert sorted(np.sort(nearest[faces], 1).tolist()) == sorted(np.sort(dense_faces, 1).tolist())


@pytest.mark.parametrize(("min_views", "exists"), [(1, True), (4, True), (13, False)])
def test_a_surface_needs_the_given_number_of_views(min_views: int, exists: bool) -> None:
    _, faces = volume_of(around(12), 20, min_views=min_views).surface()
    assert (len(faces) > 0) == exists


def test_small_holes_are_closed_and_large_ones_are_not() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    center = ball.triangles_center
    faces = ball.faces[(center[:, 2] < 0.97) & (center[:, 2] > -0.5)]
    faces = faces[1:] if len(borders(faces[1:])) == 3 else np.delete(faces, 40, 0)
    small, large = sorted(len(border) for border in borders(faces))[1:]
    assert [len(border) for border in borders(faces)].count(3) == 1 and small > 3 and large > 20
    vertices, filled = closed(ball.vertices, faces, small)
    assert [len(border) for border in borders(filled)] == [large]
    assert len(vertices) == len(ball.vertices) + 1
    vertices, filled = closed(ball.vertices, faces, large)
    mesh = trimesh.Trimesh(vertices, filled)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0


class Exact:
    """A model that renders the exact depths of the ball, with colors that encode places."""

    def __init__(self, median: bool = True, depth: float = 1.0) -> None:
        self.median, self.depth, self.sizes = median, depth, []

    def render(self, view, background=None, chunk=4096, progress=None) -> Rendered:
        self.sizes.append(view.camera.width * view.camera.height)
        depths = ball_depths(view).float() * self.depth
        opacity = depths.isfinite().float()
        rgb = torch.full((len(depths), 3), 0.25) * opacity[:, None]
        return Rendered(rgb, depths.nan_to_num(posinf=0.0), opacity, median_depth=depths if self.median else None)


class Ball(Field):
    """A ball whose color encodes the place."""

    def forward(self, samples: RaySamples) -> FieldOutputs:
        x = samples.positions()
        return FieldOutputs(rgb=0.5 + x / 2, density=5000.0 * torch.sigmoid(2000 * (RADIUS - x.norm(dim=-1))))


def test_the_mesh_of_a_field_lies_in_the_datas_own_coordinates(tmp_path: Path) -> None:
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = SCALE * turn, torch.from_numpy(SHIFT)
    scene, ctx = replace(around(8, 32), to_data=to_data, far=3.0), BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
    sampler = Importance(ImportanceConfig(n_samples=300, n_importance=0), ctx)
    model = LevelLoop([Ball()], sampler, VolumeRenderer(VolumeConfig(), ctx), space=RaySpace.of(scene))
    exporter = TsdfExporter(TsdfConfig(resolution=16, min_views=1, close_holes=100))
    (path,) = exporter.export(model, scene, tmp_path / "mesh.ply")
    mesh = trimesh.load(path, process=False)
    radii = np.linalg.norm(mesh.vertices - SHIFT, axis=1)
    assert np.median(radii) == pytest.approx(RADIUS * SCALE, rel=0.02)
    assert mesh.is_watertight and mesh.volume == pytest.approx(4 / 3 * np.pi * (RADIUS * SCALE) ** 3, rel=0.1)
    outward = (mesh.vertices - SHIFT) / radii[:, None]
    assert np.median((outward * mesh.vertex_normals).sum(1)) > 0.97
    x, y, z = ((mesh.vertices - SHIFT) / SCALE).T
    expected = (np.stack([y, -x, z], axis=1) + 1) / 2 * 255  # undoes the quarter turn
    assert np.median(np.abs(mesh.visual.vertex_colors[:, :3] - expected)) < 6


def test_colors_are_those_of_the_rendered_pixels_without_their_background(tmp_path: Path) -> None:
    (path,) = TsdfExporter(TsdfConfig(resolution=12)).export(Exact(), around(12, 32), tmp_path / "mesh.ply")
    colors = trimesh.load(path, process=False).visual.vertex_colors[:, :3]
    assert set(colors.reshape(-1).tolist()) == {64}


def test_a_model_without_median_depths_is_fused_from_its_mean_depths_and_that_is_said(caplog, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        exporter = TsdfExporter(TsdfConfig(resolution=12))
        (path,) = exporter.export(Exact(median=False), around(12, 32), tmp_path / "mesh.ply")
    assert "Exact renders mean depths only" in caplog.text
    assert np.median(np.linalg.norm(trimesh.load(path).vertices, axis=1)) == pytest.approx(RADIUS, rel=0.02)


def test_the_pixels_of_all_depth_images_are_limited_and_the_reduction_is_said(caplog) -> None:
    model = Exact()
    with caplog.at_level(logging.INFO):
        views = TsdfExporter(TsdfConfig(max_pixels=10_000)).depths(model, around(12, 64))
    assert sum(model.sizes) <= 1.1 * 10_000 and "45% of the images' size" in caplog.text
    depth = views[0].depths
    middle = depth[depth.shape[0] // 2, depth.shape[1] // 2]
    assert float(middle) == pytest.approx(2 - RADIUS, abs=2e-3)


@pytest.mark.parametrize(
    ("model", "scene", "error", "text"),
    [
        (Exact(), replace(around(3, 8), ndc=True), UsageError, "in NDC"),
        (Exact(depth=0.0, median=False), around(3, 8), UsageError, "Exact renders no depths"),
        (Exact(), replace(around(3, 16), box=SceneBox(torch.full((3,), 9.0), 1.0)), NoSurface, "3 views"),
    ],
)
def test_what_cannot_be_fused_is_refused_in_words_and_leaves_no_file(model, scene, error, text, tmp_path) -> None:
    with pytest.raises(error, match=text):
        TsdfExporter(TsdfConfig(resolution=12)).export(model, scene, tmp_path / "mesh.ply")
    assert not list(tmp_path.iterdir())
