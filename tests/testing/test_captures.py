"""Toy captures have the views that are asked for, and differences between their rays are measured."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from radfield_core.data.scene import Scene
from radfield_core.testing.captures import data_rays, pixel_difference, ray_difference, toy_capture
from radfield_core.testing.valid_scene import assert_valid_scene


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("masks", [False, True])
def test_a_capture_is_a_valid_scene_whose_cameras_look_at_its_points(forward: bool, masks: bool) -> None:
    scene = toy_capture(5, forward=forward, masks=masks)
    assert_valid_scene(scene)
    assert (scene.masks is not None) == masks and len(scene.cameras) == 5
    centers, axes = scene.cameras.c2w[:, :, 3], -scene.cameras.c2w[:, :, 2]
    toward = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) - centers
    cosine = (axes * toward).sum(-1) / toward.norm(dim=-1)
    assert float(cosine.min()) > 0.9
    assert not forward or float(axes[:, 2].max()) < -0.9


def test_the_same_seed_gives_the_same_capture_and_another_seed_another_one() -> None:
    one, same, other = toy_capture(3), toy_capture(3), toy_capture(3, seed=1)
    assert torch.equal(one.cameras.c2w, same.cameras.c2w) and torch.equal(one.images[2], same.images[2])
    assert not torch.equal(one.cameras.c2w, other.cameras.c2w)


def test_the_rays_of_a_view_are_those_of_the_pinhole_formula() -> None:
    scene = toy_capture(2, size=(8, 6))
    origin, directions = data_rays(scene, "view_001", step=5)
    c2w = scene.cameras.c2w[1].numpy()
    expected = []
    for row in (0, 5):
        for column in (0, 5):
            local = np.array([(column + 0.5 - 4) / 8, -(row + 0.5 - 3) / 8, -1.0])
            expected.append(c2w[:, :3] @ local / np.linalg.norm(local))
    np.testing.assert_allclose(origin, c2w[:, 3])
    np.testing.assert_allclose(directions, expected)


def moved(scene: Scene, shift: float) -> Scene:
    """The scene with all cameras shifted along x."""
    c2w = scene.cameras.c2w.clone()
    c2w[:, 0, 3] += shift
    return replace(scene, cameras=replace(scene.cameras, c2w=c2w))


def turned(scene: Scene, angle: float) -> Scene:
    """The scene with all cameras rotated about the z axis of the scene."""
    c, s = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    c2w = torch.cat([rotation @ scene.cameras.c2w[:, :, :3], scene.cameras.c2w[:, :, 3:]], -1)
    return replace(scene, cameras=replace(scene.cameras, c2w=c2w))


def test_a_shift_of_the_origin_is_the_difference_of_two_captures() -> None:
    scene = toy_capture(3)
    assert ray_difference(scene, scene, "view_000") == 0.0
    assert ray_difference(scene, moved(scene, 0.25), "view_000") == pytest.approx(0.25)


def test_a_rotation_is_the_difference_in_radians_and_in_pixels() -> None:
    scene = toy_capture(3)
    angle = 1e-4
    found = ray_difference(scene, turned(scene, angle), "view_001")
    _, directions = data_rays(scene, "view_001")
    largest = float(directions[:, :2].norm(dim=-1).max())  # the part of a direction across the axis of rotation
    assert found == pytest.approx(angle * largest, rel=1e-4)
    assert pixel_difference(scene, turned(scene, angle), "view_001") == pytest.approx(32.0 * found)


def test_the_transform_to_data_coordinates_is_applied_before_comparing() -> None:
    scene = toy_capture(3)
    back = torch.eye(4, dtype=torch.float64)
    back[0, 3] = -0.25
    assert ray_difference(scene, replace(moved(scene, 0.25), to_data=back), "view_002") == pytest.approx(0.0, abs=1e-12)
