"""Sparse points of the analytic scene."""

from __future__ import annotations

import attrs
import torch
from radfield_synthetic.config import SyntheticConfig
from radfield_synthetic.dataset import SyntheticParser

from radfield_core import pixel_rays

CONFIG = SyntheticConfig(resolution=64, n_train=5, n_val=1, n_test=1, supersample=1, n_points=150)


def test_points_are_seen_where_the_observations_say() -> None:
    scene = SyntheticParser(attrs.evolve(CONFIG, point_noise=0.0)).parse("train")
    seen = scene.observations
    assert len(seen) >= 2 * len(scene.points) > 100
    assert int(torch.bincount(seen.points).min()) >= 2
    nearest = torch.cdist(scene.points.double(), scene.ground_truth.vertices.double()).amin(1)
    assert float(nearest.max()) < 1e-5, "without noise, the triangulated points are vertices of the surface"
    columns, rows = seen.pixels.round().long().unbind(-1)
    rays = pixel_rays(scene, seen.views, rows, columns)
    offsets = scene.points[seen.points] - rays.origins
    near = torch.stack([scene.depths[v][r, c] for v, r, c in zip(seen.views, rows, columns, strict=True)])
    distances = offsets.norm(dim=-1)
    assert float(((near - distances).abs() < 0.1).float().mean()) > 0.9, "nothing hides the points"


def test_the_noise_of_the_points_is_the_stated_one() -> None:
    exact = SyntheticParser(attrs.evolve(CONFIG, point_noise=0.0)).parse("train")
    noisy = SyntheticParser(attrs.evolve(CONFIG, point_noise=1.0)).parse("train")
    seen, centers = noisy.observations, noisy.cameras.c2w[:, :, 3]
    assert torch.equal(seen.points, exact.observations.points)
    views, points = seen.views, seen.points
    found, truth = ((each.points.double()[points] - centers[views]).norm(dim=-1) for each in (noisy, exact))
    normalized = (found - truth) / seen.sigmas
    assert 0.85 < float(normalized.std()) < 1.15


def test_points_have_the_colors_that_the_views_show() -> None:
    config = attrs.evolve(CONFIG, n_points=300, point_noise=0.0, resolution=160)
    scene = SyntheticParser(config).parse("train")
    seen = scene.observations
    columns, rows = seen.pixels.round().long().unbind(-1)
    shown = scene.images.gather(seen.views, rows, columns)[:, :3].int()
    difference = (shown - scene.point_colors[seen.points].int()).abs().amax(-1)
    assert float((difference < 25).float().mean()) > 0.6, "the ring reflects, and pixels at edges show two colors"


def test_by_default_there_are_no_points() -> None:
    scene = SyntheticParser(attrs.evolve(CONFIG, n_points=0)).parse("train")
    assert scene.points is None and scene.observations is None
    assert SyntheticParser(CONFIG).parse("test").observations is None, "a reconstruction sees the training views"
