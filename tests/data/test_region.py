"""The region of an object is measured from the points that all cameras see, without the table that it stands on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.config.run import SceneConfig
from radfield_core.data.images import MemoryImages
from radfield_core.data.normalize import content_sphere, prepare_scene
from radfield_core.data.placement import content_box, ground_plane, upward, usual_up
from radfield_core.data.region import MARGIN, holds_cameras, object_sphere
from radfield_core.data.scene import Scene
from radfield_core.types import SceneBox

RADIUS, HEIGHT = 0.15, 0.5
UP = np.array([0.0, 0.0, 1.0])


def rotation(seed: int) -> np.ndarray:
    """Return a random rotation [3, 3]."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def cup(seed: int = 0, on_their_side: bool = False, table: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Return 24 cameras c2w [24, 3, 4] around a cup on a large table, z up, and points of both [P, 3].

    The pictures are 36° high and show the cup, and parts of the table. Far points behind the table are seen by few.
    """
    draw = np.random.default_rng(seed)
    turn = draw.uniform(0, 2 * np.pi, 1500)
    side = np.stack([RADIUS * np.cos(turn), RADIUS * np.sin(turn), draw.uniform(0, HEIGHT, 1500)], -1)
    flat = np.append(draw.uniform(-3, 3, (table, 2)), draw.normal(0, 0.002, (table, 1)), 1)
    wall = draw.uniform(-1, 1, (200, 3)) * [4, 0.1, 1] + [0, 6, 1]
    angle = 2 * np.pi * np.arange(24) / 24
    places = np.stack([1.6 * np.cos(angle), 1.6 * np.sin(angle), np.full(24, 1.2)], -1)
    back = places - [0, 0, HEIGHT / 2]
    back /= np.linalg.norm(back, axis=-1, keepdims=True)
    right = np.cross(UP, back)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    above = np.cross(back, right)
    axes = [-above, right] if on_their_side else [right, above]
    return np.stack([*axes, back, places], -1), np.concatenate([side, flat, wall])


def cameras_of(c2w: np.ndarray) -> Cameras:
    return Cameras.pinhole(torch.from_numpy(c2w), 60.0, 40, 40)


def scene_of(c2w: np.ndarray, points: np.ndarray | None) -> Scene:
    """Return a capture as its parser makes it: the region is a box around cameras and points."""
    centers = c2w[:, :, 3]
    center, radius = content_box(centers if points is None else points, centers)
    box = SceneBox(torch.from_numpy(center).float(), radius, measured=points is not None)
    images = MemoryImages(torch.zeros(len(c2w), 40, 40, 3, dtype=torch.uint8))
    known = None if points is None else torch.from_numpy(points)
    return Scene(cameras_of(c2w), images, 0.1, 9.0, box, points=known)


@pytest.mark.parametrize("seed", range(4))
def test_the_sphere_holds_the_cup_and_not_the_table(seed: int) -> None:
    c2w, points = cup(seed)
    turn, shift = rotation(seed), np.array([3.0, -2.0, 7.0])
    moved = np.concatenate([turn @ c2w[:, :, :3], (turn @ c2w[:, :, 3:]) + shift[:, None]], -1)
    found = object_sphere(cameras_of(moved), torch.from_numpy(points @ turn.T + shift))
    assert found is not None and "above the plane that they stand on" in found.how
    center = turn.T @ (found.center.numpy() - shift)
    np.testing.assert_allclose(center, [0, 0, HEIGHT / 2], atol=0.03)
    corner = np.hypot(RADIUS, HEIGHT / 2)
    assert corner < found.radius < 1.05 * MARGIN * corner  # the foot of the cup is inside, too


def test_without_a_table_the_points_that_all_cameras_see_are_the_object() -> None:
    c2w, points = cup(table=0)
    found = object_sphere(cameras_of(c2w), torch.from_numpy(points))
    assert found is not None and "plane" not in found.how
    np.testing.assert_allclose(found.center.numpy(), [0, 0, HEIGHT / 2], atol=0.03)


def test_too_few_points_and_points_around_the_cameras_measure_no_object() -> None:
    c2w, points = cup()
    cameras = cameras_of(c2w)
    assert object_sphere(cameras, None) is None
    assert object_sphere(cameras, torch.from_numpy(points[:49])) is None
    assert object_sphere(cameras, torch.from_numpy(points[1500:4500])) is None  # the table alone
    around = np.random.default_rng(0).normal(size=(500, 3))
    outward = c2w * np.array([-1, 1, -1, 1])  # half a turn about each camera's y axis
    assert object_sphere(cameras_of(outward), torch.from_numpy(5 * around)) is None


def test_the_object_lies_in_the_unit_sphere_of_a_capture_and_the_message_says_from_what() -> None:
    c2w, points = cup()
    before = scene_of(c2w, points)
    made = prepare_scene(before, SceneConfig(normalize="object"))
    assert made.box.shape == "sphere" and made.box.radius == 1.0 and made.box.center.tolist() == [0, 0, 0]
    inside = made.points[:1500].norm(dim=-1)
    assert float(inside.max()) < 1.0 and float(made.cameras.c2w[:, :, 3].norm(dim=-1).min()) > 1.0
    (line,) = made.chosen
    assert line.startswith("region   sphere of radius 0.3") and "at least 95 % of the cameras see" in line
    torch.testing.assert_close(made.data_points(made.points), before.points)


def test_without_points_the_region_is_about_the_point_that_the_cameras_look_at() -> None:
    before = scene_of(cup()[0], None)
    made = prepare_scene(before, SceneConfig(normalize="object", normalize_margin=1.2))
    center, radius = content_sphere(before, 1.2)
    torch.testing.assert_close(made.to_data[:3, 3], center)
    assert float(made.to_data[0, 0]) == pytest.approx(radius) and "the point that the cameras look at" in made.chosen[0]


def test_a_region_that_the_data_state_is_kept() -> None:
    before = dataclasses.replace(scene_of(*cup()), box=SceneBox(torch.zeros(3), 1.0, "sphere"))
    made, usual = (prepare_scene(before, SceneConfig(normalize=how)) for how in ("object", "scale"))
    torch.testing.assert_close(made.cameras.c2w, usual.cameras.c2w)
    assert made.box.radius == usual.box.radius and made.chosen == ()
    in_ndc = dataclasses.replace(before, ndc=True, near=0.0, far=1.0)
    assert prepare_scene(in_ndc, SceneConfig(normalize="object")).box.radius == 1.0


def test_cameras_that_look_at_no_common_point_keep_the_region_with_a_note() -> None:
    c2w = cup()[0]
    still = np.concatenate([np.broadcast_to(c2w[:1, :, :3], (24, 3, 3)), np.zeros((24, 3, 1))], -1)
    made = prepare_scene(scene_of(still, None), SceneConfig(normalize="object"))
    assert made.chosen == () and "do not look at a common point" in made.notes[-1]


def test_cameras_in_the_corners_of_a_box_are_in_the_box_but_not_in_the_sphere() -> None:
    corners = np.array([[0.9, 0.9, 0.9], [-0.9, 0.9, 0.9], [5.0, 0, 0]])
    assert holds_cameras(np.zeros(3), 1.0, False, corners) and not holds_cameras(np.zeros(3), 1.0, True, corners)
    assert not holds_cameras(np.zeros(3), 1.0, False, corners[1:] + np.array([0, 0, 1])) and not holds_cameras(
        np.zeros(3), 1.0, False, np.zeros((0, 3))
    )


@pytest.mark.parametrize("on_their_side", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_up_is_the_normal_of_the_table_even_if_the_photographs_lie_on_their_side(
    seed: int, on_their_side: bool
) -> None:
    c2w, points = cup(seed, on_their_side)
    turn = rotation(seed)
    up, how = upward(turn @ c2w, "ground", points @ turn.T)
    assert np.degrees(np.arccos(min(1.0, up @ turn @ UP))) < 0.5
    assert how.startswith("the plane of the ground, on which 6")
    rough = usual_up(turn @ c2w)
    assert rough @ turn @ UP > 0.5 * np.linalg.norm(rough)


def test_the_share_of_the_ground_is_counted() -> None:
    c2w, points = cup(table=1000)
    ground = ground_plane(points, c2w, UP)
    assert ground is not None
    assert ground.share == pytest.approx(1000 / len(points), abs=0.08)
    assert abs(ground.origin[2]) < 0.01 and ground.normal @ UP > 0.999
