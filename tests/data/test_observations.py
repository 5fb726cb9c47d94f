"""Observations of points in images, and the uncertainty of their depths."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from radfield_core.data.normalize import normalized
from radfield_core.data.observations import Observations, depth_sigmas, estimated
from radfield_core.data.resized import resized
from radfield_core.rays import pixel_rays
from radfield_core.testing.training import toy_scene, with_surface


def test_views_are_chosen_renumbered_and_may_be_repeated() -> None:
    seen = Observations(
        torch.tensor([0, 2, 1, 2]), torch.tensor([5, 6, 7, 8]), torch.arange(8.0).view(4, 2), torch.arange(4.0), False
    )
    kept = seen.only([2, 1, 2])
    assert kept.views.tolist() == [0, 0, 1, 2, 2]
    assert kept.points.tolist() == [6, 8, 7, 6, 8]
    assert kept.sigmas.tolist() == [1.0, 3.0, 2.0, 1.0, 3.0]
    assert not kept.measured and len(seen.only([])) == 0


def test_a_point_stays_at_its_place_when_the_scene_is_scaled_and_its_images_reduced() -> None:
    scene = with_surface(toy_scene(3, 64))
    smaller = normalized(resized(scene, torch.full((3, 2), 16)), torch.tensor([0.1, 0.2, 0.3]), 5.0)
    for each in (scene, smaller):
        seen = each.observations
        columns, rows = seen.pixels.round().long().unbind(-1)
        rays = pixel_rays(each, seen.views, rows, columns, torch.float64)
        offsets = each.points.double()[seen.points] - rays.origins
        angle = torch.linalg.cross(normalize(offsets, dim=-1), rays.directions).norm(dim=-1)
        assert float(angle.max()) < 0.75 / float(each.cameras.intrinsics[0, 0]), "within a pixel's corner"
    torch.testing.assert_close(smaller.observations.sigmas, scene.observations.sigmas / 5.0)


def test_the_uncertainty_of_a_depth_is_that_of_a_simulated_triangulation() -> None:
    draw = torch.Generator().manual_seed(3)
    centers = torch.tensor([[0.0, 0.0, 0.0], [0.4, 0.1, 0.0], [-0.2, 0.3, 0.1]], dtype=torch.float64)
    point, error, focal, n = torch.tensor([0.3, -0.2, -5.0], dtype=torch.float64), 0.7, 900.0, 20_000
    along = point - centers
    distances = along.norm(dim=-1)
    d = along / distances[:, None]
    noise = torch.randn(n, 3, 3, generator=draw, dtype=torch.float64) * (error / focal)
    noisy = normalize(d + noise - (noise * d).sum(-1, keepdim=True) * d, dim=-1)
    across = torch.eye(3, dtype=torch.float64) - noisy[..., :, None] * noisy[..., None, :]
    weights = (1.0 / distances.square())[None, :, None, None]
    found = torch.linalg.solve((weights * across).sum(1), (weights * (across @ centers[..., None])).sum(1))[..., 0]
    measured = ((found - point) @ d.T).std(0)
    views, points = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 0, 0, 1])
    positions = torch.stack([point, point])
    errors = torch.full((2,), error, dtype=torch.float64)
    sigmas = depth_sigmas(views, points, positions, centers, torch.full((3,), focal), errors)
    torch.testing.assert_close(sigmas[:3], measured, rtol=0.03, atol=0.0)
    assert sigmas[3].isinf(), "a single view says nothing about the distance"


def test_estimated_observations_leave_out_the_back_of_a_ball() -> None:
    scene = with_surface(toy_scene(4, 64), n_points=3000)
    seen = estimated(scene.cameras, scene.points)
    assert not seen.measured
    offsets = scene.cameras.c2w[seen.views, :, 3] - scene.points[seen.points].double()
    facing = (offsets * scene.points[seen.points]).sum(-1) > 0
    assert float(facing.double().mean()) > 0.97, "half of the points face away from a view"
    found, exact = (set(zip(o.views.tolist(), o.points.tolist(), strict=True)) for o in (seen, scene.observations))
    assert len(found & exact) > 0.75 * len(exact)
    torch.testing.assert_close(seen.sigmas, 0.02 * offsets.norm(dim=-1))
    assert len(estimated(scene.cameras, scene.points[:0])) == 0
