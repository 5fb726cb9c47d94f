"""Pixels, directions and points of cameras with and without distortion."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.cameras import Camera, Cameras, View, directions, project, unproject

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


@pytest.mark.parametrize("model", LENSES)
@given(
    seed=st.integers(0, 999),
    u=st.floats(-0.5, 63.5),
    v=st.floats(-0.5, 47.5),
    depth=st.floats(0.1, 100.0),
    center=st.sampled_from([0.0, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_project_undoes_unproject_to_a_ten_thousandth_pixel(
    model: str, seed: int, u: float, v: float, depth: float, center: float
) -> None:
    view = View(pose(seed), Camera(64, 48, 55.0, 60.0, 31.0, 25.5, center, model, LENSES[model]))
    pixels, depths = torch.tensor([[u, v]], dtype=torch.float64), torch.tensor([depth], dtype=torch.float64)
    seen, along = project(view, unproject(view, pixels, depths))
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


def test_pixel_center_says_where_in_its_cell_a_pixel_is_looked_through() -> None:
    intrinsics = torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64)
    first = torch.zeros(2)
    assert directions(first, intrinsics, 0.5).tolist() == [-0.75, 0.25, -1.0]
    assert directions(first, intrinsics, 0.0).tolist() == [-1.0, 0.5, -1.0]


def test_a_point_behind_a_camera_has_no_positive_depth() -> None:
    view = View(torch.eye(4, dtype=torch.float64)[:3], Camera(4, 2, 2.0, 2.0, 2.0, 1.0))
    assert float(project(view, torch.tensor([[0.0, 0.0, 1.0]]))[1]) < 0


def test_cameras_hand_out_what_they_hold() -> None:
    c2w = torch.stack([pose(0), pose(1)])
    cameras = Cameras.pinhole(c2w.float(), 30.0, 20, 10)
    view = cameras.view(1, image_id=7)
    assert len(cameras) == 2 and view.image_id == 7 and view.c2w.dtype == torch.float64
    assert dataclasses.astuple(view.camera) == (20, 10, 30.0, 30.0, 10.0, 5.0, 0.5, "pinhole", ())
