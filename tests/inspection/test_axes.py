"""Cameras that do not look at their scene are warned of, with the cause and the options that turn them."""

from __future__ import annotations

from dataclasses import replace

import attrs
import numpy as np
import pytest
import torch

from radfield_core import PoseOptions
from radfield_core.data.poses import as_stored, to_opengl
from radfield_core.inspection.axes import meeting, seen_share, viewing_axes
from radfield_core.testing.captures import toy_capture

OFFSET = np.array([0.5, -0.2, 8.0])


def read(scene, written=("RUB", False), options=None, points=False):
    """The scene as a dataparser with `options` reads poses that were written with other axes."""
    options = options or PoseOptions()
    c2w = scene.cameras.c2w.numpy()
    stored = as_stored(c2w, *written)
    found = to_opengl(stored, options.stored_axes(), options.world_to_camera)
    cameras = replace(scene.cameras, c2w=torch.from_numpy(found))
    return replace(scene, cameras=cameras, points=scene.points if points else None)


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize(
    ("written", "options"),
    [
        (("RDF", False), "data.axes=opencv"),
        (("RUB", True), "data.world_to_camera=true"),
        (("RDF", True), "data.axes=opencv data.world_to_camera=true"),
    ],
)
def test_the_options_that_a_warning_names_turn_the_cameras(written, options, points):
    scene = toy_capture(20)
    assert viewing_axes(read(scene, points=points), PoseOptions()) == []
    (warning,) = viewing_axes(read(scene, written, points=points), PoseOptions())
    assert warning.partition("; set ")[2].partition(";")[0] == options
    assert ("known points" in warning) == points and ("outward on purpose" in warning) != points
    said = dict(word.removeprefix("data.").split("=") for word in options.split())
    chosen = PoseOptions(axes=said.get("axes"), world_to_camera=said.get("world_to_camera") == "true")
    assert viewing_axes(read(scene, written, chosen, points), chosen) == []


def test_options_that_are_set_wrongly_are_named_too():
    scene = toy_capture(20)
    options = PoseOptions(axes="opencv", world_to_camera=True)
    (warning,) = viewing_axes(read(scene, ("RUB", False), options), options)
    assert "be camera-to-world matrices with OpenGL axes; set data.axes=opengl data.world_to_camera=false" in warning


def test_formats_with_axes_of_their_own_and_formats_without_options_are_told_what_fits():
    @attrs.frozen(kw_only=True)
    class Own(PoseOptions):
        own_axes = "DRB"

    scene = toy_capture(20)
    (warning,) = viewing_axes(read(scene, ("URF", False), Own()), Own())
    assert "have the axes up, right, forward; set data.axes=URF" in warning
    (warning,) = viewing_axes(read(scene, ("RDF", False)), None)
    assert "as if OpenGL and OpenCV axes were exchanged" in warning and "data." not in warning
    (warning,) = viewing_axes(read(scene, ("RUB", True)), None)
    assert "as if camera-to-world and world-to-camera were exchanged" in warning


def test_poses_of_cameras_that_all_look_at_the_origin_are_one_place_if_they_are_inverted(ring):
    scene = ring(12)
    assert viewing_axes(scene, PoseOptions()) == []
    (warning,) = viewing_axes(read(scene, ("RUB", True)), PoseOptions())
    assert "be world-to-camera matrices; set data.world_to_camera=true" in warning


def test_inverted_poses_that_happen_to_meet_are_told_by_how_badly_they_meet(ring):
    scene = ring(12)
    scene.cameras.c2w[:, :, 3] += torch.from_numpy(OFFSET)
    (warning,) = viewing_axes(read(scene, ("RDF", True)), PoseOptions())
    assert "data.axes=opencv data.world_to_camera=true" in warning


def test_the_coordinates_of_the_scene_do_not_matter():
    scene = toy_capture(20)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for written, expected in ((("RUB", False), 0), (("RUB", True), 1)):
        read_scene = read(scene, written)
        c2w = read_scene.cameras.c2w.clone()
        c2w[:, :, :3] = torch.from_numpy(turn) @ c2w[:, :, :3]
        c2w[:, :, 3] = 0.1 * (c2w[:, :, 3] @ torch.from_numpy(turn).T + 5.0)
        to_data = torch.eye(4, dtype=torch.float64)
        to_data[:3, :3], to_data[:3, 3] = 10.0 * torch.from_numpy(turn).T, -5.0 * torch.from_numpy(turn).T.sum(1)
        moved = replace(read_scene, cameras=replace(read_scene.cameras, c2w=c2w), to_data=to_data)
        found = viewing_axes(moved, PoseOptions())
        assert len(found) == expected and all("data.world_to_camera=true" in warning for warning in found)


