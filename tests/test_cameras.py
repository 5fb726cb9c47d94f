"""Pixels, directions and points of cameras with and without distortion."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.cameras import Camera, Cameras, View, directions, project, visible

LENSES = {
    "pinhole": (),
    "opencv": (0.1, -0.05, 0.002, -0.001),
    "opencv_fisheye": (0.05, -0.01, 0.003, 0.0),
    "fov": (0.7,),
}


def pose(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]
    rotation[:, 0] *= torch.linalg.det(rotation)
    return torch.cat([rotation, torch.randn(3, 1, dtype=torch.float64, generator=generator)], 1)


def point_at(view: View, pixels: torch.Tensor, depths: torch.Tensor) -> torch.Tensor:
    """Points [M, 3] that pixels [M, 2] see at depths [M] along the optical axis."""
    camera, c2w = view.camera, view.c2w.double()
    lens = torch.tensor(camera.distortion, dtype=torch.float64)
    local = directions(pixels, camera.intrinsics, camera.pixel_center, camera.model, lens)
    return (local / -local[:, 2:] * depths[:, None]) @ c2w[:, :3].T + c2w[:, 3]


@pytest.mark.parametrize("model", LENSES)
@given(
    seed=st.integers(0, 999),
    u=st.floats(-0.5, 63.5),
    v=st.floats(-0.5, 47.5),
    depth=st.floats(0.1, 100.0),
    center=st.sampled_from([0.0, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_project_finds_a_pixels_point_to_a_ten_thousandth_pixel(
    model: str, seed: int, u: float, v: float, depth: float, center: float
) -> None:
    view = View(pose(seed), Camera(64, 48, 55.0, 60.0, 31.0, 25.5, center, model, LENSES[model]))
    pixels, depths = torch.tensor([[u, v]], dtype=torch.float64), torch.tensor([depth], dtype=torch.float64)
    seen, along = project(view, point_at(view, pixels, depths))
    torch.testing.assert_close(seen, pixels, atol=1e-4, rtol=0)
    torch.testing.assert_close(along, depths)


def test_a_known_camera_sees_known_points_at_known_pixels() -> None:
    """4×2 pixels, focal length 2, at (0, 0, 5) looking down −z: image axes are x right and y down."""
    c2w = torch.eye(4, dtype=torch.float64)[:3].clone()
    c2w[2, 3] = 5.0
    view = View(c2w, Camera(4, 2, 2.0, 2.0, 2.0, 1.0))
    points = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [-3.0, 1.0, 1.0]])
    pixels, depths = project(view, points)
    assert pixels.tolist() == [[1.5, 0.5], [2.5, 0.5], [1.5, -0.5], [0.0, 0.0]]
    assert depths.tolist() == [4.0] * 4


def test_a_pixels_ray_passes_through_pixel_center() -> None:
    intrinsics = torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64)
    first = torch.zeros(2)
    assert directions(first, intrinsics, 0.5).tolist() == [-0.75, 0.25, -1.0]
    assert directions(first, intrinsics, 0.0).tolist() == [-1.0, 0.5, -1.0]


def test_a_point_behind_a_camera_has_no_positive_depth() -> None:
    view = View(torch.eye(4, dtype=torch.float64)[:3], Camera(4, 2, 2.0, 2.0, 2.0, 1.0))
    assert float(project(view, torch.tensor([[0.0, 0.0, 1.0]]))[1]) < 0


def test_a_view_has_the_pose_and_intrinsics_of_its_row() -> None:
    c2w = torch.stack([pose(0), pose(1)])
    cameras = Cameras.pinhole(c2w.float(), 30.0, 20, 10)
    view = cameras.view(1, image_id=7)
    assert len(cameras) == 2 and view.image_id == 7 and view.c2w.dtype == torch.float64
    assert dataclasses.astuple(view.camera) == (20, 10, 30.0, 30.0, 10.0, 5.0, 0.5, "pinhole", ())


@pytest.mark.parametrize("center", [0.0, 0.5])
def test_a_visible_point_is_in_front_and_its_nearest_pixel_in_the_image(center: float) -> None:
    """One point at a time, for a pinhole: u = fx x / d + cx, measured from the left edge."""
    view = View(pose(3), Camera(6, 4, 5.0, 4.0, 3.2, 1.9, center))
    generator = torch.Generator().manual_seed(0)
    points = view.c2w[:, 3] + 3 * torch.randn(500, 3, dtype=torch.float64, generator=generator)
    found = visible(view, points).tolist()
    expected = []
    for point in points:
        x, y, z = (view.c2w[:, :3].T @ (point - view.c2w[:, 3])).tolist()
        column, row = (round(5.0 * x / -z + 3.2 - center), round(4.0 * -y / -z + 1.9 - center))
        expected.append(z < 0 and 0 <= column < 6 and 0 <= row < 4)
    assert found == expected and 20 < sum(found) < 480


def test_a_fisheye_sees_points_beside_it_and_nothing_without_a_pixel() -> None:
    beside = torch.tensor([[1.0, 0.0, 0.1], [1.0, 0.0, -0.1]], dtype=torch.float64)
    fisheye = View(torch.eye(4)[:3], Camera(400, 400, 100.0, 100.0, 200.0, 200.0, 0.5, "fisheye"))
    assert visible(fisheye, beside).tolist() == [False, True]
    assert float(project(fisheye, beside)[0][1, 0]) == pytest.approx(199.5 + 100 * math.atan2(1.0, 0.1))
    assert visible(View(torch.eye(4)[:3], Camera(4, 2, 2.0, 2.0, 2.0, 1.0)), torch.zeros(1, 3)).tolist() == [False]


def test_only_keeps_the_rows_asked_for_in_their_order() -> None:
    lens = torch.arange(12.0, dtype=torch.float64).view(3, 4)
    cameras = Cameras.pinhole(torch.stack([pose(0), pose(1), pose(2)]), 30.0, 20, 10)
    cameras = dataclasses.replace(cameras, model="opencv", distortion=lens)
    kept = cameras.only([2, 0])
    assert torch.equal(kept.c2w, cameras.c2w[[2, 0]]) and kept.camera(0).distortion == (8.0, 9.0, 10.0, 11.0)
