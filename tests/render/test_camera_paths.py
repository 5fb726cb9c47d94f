"""Camera paths: rigid poses that look at the scene and close on themselves."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.normalize import normalized
from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.render.camera_paths import (
    NDC_TARGET_DEPTH,
    camera_path,
    level,
    look_at,
    surrounds,
    turntable,
    upward_axis,
)
from radfield_core.testing.training import toy_scene


def forward_facing() -> Scene:
    """Cameras side by side that all look along −z."""
    scene = toy_scene()
    c2w = torch.eye(4, dtype=torch.float64)[None, :3].repeat(6, 1, 1)
    c2w[:, 0, 3] = torch.linspace(-0.5, 0.5, 6, dtype=torch.float64)
    return dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, c2w=c2w))


@pytest.mark.parametrize("name", ["turntable", "spiral"])
@pytest.mark.parametrize("scene", [toy_scene(), forward_facing()], ids=["around", "forward"])
def test_poses_are_rigid_and_steps_even_round_the_end(name: str, scene: Scene) -> None:
    _, c2w = camera_path(scene, name, 24)
    rotations = c2w[:, :, :3]
    eye = torch.eye(3, dtype=torch.float64).expand(24, 3, 3)
    torch.testing.assert_close(rotations @ rotations.mT, eye, atol=1e-9, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(24, dtype=torch.float64))
    steps = (c2w[:, :, 3] - c2w[:, :, 3].roll(1, 0)).norm(dim=-1)
    assert float(steps[0]) <= float(steps[1:].max()) * 1.01


def test_a_turntable_has_the_focus_height_and_distance_of_the_cameras() -> None:
    c2w = turntable(toy_scene(), 12)  # the toy's cameras stand on this very circle, at 4 (cos, sin, 0.4)
    centers = c2w[:, :, 3]
    torch.testing.assert_close(centers[:, :2].norm(dim=-1), torch.full((12,), 4.0, dtype=torch.float64))
    torch.testing.assert_close(centers[:, 2], torch.full((12,), 1.6, dtype=torch.float64))
    toward = torch.nn.functional.normalize(-centers, dim=-1)
    torch.testing.assert_close(-c2w[:, :, 2], toward, atol=1e-9, rtol=0)
    assert bool((c2w[:, 2, 1] > 0).all()), "upright"


def test_level_poses_keep_the_place_and_the_compass_direction() -> None:
    """By hand, with z up: a camera that looks down to +x, and one straight down and one straight up, tops toward +y."""

    def pose(right: list[float], top: list[float], back: list[float]) -> torch.Tensor:
        return torch.tensor([right, top, back, [1.0, 2.0, 3.0]], dtype=torch.float64).T

    tilted = pose([0, -1, 0], [0.6, 0, 0.8], [-0.8, 0, 0.6])
    down, up = pose([1, 0, 0], [0, 1, 0], [0, 0, 1]), pose([-1, 0, 0], [0, 1, 0], [0, 0, -1])
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    found = level(torch.stack([tilted, down, up]), z)
    torch.testing.assert_close(-found[:, :, 2], torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=torch.float64))
    torch.testing.assert_close(found[:, :, 1], z.expand(3, 3))
    torch.testing.assert_close(torch.linalg.det(found[:, :, :3]), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found[:, :, 3], tilted[None, :, 3].expand(3, 3))


def test_panoramas_surround_and_focus_on_their_middle() -> None:
    scene = forward_facing()
    assert not surrounds(scene)
    panoramas = dataclasses.replace(scene, cameras=Cameras.equirectangular(scene.cameras.c2w, 8))
    assert surrounds(panoramas)
    centers = turntable(panoramas, 8)[:, :, 3]
    middle = scene.cameras.c2w[:, :, 3].mean(0)
    torch.testing.assert_close(centers.mean(0), middle, atol=1e-9, rtol=0)


def with_cameras(centers: torch.Tensor, up: str | None = None, roll: float = 0.0) -> Scene:
    """The toy scene seen by upright cameras at `centers` that look at the origin and roll about their axes."""
    zero, z = torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    c2w = look_at(centers.double(), zero, z)
    angle = roll * torch.sin(17.0 * torch.arange(len(centers), dtype=torch.float64))[:, None]
    x, y = c2w[:, :, 0].clone(), c2w[:, :, 1].clone()
    c2w[:, :, 0], c2w[:, :, 1] = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    scene = toy_scene(len(centers))
    return dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, c2w=c2w), up=up)


def one_sided(n: int = 40) -> torch.Tensor:
    """Camera centers on a quarter of a hemisphere: the mean of the cameras' upward axes is far from vertical."""
    generator = torch.Generator().manual_seed(0)
    azimuth, height = (torch.rand(n, generator=generator, dtype=torch.float64) for _ in range(2))
    azimuth, height = 1.6 * azimuth, 0.6 + 0.3 * height
    across = (1 - height * height).sqrt()
    return 4.0 * torch.stack([across * azimuth.cos(), across * azimuth.sin(), height], -1)