@pytest.mark.parametrize("points", [False, True])
def test_a_few_cameras_that_look_away_are_named(points):
    scene = toy_capture(20)
    for view in (3, 11):
        scene.cameras.c2w[view, :, 1:3] *= -1
    (warning,) = viewing_axes(read(scene), PoseOptions())
    assert warning == ("2 views of 20 look away from the point in which the axes meet: view_003, view_011")
    scene.cameras.c2w[::2, :, 1:3] *= -1
    (warning,) = viewing_axes(read(scene), PoseOptions())
    assert "look away" in warning and "data." not in warning


def test_cameras_that_look_outward_and_see_the_points_are_right():
    scene = toy_capture(20)
    c2w = scene.cameras.c2w.clone()
    c2w[:, :, 1:3] *= -1
    draw = np.random.default_rng(0)
    around = draw.normal(size=(3000, 3))
    around = 20 * around / np.linalg.norm(around, axis=-1, keepdims=True) + (1.0, 2.0, 3.0)
    room = replace(scene, cameras=replace(scene.cameras, c2w=c2w), points=torch.from_numpy(around))
    assert seen_share(room, around, c2w.numpy()) > 0.01 and viewing_axes(room, PoseOptions()) == []
    assert len(viewing_axes(replace(room, points=None), PoseOptions())) == 1


def test_cameras_in_all_directions_parallel_ones_and_too_few_are_not_judged():
    scene = toy_capture(20)
    draw = np.random.default_rng(1)
    random = np.linalg.qr(draw.normal(size=(20, 3, 3)))[0]
    random *= np.sign(np.linalg.det(random))[:, None, None]
    walk = np.concatenate([random, draw.normal(size=(20, 3, 1))], -1)
    parallel = np.concatenate([np.tile(np.eye(3), (20, 1, 1)), draw.normal(size=(20, 3, 1))], -1)
    for c2w in (walk, parallel):
        cameras = replace(scene.cameras, c2w=torch.from_numpy(c2w))
        assert viewing_axes(replace(scene, cameras=cameras, points=None), PoseOptions()) == []
    assert meeting(parallel) is None
    assert viewing_axes(read(toy_capture(2), ("RDF", False)), PoseOptions()) == []


def test_the_share_of_points_seen_is_that_of_a_nested_loop():
    scene = toy_capture(5)
    points = scene.points.numpy() + np.random.default_rng(0).normal(size=(60, 3)) * 2
    inside = 0
    for view in range(5):
        c2w = scene.cameras.c2w[view].numpy()
        fx, fy, cx, cy = scene.cameras.intrinsics[view].tolist()
        for point in points:
            x, y, z = np.linalg.inv(c2w[:, :3]) @ (point - c2w[:, 3])
            if z < 0:
                inside += 0 <= fx * x / -z + cx < 32 and 0 <= fy * -y / -z + cy < 24
    assert 0 < inside < 300 and seen_share(scene, points, scene.cameras.c2w.numpy()) == pytest.approx(inside / 300)


def test_the_point_of_meeting_is_where_rays_that_are_known_to_meet_do(ring):
    found = meeting(ring(7).cameras.c2w.numpy())
    np.testing.assert_allclose(found.ahead, 4.0)
    assert found.looked_at and found.miss < 1e-12


@pytest.mark.parametrize(
    ("written", "options"), [("LDB", "data.axes=LDB"), ("LUF", "data.axes=LUF"), ("RDF", "data.axes=opencv")]
)
def test_a_known_up_axis_tells_how_the_cameras_are_turned(ring, written, options):
    scene = replace(ring(12), up="z")
    assert viewing_axes(scene, PoseOptions()) == []
    (warning,) = viewing_axes(read(scene, (written, False)), PoseOptions())
    assert f"set {options}" in warning and ("upside down" in warning) == (written == "LDB")
    assert viewing_axes(replace(read(scene, ("LDB", False)), up=None), PoseOptions()) == []
    assert len(viewing_axes(replace(scene, up="-z"), PoseOptions())) == 1
