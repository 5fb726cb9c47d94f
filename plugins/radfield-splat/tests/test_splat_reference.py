"""The definition agrees with loops over pixels, with closed forms and with finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_splat import Gaussians, reference
from radfield_splat.lens import MARGIN, widest_angle
from scipy.special import sph_harm_y
from splat_scenes import LENSES, NAMES, scene, view

from radfield_core.cameras import Camera, View


def rasterized(parameters, seen, low_pass=0.3):
    gaussians = Gaussians(*parameters)
    return reference.rasterize(gaussians, seen, None, gaussians.degree, 0.01, low_pass)


def test_pixels_equal_a_loop_over_gaussians_from_front_to_back():
    parameters, seen = [x.double() for x in scene(40)], view(width=12, height=9)
    parameters[1] += 1.2
    parameters[3] += 4
    drawn = reference.project(Gaussians(*parameters), seen, 1, 0.01, 0.3)
    image = rasterized(parameters, seen)
    ended = 0
    for row in range(9):
        for column in range(12):
            color, depth, light = torch.zeros(3, dtype=torch.float64), 0.0, 1.0
            for m in drawn.distances.argsort().tolist():
                xx, xy, yy = drawn.covariances[m].tolist()
                d = torch.tensor([column, row]) - drawn.centers[m]
                inverse = torch.tensor([[xx, xy], [xy, yy]], dtype=torch.float64).inverse()
                alpha = min(0.99, float(drawn.opacities[m]) * math.exp(-0.5 * float(d @ inverse @ d)))
                if alpha < 1 / 255:
                    continue
                if light * (1 - alpha) < 1e-4:
                    ended += 1
                    break
                color, depth = (
                    color + light * alpha * drawn.colors[m],
                    depth + light * alpha * float(drawn.distances[m]),
                )
                light *= 1 - alpha
            assert torch.allclose(image.rgb[row, column], color, atol=1e-12)
            assert float(image.depth[row, column]) == pytest.approx(depth, abs=1e-12)
            assert float(image.opacity[row, column]) == pytest.approx(1 - light, abs=1e-12)
    assert ended > 10


def test_gradients_equal_finite_differences():
    parameters, seen = [x.double() for x in scene(4, 1)], view("opencv", 12, 9)
    leaves = [x.requires_grad_() for x in (*parameters, seen.c2w.double().clone())]

    def loss():
        image = rasterized(leaves[:5], View(leaves[5], seen.camera))
        return image.rgb.sin().sum() + (image.depth * image.opacity.cos()).sum()

    gradients = torch.autograd.grad(loss(), leaves)
    for name, leaf, gradient in zip(NAMES, leaves, gradients, strict=False):
        flat, h = leaf.data.view(-1), 1e-6
        for index in range(0, flat.numel(), 3):
            value = float(flat[index])
            sides = []
            for sign in (1, -1):
                flat[index] = value + sign * h
                sides.append(float(loss().detach()))
            flat[index] = value
            found = float(gradient.reshape(-1)[index])
            assert found == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize("model", LENSES)
def test_derivatives_of_a_lens_equal_finite_differences(model):
    camera = view(model).camera
    points = torch.tensor([[0.3, -0.2, 1.0], [0.01, 0.02, 2.0], [-0.5, 0.4, 1.1]], dtype=torch.float64)
    pixels, jacobians = reference.through_lens(camera, points)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-6
        change = reference.through_lens(camera, points + step)[0] - reference.through_lens(camera, points - step)[0]
        assert torch.allclose(change / 2e-6, jacobians[:, :, axis], rtol=1e-6, atol=1e-5)
    assert not pixels.requires_grad


def test_the_image_of_a_small_gaussian_has_the_covariance_of_its_projected_samples():
    g = torch.Generator().manual_seed(0)
    parameters, seen = [x.double() for x in scene(1)], view("opencv", 400, 330)
    parameters[0], parameters[1] = (
        torch.tensor([[0.2, 0.3, -4.0]]).double(),
        torch.tensor([[-4.0, -4.5, -5.0]]).double(),
    )
    drawn = reference.project(Gaussians(*parameters), seen, 1, 0.01, 0.3)
    axes = reference._axes(Gaussians(*parameters), torch.tensor([0]))[0]
    points = parameters[0] + torch.randn(400_000, 3, generator=g, dtype=torch.float64) @ axes.T
    from radfield_core.cameras import project

    found = project(seen, points)[0].T.cov()
    expected = drawn.covariances[0] - torch.tensor([0.3, 0.0, 0.3])
    assert torch.allclose(torch.stack([found[0, 0], found[0, 1], found[1, 1]]), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("low_pass", [0.05, 0.3])
def test_the_low_pass_filter_preserves_the_total_of_a_gaussian(low_pass):
    spread = torch.tensor([[[0.4, 0.1, 0.0], [0.0, 0.3, 0.1]]], dtype=torch.float64)
    covariances, factor = reference.filtered(spread, low_pass)
    xx, xy, yy = covariances[0]
    before = (spread[0] @ spread[0].T).det()
    assert float(factor * (xx * yy - xy**2).sqrt()) == pytest.approx(float(before.sqrt()))


def test_harmonics_are_scipys_up_to_the_signs_of_3dgs():
    directions = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=-1)
    x, y, z = directions.unbind(-1)
    theta, phi = z.arccos().numpy(), torch.atan2(y, x).numpy()
    found = reference.spherical_harmonics(directions, 3)
    for band in range(4):
        for m in range(-band, band + 1):
            complex_value = torch.from_numpy(sph_harm_y(band, abs(m), theta, phi))
            part = complex_value.real if m >= 0 else complex_value.imag
            # scipy's harmonics have the sign (−1)^m, like those of 3DGS.
            expected = part * (math.sqrt(2) if m else 1.0)
            assert torch.allclose(found[:, band * band + band + m], expected, atol=1e-12), (band, m)


def test_the_widest_angle_lies_beyond_the_corners_but_before_the_lens_turns_back():
    plain = Camera(8, 6, 10.0, 10.0, 4.0, 3.0)
    assert math.tan(widest_angle(plain)) == pytest.approx(MARGIN * 0.5)
    # r (1 − r²) grows until r = 1/√3.
    barrel = Camera(8, 6, 13.0, 13.0, 4.0, 3.0, 0.5, "simple_radial", (-1.0,))
    assert math.tan(widest_angle(barrel)) == pytest.approx(3**-0.5, rel=0.02)
    assert widest_angle(Camera(8, 8, 1.0, 1.0, 4.0, 4.0, 0.5, "fisheye")) == math.pi