def tilt(axis: torch.Tensor, truth: tuple[float, float, float]) -> float:
    """Angle in degrees between two directions."""
    cosine = axis @ torch.tensor(truth, dtype=torch.float64)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def test_a_turntable_turns_about_the_axis_that_the_data_states() -> None:
    scene = with_cameras(one_sided(), up="z", roll=0.4)
    assert tilt(torch.nn.functional.normalize(scene.cameras.c2w[:, :, 1].mean(0), dim=0), (0, 0, 1)) > 20
    c2w = turntable(scene, 8)
    assert tilt(upward_axis(scene), (0, 0, 1)) < 1e-6
    torch.testing.assert_close(c2w[:, 2, 3], c2w[:1, 2, 3].expand(8))
    assert float(c2w[:, 2, 0].abs().max()) < 1e-9, "cameras are level"
    assert tilt(upward_axis(dataclasses.replace(scene, up="-y")), (0, -1, 0)) < 1e-6


def test_the_axis_that_the_data_states_turns_with_the_scene() -> None:
    scene = with_cameras(one_sided(), up="-x")
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)  # scene to data: x becomes y
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = 3.0 * turn, 5.0
    assert tilt(upward_axis(dataclasses.replace(scene, to_data=to_data)), (0, 1, 0)) < 1e-6  # scene y is data −x


def test_without_a_stated_axis_level_cameras_say_what_is_up() -> None:
    assert tilt(upward_axis(with_cameras(one_sided())), (0, 0, 1)) < 1e-6
    assert tilt(upward_axis(with_cameras(one_sided(), roll=0.05)), (0, 0, 1)) < 3


@pytest.mark.parametrize("roll", [0.0, 0.6])
def test_without_a_stated_axis_cameras_in_a_plane_say_what_is_up(roll: float) -> None:
    angles = torch.linspace(0.0, 2.0, 30, dtype=torch.float64)  # an arc, seen from above
    centers = torch.stack([3 * angles.cos(), 3 * angles.sin(), 2.5 + 0.05 * torch.sin(9 * angles)], -1)
    scene = with_cameras(centers, roll=roll)
    assert tilt(torch.nn.functional.normalize(scene.cameras.c2w[:, :, 1].mean(0), dim=0), (0, 0, 1)) > 20
    assert tilt(upward_axis(scene), (0, 0, 1)) < 3


def test_cameras_on_a_wall_or_a_line_say_nothing_by_their_plane() -> None:
    """The plane of forward-facing cameras is a wall, and its normal is where they look."""
    grid = torch.stack([*torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij")], -1).reshape(-1, 2)
    scene = toy_scene(20)
    c2w = torch.eye(4, dtype=torch.float64)[None, :3].repeat(20, 1, 1)
    c2w[:, :2, 3] = grid.double()
    wall = dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, c2w=c2w))
    assert tilt(upward_axis(wall), (0, 1, 0)) < 1e-6
    assert tilt(upward_axis(forward_facing()), (0, 1, 0)) < 1e-6
    two = with_cameras(torch.tensor([[3.0, 0, 1], [0, 3.0, 1]]))
    assert upward_axis(two).isfinite().all()


def meeting_point(c2w: torch.Tensor) -> torch.Tensor:
    """The point [3] where the optical axes of a path meet."""
    return torch.from_numpy(focus_point(c2w.numpy()))


@pytest.mark.parametrize(("near", "far"), [(2.0, 6.0), (0.5, 40.0), (3.0, 3.5)])
def test_a_spiral_of_parallel_cameras_looks_at_the_depth_of_llff(near: float, far: float) -> None:
    scene = dataclasses.replace(forward_facing(), near=near, far=far)
    _, c2w = camera_path(scene, "spiral", 9)
    # LLFF's render_path_spiral: mean_dz = 1./(((1.-dt)/close_depth + dt/inf_depth)), with dt = .75
    dt = 0.75
    mean_dz = 1.0 / ((1.0 - dt) / near + dt / far)
    assert near < mean_dz < far
    assert meeting_point(c2w).tolist() == pytest.approx([0.0, 0.0, -mean_dz], abs=1e-6)


