"""The synthetic data set: the same options give the same images, pixels show the surface behind them, and damage is
detected."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from radfield_synthetic import dataset, orbit, views
from radfield_synthetic.config import SyntheticConfig
from radfield_synthetic.dataset import SyntheticParser
from radfield_synthetic.shading import color
from radfield_synthetic.surface import SOLIDS, normal, sdf, solid

from radfield_core import DatasetError, project, view_rays
from radfield_core.files import cache_dir

SMALL = {"resolution": 32, "n_train": 12, "n_val": 3, "n_test": 4}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch, request):
    shared = tmp_path_factory.getbasetemp() / "shared-cache"
    fresh = "fresh_cache" in request.fixturenames
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache") if fresh else shared))


@pytest.fixture
def fresh_cache():
    """Use an empty cache folder."""


def _scene(split="train", **options):
    return SyntheticParser(SyntheticConfig(**{**SMALL, **options})).parse(split)


def _pixels(scene):
    scene.images.prepare(64)
    return torch.stack([scene.images[i] for i in range(len(scene.images))])


def test_the_same_options_give_the_same_bits(fresh_cache, monkeypatch):
    first, places = _pixels(_scene()), _scene().cameras.c2w
    monkeypatch.setattr(dataset.Kept, "read", lambda self: None)
    again = _scene()
    assert torch.equal(places, again.cameras.c2w) and torch.equal(first, _pixels(again))


def test_another_seed_moves_the_cameras_and_not_the_scene():
    a, b = _scene(seed=0), _scene(seed=1)
    assert (a.cameras.c2w - b.cameras.c2w).abs().max() > 0.01
    assert torch.equal(a.ground_truth.vertices, b.ground_truth.vertices)
    assert torch.equal(_scene("test", seed=0).cameras.c2w, _scene("test", seed=1).cameras.c2w)


def test_panoramas_show_the_surface_where_the_rays_of_their_pixels_meet_it():
    scene = _scene("val", lens="equirectangular", resolution=24)
    assert scene.cameras.model == "equirectangular" and scene.images[0].shape == (24, 48, 4)
    distance = scene.depths[1].flatten()
    rays = view_rays(scene, scene.cameras.view(1))
    hit = distance.isfinite()
    assert 0.01 < float(hit.double().mean()) < 0.2
    assert bool((distance[hit] > scene.near).all()) and bool((distance[hit] < scene.far).all())
    points = rays.origins[hit] + distance[hit, None] * rays.directions[hit]
    assert float(sdf(points).abs().max()) < 1e-3
    opaque = scene.images[1][..., 3].flatten() == 255
    assert bool(hit[opaque].all()) and 0.5 < float(opaque.sum() / hit.sum()) <= 1.0


def test_one_view_at_a_time_equals_all_at_once(fresh_cache):
    one = _scene()
    singly = torch.stack([one.images[i] for i in range(len(one.images))])
    for file in cache_dir("synthetic").glob("images-*"):
        file.unlink()
    assert torch.equal(singly, _pixels(_scene()))


def test_a_damaged_cache_is_rendered_again(fresh_cache):
    first = _pixels(_scene())
    files = list(cache_dir("synthetic").glob("images-*"))
    assert len(files) == 1
    for spoil in (lambda data: data[:-7], lambda data: data[:100] + b"\x55" + data[101:], lambda data: b""):
        whole = files[0].read_bytes()
        files[0].write_bytes(spoil(whole))
        assert torch.equal(first, _pixels(_scene()))
        assert files[0].read_bytes() == whole


def test_a_cache_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "file"))
    assert _pixels(_scene("val")).shape == (3, 32, 32, 4)


def test_progress_reaches_the_end(fresh_cache):
    seen = []
    _scene(n_train=40, resolution=128, supersample=1).images.prepare(64, lambda done, of: seen.append((done, of)))
    assert len(seen) > 1 and seen == sorted(seen) and seen[-1] == (40, 40)


def test_drawn_pixels_are_those_of_the_images():
    scene = _scene()
    draw = np.random.default_rng(0)
    i, r, c = (torch.from_numpy(draw.integers(0, n, 500)) for n in (12, 32, 32))
    assert torch.equal(scene.images.gather(i, r, c), _pixels(scene)[i, r, c])


def test_a_point_on_the_surface_projects_to_its_own_color():
    """If a camera sees a point of the true mesh, the pixel at its projection has the color of the surface at this
    point."""
    scene = SyntheticParser(SyntheticConfig(resolution=256, n_test=2, supersample=2)).parse("test")
    view = scene.cameras.view(0)
    points = scene.ground_truth.vertices
    pixels, _ = project(view, points)
    columns, rows = pixels.round().long().unbind(-1)
    place = view.c2w[:, 3].float()
    away = torch.nn.functional.normalize(points - place, dim=-1)
    depth = scene.depths[0][rows, columns]
    facing = -(away * normal(points)).sum(-1)
    visible = ((points - place).norm(dim=-1) - depth).abs() < 0.01
    chosen = (visible & (facing > 0.5)).nonzero()[:, 0]
    assert len(chosen) > 3000
    expected = color(points[chosen], away[chosen]) * 255
    seen = scene.images[0][rows[chosen], columns[chosen]].float()
    errors = (expected - seen[:, :3]).abs().amax(-1)
    assert errors.median() < 8 and (errors < 40).double().mean() > 0.7, "all but those beside an edge of the paint"
    elsewhere = scene.images[0][rows[chosen], (columns[chosen] + 8).clamp_max(255)].float()
    assert (expected - elsewhere[:, :3]).abs().amax(-1).median() > 40, "eight pixels beside, the color is another"


def test_depth_and_normals_are_those_of_the_surface():
    scene = _scene("test")
    for i in range(2):
        rays = view_rays(scene, scene.cameras.view(i))
        depth, normals = scene.depths[i].reshape(-1), scene.normals[i].reshape(-1, 3)
        hit = depth.isfinite()
        points = rays.origins[hit] + depth[hit, None] * rays.directions[hit]
        assert sdf(points).abs().median() < 1e-4 and sdf(points).abs().max() < 2e-3
        assert ((normals[hit] * rays.directions[hit]).sum(-1) < 0.05).all()
        assert (normals[~hit] == 0).all()
        assert (depth[hit] > rays.near[hit]).all() and (depth[hit] < rays.far[hit]).all()
        alpha = scene.images[i][..., 3].reshape(-1)
        assert (alpha[~hit] < 255).all() and (alpha[hit] > 0).all()


def test_points_on_a_pixels_ray_project_to_the_pixel():
    scene = _scene()
    view, rays = scene.cameras.view(3), view_rays(scene, scene.cameras.view(3), dtype=torch.float64)
    pixels, _ = project(view, rays.origins + 3.5 * rays.directions)
    rows, columns = torch.meshgrid(torch.arange(view.camera.height), torch.arange(view.camera.width), indexing="ij")
    assert (pixels - torch.stack([columns, rows], -1).view(-1, 2)).abs().max() < 1e-4


def test_images_converge_with_supersampling():
    """The difference from an image with 144 rays per pixel decreases with the number of rays, about as for a smooth
    integral."""
    cameras = orbit.cameras(orbit.round_trip(2), 48)
    images = {n: views.render(cameras, range(2), n).float() for n in (1, 2, 4, 12)}

    def laid(image):
        alpha = image[..., 3:] / 255
        return image[..., :3] * alpha + 255 * (1 - alpha)

    errors = [float((laid(images[n]) - laid(images[12])).square().mean().sqrt()) for n in (1, 2, 4)]
    assert errors[0] > 1.5 * errors[1] > 1.5**2 * errors[2]
    alpha = images[12][..., 3]
    covered = torch.nn.functional.avg_pool2d(images[4][..., 3], 4)
    assert (torch.nn.functional.avg_pool2d(alpha, 4) - covered).abs().max() < 8


def test_the_scene_stays_inside_the_picture():
    cameras = orbit.cameras(orbit.spread(60, 0, -60.0), 48)
    alpha = views.render(cameras, range(60), 1)[..., 3]
    assert int(alpha[:, [0, -1]].max()) == 0 and int(alpha[:, :, [0, -1]].max()) == 0
    assert (alpha > 0).double().mean((1, 2)).min() > 0.12


def test_training_cameras_cover_the_hemisphere_and_look_at_the_scene():
    c2w = orbit.spread(200, 3, 5.0)
    places = c2w[:, :, 3] / orbit.DISTANCE
    assert (places.norm(dim=-1) - 1).abs().max() < 1e-12
    assert (c2w[:, :, 2] - places).abs().max() < 1e-12
    identity = torch.eye(3, dtype=torch.float64)
    assert (c2w[:, :, :3].transpose(1, 2) @ c2w[:, :, :3] - identity).abs().max() < 1e-12
    assert (torch.linalg.det(c2w[:, :, :3]) > 0).all() and (c2w[:, 2, 1] > 0).all()
    aims = torch.nn.functional.normalize(torch.randn(500, 3, dtype=torch.float64), dim=-1)
    aims = aims[(aims[:, 2] > 0.15) & (aims[:, 2] < 0.95)]
    nearest = (aims @ places.T).amax(-1).acos()
    assert nearest.max() < 0.35


def test_only_the_ring_looks_different_from_elsewhere():
    points = _scene().ground_truth.vertices[::40]
    away = torch.nn.functional.normalize(torch.randn(2, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    change = (color(points, away[0].expand_as(points)) - color(points, away[1].expand_as(points))).abs().amax(-1)
    ring = solid(points) == SOLIDS.index("ring")
    assert change[~ring].max() == 0 and change[ring].median() > 0.05


def test_an_unknown_split_is_a_dataset_error():
    with pytest.raises(DatasetError, match="train, val, test"):
        _scene("trian")


@pytest.mark.parametrize("layout", ["round", "forward"])
def test_every_seed_that_is_allowed_places_cameras(layout):
    seed = attrs.fields(SyntheticConfig).seed.metadata["range"].max
    for split in SyntheticParser.splits:
        parser = SyntheticParser(SyntheticConfig(layout=layout, seed=seed, resolution=16, n_train=2, n_val=2, n_test=2))
        assert len(parser.parse(split).cameras) == 2
