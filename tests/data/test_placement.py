"""Which way is up: the ground is found beneath what stands on it, however few of the points it has."""

from __future__ import annotations

import numpy as np
import pytest

from radfield_core.data.placement import rotation_between, upright


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
