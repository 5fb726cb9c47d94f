"""Smooth motion through poses, compared with closed forms, nested loops of de Casteljau, and finite differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from radfield_core.render.pose_splines import (
    interpolated_poses,
    interpolated_values,
    rotation_matrices,
    rotation_vector,
)


def pose(vector: list[float], position: list[float]) -> np.ndarray:
    rotation = rotation_matrices(np.array([vector]))[0]
    return np.concatenate([rotation, np.array(position)[:, None]], 1)


def about_z(angle: float) -> np.ndarray:
    """Written out: the rotation matrix about z."""
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, 2.0, np.pi - 1e-6])
def test_rotations_about_an_axis_are_those_of_the_textbook(angle: float) -> None:
    np.testing.assert_allclose(rotation_matrices(np.array([[0.0, 0.0, angle]]))[0], about_z(angle), atol=1e-12)
    np.testing.assert_allclose(rotation_vector(about_z(angle)), [0, 0, angle], atol=1e-9)


def test_between_two_poses_the_camera_moves_straight_and_turns_as_slerp() -> None:
    """Shoemake's slerp in quaternions: sin((1−u)θ)/sin θ · p + sin(uθ)/sin θ · q, where θ is half the angle."""
    ends = np.stack([pose([0.2, -0.1, 0.4], [0, 0, 0]), pose([-0.5, 1.1, 0.3], [3, 6, -3])])
    at = np.array([0.0, 0.6, 1.3, 2.0])
    found = interpolated_poses(ends, np.array([2.0, 9.0]), at)
    np.testing.assert_allclose(found[:, :, 3], np.outer(at / 2, [3, 6, -3]), atol=1e-12)

    def quaternion(vector: np.ndarray) -> np.ndarray:
        angle = np.linalg.norm(vector)
        return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * vector / angle)])

    p, q = quaternion(np.array([0.2, -0.1, 0.4])), quaternion(np.array([-0.5, 1.1, 0.3]))
    theta = np.arccos(p @ q)
    for time, rotation in zip(at, found[:, :, :3], strict=True):
        u = time / 2
        w, x, y, z = (np.sin((1 - u) * theta) * p + np.sin(u * theta) * q) / np.sin(theta)
        third = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)]
        np.testing.assert_allclose(rotation[:, 2], third, atol=1e-9)


def test_a_steady_turn_with_uneven_keyframes_stays_steady() -> None:
    times = np.array([0.0, 0.5, 2.0, 2.25, 4.0])
    c2w = np.stack([np.concatenate([about_z(0.7 * t), [[t], [2 * t], [0]]], 1) for t in times])
    at = np.linspace(0, 4, 23)
    found = interpolated_poses(c2w, np.diff(times, append=5.0), at)
    for time, one in zip(at, found, strict=True):
        np.testing.assert_allclose(one[:, :3], about_z(0.7 * time), atol=1e-9)
        np.testing.assert_allclose(one[:, 3], [time, 2 * time, 0], atol=1e-9)


def test_a_thrown_ball_keeps_its_parabola() -> None:
    times = np.array([0.0, 0.4, 1.0, 2.0])
    at = np.linspace(0, 2, 17)
    height = interpolated_values(3 * times - 2 * times**2, np.diff(times, append=3.0), at)
    np.testing.assert_allclose(height, 3 * at - 2 * at**2, atol=1e-12)


def test_positions_equal_de_casteljau_on_the_same_tangents() -> None:
    values, gaps = np.array([0.0, 3.0, -1.0, 2.0]), np.array([1.0, 2.0, 0.5, 9.0])
    slopes = [3.0, -2.0, 6.0]
    inner = [(2 * 3.0 + 1 * -2.0) / 3, (0.5 * -2.0 + 2 * 6.0) / 2.5]
    tangents = [2 * slopes[0] - inner[0], *inner, 2 * slopes[2] - inner[1]]
    for i, start in enumerate([0.0, 1.0, 3.0]):
        for u in (0.0, 0.25, 0.8):
            h = gaps[i]
            points = [
                values[i],
                values[i] + h * tangents[i] / 3,
                values[i + 1] - h * tangents[i + 1] / 3,
                values[i + 1],
            ]
            while len(points) > 1:
                points = [(1 - u) * a + u * b for a, b in pairwise(points)]
            assert interpolated_values(values, gaps, np.array([start + u * h]))[0] == pytest.approx(
                points[0], abs=1e-12
            )


@pytest.mark.parametrize("closed", [False, True])
def test_paths_pass_through_keyframes_without_a_jerk(closed: bool) -> None:
    draw = np.random.default_rng(3)
    c2w = np.stack([pose(list(draw.normal(size=3)), list(draw.normal(size=3))) for _ in range(5)])
    gaps = np.array([1.0, 0.5, 2.0, 1.5, 0.7])
    starts = np.concatenate([[0.0], np.cumsum(gaps)])
    np.testing.assert_allclose(interpolated_poses(c2w, gaps, starts[:5], closed), c2w, atol=1e-9)
    step = 1e-5
    inner = starts[1:5] if closed else starts[1:4]
    before, here, after = (interpolated_poses(c2w, gaps, inner + d, closed) for d in (-step, 0.0, step))
    np.testing.assert_allclose((here - before) / step, (after - here) / step, atol=2e-3)
    if closed:
        ends = interpolated_poses(c2w, gaps, np.array([0.0, step, starts[5] - step, starts[5]]), closed)
        np.testing.assert_allclose(ends[0], ends[3], atol=1e-9)
        np.testing.assert_allclose((ends[1] - ends[0]) / step, (ends[3] - ends[2]) / step, atol=2e-3)
    fine = interpolated_poses(c2w, gaps, np.linspace(0, 5, 40), closed)[:, :, :3]
    np.testing.assert_allclose(fine @ fine.transpose(0, 2, 1), np.broadcast_to(np.eye(3), fine.shape), atol=1e-9)


def test_a_single_keyframe_stands_still() -> None:
    one = pose([0.1, 0, 0], [1, 2, 3])[None]
    assert np.array_equal(interpolated_poses(one, np.ones(1), np.array([0.0, 5.0])), one.repeat(2, 0))
    assert interpolated_values(np.array([4.0]), np.ones(1), np.zeros(2)).tolist() == [4.0, 4.0]
