"""Lens models against formulas written out per point, and forwards against backwards over a whole image."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st

from radfield_core.ops.distortion import MODELS, distort, undistort, widen

LENSES = {
    "pinhole": (),
    "simple_radial": (-0.05,),
    "radial": (-0.1, 0.03),
    "opencv": (-0.1, 0.03, 0.002, -0.001),
    "full_opencv": (0.1, -0.05, 0.002, -0.001, 0.01, 0.05, 0.01, 0.002),
    "fisheye": (),
    "simple_radial_fisheye": (-0.03,),
    "radial_fisheye": (-0.03, 0.01),
    "opencv_fisheye": (-0.03, 0.01, -0.004, 0.001),
    "thin_prism_fisheye": (-0.03, 0.01, 0.002, -0.001, 0.003, -0.001, 0.001, -0.002),
    "rad_tan_thin_prism_fisheye": (
        -0.02, 0.01, -0.003, 0.002, -0.001, 0.0002, 0.001, -0.002, 0.001, 0.0005, -0.001, 0.0003,
    ),
    "fov": (0.9,),
    "division": (-0.15,),
    "eucm": (0.6, 1.1),
    "equirectangular": (),
}  # fmt: skip


def parameters(model: str) -> torch.Tensor:
    return torch.tensor(LENSES[model], dtype=torch.float64)


def image_plane(width: int = 640, height: int = 480, focal: float = 500.0) -> torch.Tensor:
    columns, rows = torch.meshgrid(
        torch.arange(0.5, width, 7, dtype=torch.float64),
        torch.arange(0.5, height, 7, dtype=torch.float64),
        indexing="xy",
    )
    corners = torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]], dtype=torch.float64)
    pixels = torch.cat([torch.stack([columns, rows], -1).reshape(-1, 2), corners])
    return (pixels - torch.tensor([width / 2, height / 2])) / focal


def test_every_model_has_a_lens_here():
    assert set(LENSES) == set(MODELS)
    assert all(len(LENSES[model]) == MODELS[model] for model in MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_distorting_an_undistorted_pixel_gives_it_back_up_to_the_corners(model):
    points = image_plane()
    directions = undistort(model, points, parameters(model))
    assert (distort(model, directions, parameters(model)) - points).abs().max() * 500 < 1e-6
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(len(points), dtype=torch.float64))


def test_a_panorama_is_longitude_and_latitude():
    """Compass directions and slopes, by hand: x right, y down, z forward."""
    half = math.sqrt(0.5)
    by_hand = {
        (0.0, 0.0, 2.0): (0, 0), (3.0, 0.0, 0.0): (90, 0), (-1.0, 0.0, 0.0): (-90, 0), (half, 0.0, -half): (135, 0),
        (-1.0, 0.0, -1.0): (-135, 0), (0.0, -1.0, 1.0): (0, -45), (1.0, math.sqrt(2), 1.0): (45, 45),
        (0.0, -5.0, 0.0): (0, -90), (0.0, 0.1, 0.0): (0, 90),
    }  # fmt: skip
    directions, angles = (torch.tensor(list(table), dtype=torch.float64) for table in (by_hand, by_hand.values()))
    found = distort("equirectangular", directions, parameters("equirectangular"))
    torch.testing.assert_close(found.rad2deg(), angles)
    back = undistort("equirectangular", angles.deg2rad(), parameters("equirectangular"))
    torch.testing.assert_close(back, torch.nn.functional.normalize(directions, dim=-1))


@pytest.mark.parametrize("model", ["fisheye", "opencv_fisheye", "thin_prism_fisheye"])
def test_a_fisheye_sees_behind_the_image_plane(model):
    angles = torch.linspace(0.0, 1.9, 20, dtype=torch.float64)  # to 109 degrees from the axis
    directions = torch.stack([0.6 * angles.sin(), 0.8 * angles.sin(), angles.cos()], -1)
    back = undistort(model, distort(model, directions, parameters(model)), parameters(model))
    torch.testing.assert_close(back, directions, rtol=0, atol=1e-9)


def test_full_opencv_is_the_published_formula():
    k1, k2, p1, p2, k3, k4, k5, k6 = LENSES["full_opencv"]
    x, y = 0.31 / 1.3, -0.27 / 1.3
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    expected = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y),
    )
    found = distort("full_opencv", torch.tensor([0.31, -0.27, 1.3]), parameters("full_opencv"))
    assert found.tolist() == pytest.approx(expected, abs=1e-7)


def test_thin_prism_fisheye_is_the_published_formula():
    k1, k2, p1, p2, k3, k4, sx1, sy1 = LENSES["thin_prism_fisheye"]
    x, y, z = 0.9, -0.7, 0.4
    radius = math.hypot(x, y)
    theta = math.atan2(radius, z)
    x, y = theta * x / radius, theta * y / radius
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
    expected = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + sx1 * r2,
        y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + sy1 * r2,
    )
    directions = torch.tensor([0.9, -0.7, 0.4], dtype=torch.float64)
    found = distort("thin_prism_fisheye", directions, parameters("thin_prism_fisheye"))
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@given(st.floats(-0.25, 0.25), st.floats(-0.05, 0.05), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_wherever_a_lens_is_one_to_one_it_is_undone(k1, k2, p1, p2):
    lens = torch.tensor([k1, k2, p1, p2], dtype=torch.float64)
    directions = torch.nn.functional.pad(image_plane(focal=550.0)[::37], (0, 1), value=1.0)
    slopes = [1 + 3 * k1 * r2 + 5 * k2 * r2 * r2 for r2 in torch.linspace(0, 0.6, 30).tolist()]
    if min(slopes) < 0.2:
        return  # folds over inside the image
    back = undistort("opencv", distort("opencv", directions, lens), lens)
    assert (back[..., :2] / back[..., 2:] - directions[..., :2]).abs().max() < 1e-9


def test_a_point_that_nothing_maps_to_gets_a_finite_direction():
    folded = torch.tensor([-0.4], dtype=torch.float64)  # r (1 - 0.4 r²) never exceeds 0.609
    directions = undistort("simple_radial", torch.tensor([[0.8, 0.0], [0.3, 0.4]]), folded)
    assert directions.isfinite().all()
    reached = distort("simple_radial", directions, folded)
    assert reached[0, 0] < 0.61
    torch.testing.assert_close(reached[1], torch.tensor([0.3, 0.4], dtype=torch.float64))


def test_a_perspective_lens_sees_nothing_behind_it():
    assert distort("radial", torch.tensor([[0.1, 0.2, -1.0]]), parameters("radial")).isnan().all()


@pytest.mark.parametrize(
    ("model", "wider"),
    [("pinhole", "opencv"), ("simple_radial", "full_opencv"), ("opencv", "full_opencv"), ("radial", "opencv"),
     ("fisheye", "opencv_fisheye"), ("opencv_fisheye", "thin_prism_fisheye"), ("radial_fisheye", "opencv_fisheye")],
)  # fmt: skip
def test_a_lens_written_as_a_wider_model_is_the_same_lens(model, wider):
    lens = widen(model, parameters(model), wider)
    assert lens is not None
    points = image_plane()[::50]
    torch.testing.assert_close(undistort(wider, points, lens), undistort(model, points, parameters(model)))


def test_what_a_model_cannot_express_is_not_widened():
    assert widen("opencv", parameters("opencv"), "radial") is None
    assert widen("fisheye", parameters("fisheye"), "opencv") is None
    assert widen("fov", parameters("fov"), "full_opencv") is None


def test_parameters_may_differ_per_point():
    points = image_plane()[:4]
    lenses = torch.tensor([[-0.1], [0.0], [0.05], [0.1]], dtype=torch.float64)
    together = undistort("simple_radial", points, lenses)
    alone = torch.stack([undistort("simple_radial", points[i], lenses[i]) for i in range(4)])
    torch.testing.assert_close(together, alone)


def test_a_wrong_name_or_number_of_parameters_is_refused():
    with pytest.raises(ValueError, match="unknown camera model"):
        distort("pinhol", torch.zeros(1, 3), torch.zeros(0))
    with pytest.raises(ValueError, match="has 4 parameters, not 1"):
        distort("opencv", torch.zeros(1, 3), torch.zeros(1))
