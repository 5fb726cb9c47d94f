"""Panoramas: rays and projections against spherical coordinates in nested loops, and cones against solid angles."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.cameras import Camera, Cameras, View, angle_across, directions, project, visible
from radfield_core.data import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.rays import PixelRays, RaySpace, view_rays
from radfield_core.types import SceneBox

HEIGHT = 24


def pose(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]
    rotation[:, 0] *= torch.linalg.det(rotation)
    return torch.cat([rotation, torch.randn(3, 1, dtype=torch.float64, generator=generator)], 1)


def spherical(c2w: list[list[float]], column: int, row: int, center: float) -> list[float]:
    """World direction of a pixel's ray. The polar angle is measured from +y, the azimuth from -z to +x."""
    azimuth = 2 * math.pi * (column + center) / (2 * HEIGHT) - math.pi
    polar = math.pi * (row + center) / HEIGHT
    local = (math.sin(polar) * math.sin(azimuth), math.cos(polar), -math.sin(polar) * math.cos(azimuth))
    return [sum(c2w[i][j] * local[j] for j in range(3)) for i in range(3)]


@pytest.mark.parametrize("center", [0.0, 0.5])
def test_the_ray_of_every_pixel_is_that_of_spherical_coordinates(center: float) -> None:
    view = View(pose(1), replace(Camera.equirectangular(HEIGHT), pixel_center=center))
    rays = view_rays(RaySpace(0.5, 4.0, limits_along="axis"), view, dtype=torch.float64)
    expected = [
        spherical(view.c2w.tolist(), column, row, center) for row in range(HEIGHT) for column in range(2 * HEIGHT)
    ]
    torch.testing.assert_close(rays.directions, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(rays.near, torch.full_like(rays.near, 0.5))  # without an axis, limits are distances
    torch.testing.assert_close(rays.origins, view.c2w[:, 3].expand_as(rays.origins))


def test_the_middle_looks_ahead_the_quarter_right_and_the_top_up() -> None:
    camera = Camera.equirectangular(HEIGHT)
    places = torch.tensor([[HEIGHT, HEIGHT / 2], [1.5 * HEIGHT, HEIGHT / 2], [HEIGHT, 0.0], [0.0, HEIGHT / 2]])
    found = directions(places, camera.intrinsics, 0.0, camera.model)
    expected = torch.tensor([[0.0, 0, -1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)
    assert math.degrees(angle_across(camera)) == pytest.approx(360)


@given(
    seed=st.integers(0, 999), u=st.floats(-0.499, 47.499), v=st.floats(-0.49, 23.49), distance=st.floats(0.01, 100.0),
    center=st.sampled_from([0.0, 0.5]), shift=st.sampled_from([0.0, -7.0, 30.0]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_projecting_a_pixels_point_gives_the_pixel_back_over_the_seam_too(
    seed: int, u: float, v: float, distance: float, center: float, shift: float
) -> None:
    """`shift` moves the direction ahead away from the middle column, so that the seam lies within the image."""
    middle = Camera.equirectangular(HEIGHT)
    view = View(pose(seed), replace(middle, pixel_center=center, cx=middle.cx + shift))
    v = min(max(v, -center + 0.01), HEIGHT - center - 0.01)  # not beyond the poles
    pixels = torch.tensor([[u, v]], dtype=torch.float64)
    local = directions(pixels, view.camera.intrinsics, center, view.camera.model)
    points = distance * local @ view.c2w[:, :3].T + view.c2w[:, 3]
    seen, distances = project(view, points)
    torch.testing.assert_close(seen, pixels, atol=1e-4, rtol=0)
    torch.testing.assert_close(distances, torch.tensor([distance], dtype=torch.float64))
    assert bool(visible(view, points)) == (-0.5 <= v < HEIGHT - 0.5)


def test_the_seam_belongs_to_the_first_column() -> None:
    """A point exactly behind the camera, and its neighbors on both sides."""
    view = View(torch.eye(4)[:3], Camera.equirectangular(HEIGHT))
    points = torch.tensor([[0.0, 0, 1], [-0.01, 0, 1], [0.01, 0, 1]])
    columns = project(view, points)[0][:, 0]
    assert ((columns >= -0.5) & (columns < 2 * HEIGHT - 0.5)).all() and visible(view, points).all()
    assert columns[1] == pytest.approx(-0.5 + 0.01 * 2 * HEIGHT / (2 * math.pi), abs=1e-4)
    assert columns[2] == pytest.approx(2 * HEIGHT - 0.5 - 0.01 * 2 * HEIGHT / (2 * math.pi), abs=1e-4)


def test_a_window_sees_what_its_part_of_the_panorama_sees() -> None:
    whole = Camera.equirectangular(HEIGHT)
    window = replace(whole, width=10, height=8, cx=whole.cx - 35, cy=whole.cy - 4)
    points = 5.0 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    every, part = (View(pose(2), camera) for camera in (whole, window))
    pixels, inside = project(every, points)[0], visible(part, points)
    expected = ((pixels >= torch.tensor([34.5, 3.5])) & (pixels < torch.tensor([44.5, 11.5]))).all(-1)
    assert torch.equal(inside, expected) and 20 < int(inside.sum()) < 400
    moved = project(part, points)[0][inside] + torch.tensor([35.0, 4.0])
    torch.testing.assert_close(moved, pixels[inside])


def solid_angle(row: int) -> float:
    """The solid angle of a pixel by the midpoint rule on 200 × 200 parts."""
    total, n = 0.0, 200
    for part in range(n):
        polar = math.pi * (row + (part + 0.5) / n) / HEIGHT
        total += math.sin(polar) * (math.pi / HEIGHT / n) * (math.pi / HEIGHT)
    return total


def test_the_cone_of_a_pixel_has_the_area_of_the_pixel_and_shrinks_toward_the_poles() -> None:
    """mip-NeRF's cone has the variance of a square pixel: its radius is 2 / √12 of the pixel's side."""
    view = View(pose(0), Camera.equirectangular(HEIGHT))
    radii = view_rays(RaySpace(0.5, 4.0), view, dtype=torch.float64).radii.view(HEIGHT, 2 * HEIGHT)
    torch.testing.assert_close(radii, radii[:, :1].expand_as(radii))
    for row in range(HEIGHT):
        side = radii[row, 0] * math.sqrt(12) / 2
        assert float(side**2) == pytest.approx(solid_angle(row), rel=0.01), row
    half = radii[: HEIGHT // 2, 0]
    assert (half.diff() > 0).all() and float(half[0] / half[-1]) < 0.3


def scene_of(cameras: Cameras, ndc: bool = False) -> Scene:
    images = MemoryImages(torch.zeros(len(cameras), HEIGHT, 2 * HEIGHT, 3, dtype=torch.uint8))
    return Scene(cameras, images, 0.5, 4.0, SceneBox(torch.zeros(3), 1.0), ndc=ndc)


def test_rays_of_drawn_pixels_are_those_of_the_view() -> None:
    cameras = Cameras.equirectangular(torch.stack([pose(0), pose(1)]), HEIGHT)
    images, rows, columns = torch.tensor([1, 0, 1]), torch.tensor([0, 5, 23]), torch.tensor([47, 0, 20])
    drawn = PixelRays(scene_of(cameras))(images, rows, columns)
    for i in range(3):
        whole = view_rays(RaySpace(0.5, 4.0), cameras.view(int(images[i])))
        pixel = int(rows[i]) * 2 * HEIGHT + int(columns[i])
        torch.testing.assert_close(drawn.directions[i], whole.directions[pixel])
        torch.testing.assert_close(drawn.radii[i], whole.radii[pixel])


def test_ndc_is_refused_in_words() -> None:
    cameras = Cameras.equirectangular(torch.eye(4, dtype=torch.float64)[None, :3], HEIGHT)
    with pytest.raises(DatasetError, match="panoramas look in all directions"):
        PixelRays(scene_of(cameras, ndc=True))


def test_across_is_the_angle_between_the_edges_for_every_lens() -> None:
    pinhole = Camera(200, 100, 80.0, 80.0, 60.0, 50.0)
    assert angle_across(pinhole) == pytest.approx(math.atan(60 / 80) + math.atan(140 / 80))
    fisheye = Camera(200, 100, 50.0, 50.0, 100.0, 50.0, model="fisheye")
    assert angle_across(fisheye) == pytest.approx(4.0), "equidistant: 200 pixels of 1/50 radian"
