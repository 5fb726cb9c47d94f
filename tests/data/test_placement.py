"""Placement: the upward direction, the focus, the scale, and how near, far and large the content is."""

from __future__ import annotations

import numpy as np
import pytest

from radfield_core.data.placement import (
    camera_box,
    content_box,
    focus_point,
    near_far_limits,
    normalizing_similarity,
    rotation_between,
    upright,
)
from radfield_core.data.similarity import transform_cameras


def can_on_a_floor(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cameras c2w [20, 3, 4] in front of a cylinder, z up, and points [2000, 3]: one in ten is of the floor."""
    turn = rng.uniform(-0.6, 0.6, 1800)
    side = np.stack([0.2 * np.cos(turn), 0.2 * np.sin(turn), rng.uniform(0.0, 1.0, 1800)], -1)
    floor = np.append(rng.uniform(-1.5, 1.5, (200, 2)), rng.normal(0.0, 0.002, (200, 1)), 1)
    angle = rng.uniform(-0.8, 0.8, 20)
    places = np.stack([3.0 * np.cos(angle), 3.0 * np.sin(angle), rng.uniform(1.2, 2.0, 20)], -1)
    back = (places - [0.0, 0.0, 0.5]) / np.linalg.norm(places - [0.0, 0.0, 0.5], axis=1, keepdims=True)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(back, right), back, places], -1), np.concatenate([side, floor])


@pytest.mark.parametrize("seed", range(8))
def test_the_ground_is_what_things_stand_on_and_not_their_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c2w, points = can_on_a_floor(rng)
    turned = rotation_between(np.array([0.0, 0.0, 1.0]), rng.normal(size=3))
    rotation = upright(turned @ c2w, "ground", points @ turned.T)
    up = rotation @ turned @ [0.0, 0.0, 1.0]
    assert np.degrees(np.arccos(min(1.0, up[2]))) < 2.0


@pytest.mark.parametrize("points", [None, np.zeros((50, 3)), np.linspace(0, 1, 50)[:, None] * [1.0, 2.0, 3.0]])
def test_without_a_plane_up_is_the_cameras_mean(points: np.ndarray | None) -> None:
    c2w, _ = can_on_a_floor(np.random.default_rng(0))
    np.testing.assert_allclose(upright(c2w, "ground", points), upright(c2w, "up"))


def looking_at(target: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """c2w [V, 3, 4] of upright cameras that look at a point."""
    back = (centers - target) / np.linalg.norm(centers - target, axis=1, keepdims=True)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(back, right), back, centers], -1)


TARGET = np.array([1.0, -2.0, 0.5])
CENTERS = TARGET + np.random.default_rng(3).normal(size=(12, 3)) * (4.0, 4.0, 1.0)


def test_the_focus_is_the_point_that_all_cameras_look_at():
    np.testing.assert_allclose(focus_point(looking_at(TARGET, CENTERS)), TARGET, atol=1e-9)


def test_the_focus_has_the_least_squared_distance_to_skewed_axes():
    rng = np.random.default_rng(0)
    c2w = looking_at(TARGET, CENTERS)
    c2w[:, :, 3] += 0.05 * rng.normal(size=(12, 3))
    found = focus_point(c2w)

    def cost(point: np.ndarray) -> float:
        return sum(np.linalg.norm(np.cross(point - pose[:, 3], pose[:, 2])) ** 2 for pose in c2w)

    assert all(cost(found) < cost(found + step) for step in 1e-3 * np.concatenate([np.eye(3), -np.eye(3)]))


def test_panoramas_focus_on_the_mean_center_wherever_their_axes_point():
    c2w = can_on_a_floor(np.random.default_rng(0))[0][:3]
    c2w[:, :, 3] = np.eye(3)
    np.testing.assert_allclose(focus_point(c2w, panoramic=True), [1 / 3] * 3)
    np.testing.assert_allclose(camera_box(c2w, panoramic=True)[1], 1.1 * 2 / 3)
    origin = normalizing_similarity(c2w, "none", "focus", False, panoramic=True)[:3, 3]
    np.testing.assert_allclose(origin, [-1 / 3] * 3)


def test_parallel_axes_focus_on_the_mean_center():
    c2w = np.tile(np.eye(3, 4), (5, 1, 1))
    c2w[:, :, 3] = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(focus_point(c2w), c2w[:, :, 3].mean(0))


@pytest.mark.parametrize("target", [[0.3, -0.5, 0.8], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
def test_a_rotation_between_directions_is_the_smallest_one(target):
    source, target = np.array([0.0, 0.0, 2.0]), np.array(target)
    rotation = rotation_between(source, target)
    np.testing.assert_allclose(rotation @ source / 2, target / np.linalg.norm(target), atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    assert angle == pytest.approx(np.arccos(np.clip(target[2] / np.linalg.norm(target), -1, 1)))


@pytest.mark.parametrize("orientation", ["up", "vertical", "pca"])
@pytest.mark.parametrize("seed", range(3))
def test_upright_finds_the_vertical_of_level_cameras(orientation, seed):
    angles = np.linspace(0, 5, 9)
    ring = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.zeros(9)], -1)
    turned = rotation_between(np.array([0.0, 0.0, 1.0]), np.random.default_rng(seed).normal(size=3))
    rotation = upright(turned @ looking_at(np.zeros(3), ring), orientation)
    np.testing.assert_allclose(rotation @ turned @ [0, 0, 1], [0, 0, 1], atol=1e-9)


@pytest.mark.parametrize(("center", "origin"), [("none", np.zeros(3)), ("poses", CENTERS.mean(0)), ("focus", TARGET)])
def test_the_chosen_center_becomes_the_origin_and_the_largest_coordinate_one(center, origin):
    c2w = looking_at(TARGET, CENTERS)
    matrix = normalizing_similarity(c2w, "none", center, True)
    np.testing.assert_allclose(matrix @ [*origin, 1.0], [0, 0, 0, 1], atol=1e-9)
    assert np.abs(transform_cameras(matrix, c2w)[:, :, 3]).max() == pytest.approx(1)
    np.testing.assert_allclose(normalizing_similarity(c2w, "none", center, False)[:3, :3], np.eye(3))


def test_limits_hold_all_distances_but_outliers_with_a_margin():
    distances = np.append(np.linspace(2.0, 5.0, 10_000), [-1.0, 0.0, 1e6])
    near, far = near_far_limits(distances)
    assert 1.79 < near < 1.81 and 5.4 < far < 5.6
    assert near_far_limits(np.array([2.0] * 9 + [-1.0])) is None


def test_the_content_box_holds_all_cameras_and_nearly_all_points():
    points = np.append(np.random.default_rng(0).uniform(-1, 1, (5000, 3)), [[100.0, 0, 0]], 0)
    center, half = content_box(points, np.array([[0.0, 0.0, 3.0]]))
    assert np.all(np.abs([0, 0, 3.0] - center) <= half) and half < 3
    assert (np.abs(points - center) <= half).all(1).mean() > 0.98


def test_the_camera_box_is_centered_on_the_focus_and_holds_the_cameras():
    center, half = camera_box(looking_at(TARGET, CENTERS))
    np.testing.assert_allclose(center, TARGET, atol=1e-9)
    assert half == pytest.approx(1.1 * np.abs(CENTERS - TARGET).max())
