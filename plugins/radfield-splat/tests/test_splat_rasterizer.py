"""The kernels agree with the float64 definition, for images and for all gradients; and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from radfield_splat import Gaussians, cpu, rasterize, reference
from splat_scenes import LENSES, assert_agree, image_and_gradients, near_a_limit, scene, view

from radfield_core.cameras import Camera, View
from radfield_core.errors import UsageError
from radfield_core.ops.backend import using


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("model", ["pinhole", "opencv"])
def test_equals_the_definition_for_each_degree_of_harmonics(model, degree):
    assert_agree(scene(degree=degree), view(model))


@pytest.mark.parametrize("model", LENSES)
def test_equals_the_definition_through_every_kind_of_lens(model):
    assert_agree(scene(), view(model))


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(0, 70),
    degree=st.integers(0, 3),
    model=st.sampled_from(sorted(LENSES)),
    width=st.integers(1, 50),
    height=st.integers(1, 50),
    low_pass=st.sampled_from([0.01, 0.1, 0.3]),
    seed=st.integers(0, 999),
)
def test_equals_the_definition_for_any_scene(n, degree, model, width, height, low_pass, seed):
    parameters, seen = scene(n, degree, seed), view(model, width, height)
    assume(not near_a_limit(parameters, seen, low_pass))
    assert_agree(parameters, seen, bound=2e-5, low_pass=low_pass)


def test_a_fisheye_shows_what_lies_beside_and_behind_the_camera():
    seen = View(torch.eye(4)[:3], Camera(64, 64, 16.0, 16.0, 32.0, 32.0, 0.5, "fisheye"))  # 2 radians at the edges
    parameters = scene(60, 1)
    parameters[0] = torch.randn(60, 3, generator=torch.Generator().manual_seed(3)) * 3
    ids = reference.project(Gaussians(*parameters), seen, 1, 0.01, 0.3).ids
    assert (parameters[0][ids, 2] > 0).sum() > 5
    assert not near_a_limit(parameters, seen)
    assert_agree(parameters, seen, bound=3e-5)


@pytest.mark.parametrize("n", [1, 40])
def test_the_results_have_the_same_bits_for_any_number_of_threads(n):
    parameters, seen = scene(50 * n, 2), view("opencv", 100, 90)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(image_and_gradients(cpu, parameters, seen, torch.float32))
    torch.set_num_threads(before)
    for image, gradients in results[1:]:
        assert all(torch.equal(x, y) for x, y in zip(image, results[0][0], strict=True))
        assert all(torch.equal(gradients[name], x) for name, x in results[0][1].items())


def test_an_image_without_gaussians_is_the_background():
    nothing = Gaussians(*(x[:0] for x in scene()))
    image = rasterize(nothing, view(), torch.tensor([0.1, 0.2, 0.3]))
    assert (image.rgb == torch.tensor([0.1, 0.2, 0.3])).all() and not image.opacity.any() and not image.depth.any()


@pytest.mark.parametrize(
    ("mean", "drawn"), [((0, 0, 1.0), False), ((0, 0, -0.0099), False), ((0, 0, -0.0101), True), ((99.0, 0, -1), False)]
)
def test_gaussians_behind_the_camera_too_near_or_beside_the_image_are_left_out(mean, drawn):
    seen = View(torch.eye(4)[:3], Camera(16, 16, 16.0, 16.0, 8.0, 8.0))
    parameters = scene(1)
    parameters[0], parameters[3] = torch.tensor([mean]), torch.tensor([4.0])
    image = rasterize(Gaussians(*parameters), seen)
    assert bool(image.opacity.any()) == drawn


def test_a_gaussian_of_no_size_is_a_faint_dot_and_gets_finite_gradients():
    parameters = scene(1)
    parameters[0], parameters[3] = torch.tensor([[0.0, 0.0, -3.0]]), torch.full((1,), 5.0)
    parameters[1] = torch.full((1, 3), -99.0)
    seen = View(torch.eye(4)[:3], Camera(9, 9, 9.0, 9.0, 4.5, 4.5))
    assert_agree(parameters, seen)
    # The compensation's lower limit is √2.5e-5 = 0.005.
    assert rasterize(Gaussians(*parameters), seen).opacity[4, 4].item() == pytest.approx(0.005, rel=0.01)


def test_a_huge_gaussian_covers_the_image_and_a_larger_one_is_refused():
    parameters = scene(1)
    parameters[0], parameters[3] = torch.tensor([[0.3, 0.0, -3.0]]), torch.ones(1) * 5
    parameters[1] = torch.full((1, 3), 12.0)
    assert (rasterize(Gaussians(*parameters), view()).opacity > 0.985).all()
    parameters[1] = torch.full((1, 3), 60.0)
    with pytest.raises(ValueError, match="Gaussian 0 is too large for the view"):
        rasterize(Gaussians(*parameters), view())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_parameter_that_is_not_finite_is_refused(which, value, backend):
    parameters = scene(40)
    ids = reference.project(Gaussians(*parameters), view(), 1, 0.01, 0.3).ids
    parameters[which][int(ids[3])] = value
    with using(backend), pytest.raises(ValueError, match="not finite") as caught:
        rasterize(Gaussians(*parameters), view())
    assert f"Gaussian {int(ids[3])} " in str(caught.value)


def test_a_quaternion_of_zeros_is_refused():
    parameters = scene(20)
    parameters[2][7] = 0.0
    for backend in ("numba", "torch"):
        with using(backend), pytest.raises(ValueError, match="Gaussian 7"):
            rasterize(Gaussians(*parameters), view())


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_harmonics_that_are_not_evaluated_are_not_checked(backend):
    parameters = scene(40, 3)
    parameters[0][5, 2] = 4.0  # behind the camera
    parameters[4][5], parameters[4][:, 9:] = torch.nan, torch.inf
    with using(backend):
        assert rasterize(Gaussians(*parameters), view(), degree=2).rgb.isfinite().all()


def test_harmonics_above_the_degree_are_left_out():
    parameters = scene(20, 3)
    low = [*parameters[:4], parameters[4][:, :4].clone()]
    assert torch.equal(rasterize(Gaussians(*parameters), view(), degree=1).rgb, rasterize(Gaussians(*low), view()).rgb)


def test_float64_is_drawn_by_the_definition():
    parameters = [x.double() for x in scene(5)]
    image = rasterize(Gaussians(*parameters), view())
    assert image.rgb.dtype == torch.float64
    assert torch.equal(image.rgb, reference.rasterize(Gaussians(*parameters), view(), None, 1, 0.01, 0.1).rgb)


def test_shapes_that_do_not_fit_are_refused():
    parameters = scene(5)
    with pytest.raises(ValueError, match="quaternions has the shape"):
        Gaussians(*parameters[:2], parameters[1], *parameters[3:])
    with pytest.raises(ValueError, match="5 coefficients"):
        Gaussians(*parameters[:4], torch.zeros(5, 5, 3))
    with pytest.raises(ValueError, match="means is"):
        Gaussians(*parameters[:4], parameters[4].double())
    with pytest.raises(ValueError, match="background has"):
        rasterize(Gaussians(*parameters), view(), torch.zeros(4))


def test_panoramas_are_refused():
    with pytest.raises(UsageError, match="equirectangular"):
        rasterize(Gaussians(*scene(5)), View(torch.eye(4)[:3], Camera.equirectangular(8)))
