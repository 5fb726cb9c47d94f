"""Similarities: arrays and tensors are mapped alike, lengths grow by the scale, and cameras see the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from radfield_core.cameras import Camera, View, project
from radfield_core.data.similarity import (
    similarity_between,
    similarity_matrix,
    similarity_scale,
    transform_cameras,
    transform_points,
)


@pytest.fixture(params=range(3))
def similarity(request):
    draw = np.random.default_rng(request.param)
    rotation = Rotation.random(random_state=request.param).as_matrix()
    return rotation, draw.normal(size=3), float(draw.uniform(0.1, 10)), draw


def test_points_are_mapped_as_by_the_formula_for_each(similarity):
    rotation, center, scale, draw = similarity
    matrix, points = similarity_matrix(rotation, center, scale), draw.normal(size=(2, 5, 3))
    expected = np.array([[scale * rotation @ (x - center) for x in row] for row in points])
    np.testing.assert_allclose(transform_points(matrix, points), expected, atol=1e-12)
    tensors = transform_points(torch.from_numpy(matrix), torch.from_numpy(points))
    np.testing.assert_allclose(tensors.numpy(), expected, atol=1e-12)
    assert similarity_scale(matrix) == pytest.approx(scale)


def test_single_precision_points_are_mapped_in_double_precision():
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, 3] = 1e8
    moved = transform_points(matrix, torch.full((1, 3), -1e8, dtype=torch.float32))
    assert moved.dtype == torch.float32 and moved.tolist() == [[0.0, 0.0, 0.0]]


def test_cameras_stay_rigid_and_see_each_point_in_the_same_pixel(similarity):
    rotation, center, scale, draw = similarity
    matrix = similarity_matrix(rotation, center, scale)
    c2w = np.concatenate([Rotation.random(4, random_state=1).as_matrix(), draw.normal(size=(4, 3, 1))], -1)
    moved = transform_cameras(matrix, c2w)
    np.testing.assert_allclose(
        moved[:, :, :3].transpose(0, 2, 1) @ moved[:, :, :3], np.tile(np.eye(3), (4, 1, 1)), atol=1e-9
    )
    camera, points = Camera(80, 60, 70.0, 70.0, 40.0, 30.0), draw.normal(size=(9, 3))
    for before, after in zip(c2w, moved, strict=True):
        pixels, depths = project(View(torch.from_numpy(before), camera), torch.from_numpy(points))
        others, scaled = project(
            View(torch.from_numpy(after), camera), torch.from_numpy(transform_points(matrix, points))
        )
        torch.testing.assert_close(others, pixels, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(scaled, scale * depths, atol=1e-9, rtol=1e-9)


def test_similarity_between_cameras_is_the_one_that_moved_them(similarity):
    rotation, center, scale, draw = similarity
    c2w = np.concatenate([Rotation.random(5, random_state=2).as_matrix(), draw.normal(size=(5, 3, 1))], -1)
    matrix = similarity_matrix(rotation, center, scale)
    np.testing.assert_allclose(similarity_between(c2w, transform_cameras(matrix, c2w)), matrix, atol=1e-9)


@pytest.mark.parametrize("centers", [np.ones((3, 3)), np.outer([0.0, 1.0, 2.0], [1.0, 0.0, 0.0])])
def test_axes_determine_the_rotation_where_centers_do_not(similarity, centers):
    """Cameras at one point, and cameras on a line."""
    rotation = similarity[0]
    c2w = np.concatenate([Rotation.random(3, random_state=3).as_matrix(), centers[:, :, None]], -1)
    matrix = similarity_matrix(rotation, np.array([0.5, 0.0, 0.0]), 1.0)
    np.testing.assert_allclose(similarity_between(c2w, transform_cameras(matrix, c2w)), matrix, atol=1e-9)


def test_similarity_between_noisy_cameras_has_the_smallest_error_of_all_similarities_near_it(similarity):
    draw = similarity[3]
    given = np.concatenate([Rotation.random(8, random_state=4).as_matrix(), draw.normal(size=(8, 3, 1))], -1)
    moved = given.copy()
    moved[:, :, :3] = Rotation.from_rotvec(0.05 * draw.normal(size=(8, 3))).as_matrix() @ moved[:, :, :3]
    moved[:, :, 3] += 0.05 * draw.normal(size=(8, 3))
    best = similarity_between(given, moved)

    def error(matrix):
        found = transform_cameras(matrix, given)
        extent = np.square(given[:, :, 3] - given[:, :, 3].mean(0)).sum(-1).mean()
        return (
            0.5 * np.square(found[:, :, :3] - moved[:, :, :3]).sum() + np.square(found - moved)[:, :, 3].sum() / extent
        )

    for axis in np.eye(3):
        for size in (0.01, -0.01):
            turned = np.eye(4)
            turned[:3, :3] = Rotation.from_rotvec(size * axis).as_matrix()
            turned[:3, 3] = moved[:, :, 3].mean(0) - turned[:3, :3] @ moved[:, :, 3].mean(0)
            shifted = np.eye(4)
            shifted[:3, 3] = size * axis
            assert error(turned @ best) > error(best) and error(shifted @ best) > error(best)