def test_a_spiral_in_ndc_looks_at_a_depth_of_its_own() -> None:
    _, c2w = camera_path(dataclasses.replace(forward_facing(), ndc=True, near=0.0, far=1.0), "spiral", 9)
    assert meeting_point(c2w).tolist() == pytest.approx([0.0, 0.0, -NDC_TARGET_DEPTH], abs=1e-6)


def test_a_spiral_stays_among_the_cameras_and_looks_their_way() -> None:
    _, c2w = camera_path(forward_facing(), "spiral", 30)
    assert float(c2w[:, :, 3].abs().max()) <= 0.5
    assert float(-c2w[:, 2, 2].max()) < -0.9


def off_focus(scene: Scene, name: str) -> float:
    """The largest angle, in degrees, between a path's axes and the direction to what the cameras look at."""
    _, c2w = camera_path(scene, name, 12)
    focus = torch.from_numpy(focus_point(scene.cameras.c2w.double().numpy()))
    toward = torch.nn.functional.normalize(focus - c2w[:, :, 3], dim=-1)
    return float(torch.rad2deg(torch.acos((-c2w[:, :, 2] * toward).sum(-1).clamp(-1, 1))).max())


def test_a_spiral_looks_at_what_the_cameras_converge_on_at_any_depth() -> None:
    angles = torch.linspace(-1.2, 1.2, 9, dtype=torch.float64)
    centers = torch.tensor([2.0, -1.0, 0.5]) + 5.0 * torch.stack([angles.sin(), -angles.cos(), 0.2 * angles.cos()], -1)
    target, up = torch.tensor([2.0, -1.0, 0.5]).double(), torch.tensor([0.0, 0.0, 1.0]).double()
    scene = toy_scene(9)
    arc = dataclasses.replace(scene.cameras, c2w=look_at(centers, target, up))
    scene = dataclasses.replace(scene, cameras=arc, near=0.3, far=17.0)
    assert camera_path(scene, "auto", 3)[0] == "spiral" and off_focus(scene, "spiral") < 1e-3


def test_a_spiral_of_nearly_parallel_cameras_that_meet_behind_looks_forward() -> None:
    scene = forward_facing()
    c2w = scene.cameras.c2w.clone()
    apart = torch.linspace(-0.1, 0.1, 6, dtype=torch.float64)
    c2w[:, :, 2] = torch.nn.functional.normalize(torch.stack([-apart, 0 * apart, 1 + 0 * apart], -1), dim=-1)
    c2w[:, :, 0] = torch.linalg.cross(c2w[:, :, 1], c2w[:, :, 2])
    scene = dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, c2w=c2w))
    assert float(-camera_path(scene, "spiral", 8)[1][:, 2, 2].max()) < -0.9


def test_auto_looks_at_the_cameras() -> None:
    assert surrounds(toy_scene()) and not surrounds(forward_facing())
    assert camera_path(toy_scene(), "auto", 3)[0] == "turntable"
    assert camera_path(forward_facing(), "auto", 3)[0] == "spiral"


def test_an_unknown_path_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'loop'.*turntable, spiral"):
        camera_path(toy_scene(), "loop", 3)


def test_a_camera_that_looks_at_a_target_has_it_on_its_axis() -> None:
    target = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    pose = look_at(torch.tensor([[5.0, -1.0, 4.0]]).double(), target, torch.tensor([0.0, 0.0, 1.0]).double())[0]
    local = pose[:, :3].T @ (target - pose[:, 3])
    torch.testing.assert_close(local[:2], torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)
    assert float(local[2]) < 0


def test_a_captures_own_path_is_followed_and_moves_with_the_scene() -> None:
    own = camera_path(forward_facing(), "spiral", 8)[1]
    scene = dataclasses.replace(toy_scene(), render_path=own)
    name, c2w = camera_path(scene, "auto", 4)
    assert name == "path" and torch.equal(c2w, own[::2])
    center = torch.tensor([0.5, 1.0, -2.0], dtype=torch.float64)
    shifted = normalized(scene, center, 2.0)
    assert shifted.render_path is not None
    torch.testing.assert_close(shifted.data_points(shifted.render_path[:, :, 3]), own[:, :, 3])
    assert torch.equal(shifted.render_path[:, :, :3], own[:, :, :3])
