"""Scenes at the limits of what a camera can see: the kernels agree with the definition, or say what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from radfield_splat import Gaussians, cpu, rasterize, reference
from splat_scenes import LENSES, assert_agree, image_and_gradients, near_a_limit, scene, view

from radfield_core.cameras import Camera, View
from radfield_core.ops.backend import using

FRONT = torch.eye(4)[:3]


def agree(parameters, seen: View, **options) -> dict[str, torch.Tensor]:
    assert not near_a_limit(parameters, seen), "choose another seed"
    return assert_agree(parameters, seen, **options)


@pytest.mark.parametrize("model", ["pinhole", "opencv", "opencv_fisheye", "eucm"])
def test_gaussians_all_around_the_camera(model):
    """What lies behind gets no gradient."""
    parameters, seen = scene(120, 1, seed=2), view(model)
    parameters[0] = seen.c2w[:, 3] + 3 * torch.randn(120, 3, generator=torch.Generator().manual_seed(1))
    gradients = agree(parameters, seen, bound=3e-5)
    behind = (parameters[0] - seen.c2w[:, 3]) @ seen.c2w[:, 2] > 0
    assert behind.sum() > 40
    if model != "opencv_fisheye":
        assert not any(gradients[name][behind].any() for name in ("means", "log_scales", "harmonics"))


@pytest.mark.parametrize("middle", [(-90.0, 16.0), (20.0, 150.0), (0.0, 0.0), (140.0, -70.0)])
def test_a_principal_point_far_outside_the_image(middle):
    """A crop of a large image. The Gaussians lie where the crop looks."""
    parameters = scene(40, 2, seed=4)
    camera = replace(view().camera, cx=middle[0], cy=middle[1])
    x, y = (20.0 - middle[0]) / camera.fx, (16.0 - middle[1]) / camera.fy
    spread = 0.8 * torch.randn(40, 3, generator=torch.Generator().manual_seed(6))
    parameters[0] = torch.tensor([4 * x, -4 * y, -4.0]) + spread
    seen = View(FRONT, camera)
    assert (rasterize(Gaussians(*parameters), seen).opacity > 0.1).float().mean() > 0.2
    agree(parameters, seen, bound=3e-5)


def test_very_near_gaussians():
    """Means from 0.0101 to 0.2 away, where the limit is 0.01."""
    parameters = scene(25, 1, seed=5)
    distances = torch.linspace(0.0101, 0.2, 25)[:, None]
    spread = 0.3 * torch.randn(25, 3, generator=torch.Generator().manual_seed(0))
    directions = torch.nn.functional.normalize(torch.tensor([0.0, 0, -1]) + spread, dim=-1)
    parameters[0] = distances * directions
    parameters[1] = distances.log() - 2 + 0.3 * parameters[1]
    agree(parameters, View(FRONT, view().camera), bound=3e-5)


@pytest.mark.parametrize("size", [2.0, 5.0, 8.0])
def test_very_large_gaussians_among_small_ones(size):
    parameters, seen = scene(30, 1, seed=1), view("opencv")
    parameters[1][::3] += size
    agree(parameters, seen, bound=5e-5)


def test_very_far_and_very_thin_gaussians():
    parameters, seen = scene(30, 1, seed=3), view()
    parameters[0][:10] *= 1e5
    parameters[1][:10] += 11.5
    parameters[1][10:20, 0] -= 9
    agree(parameters, seen, bound=5e-5)


@pytest.mark.parametrize("model", LENSES)
def test_an_image_of_one_pixel(model):
    agree(scene(30, 3), view(model, 1, 1), bound=2e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [0, 40])
def test_nothing_is_visible(n, threads):
    """The image is the background, and all gradients are zero, but for that of the background, which is 1."""
    parameters, seen = scene(n, 2), view()
    parameters[0] = parameters[0] * torch.tensor([1.0, 1.0, -1.0])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    image, gradients = image_and_gradients(cpu, parameters, seen, torch.float32)
    torch.set_num_threads(before)
    assert not image.opacity.any() and not image.depth.any() and image.median.isinf().all()
    assert gradients.pop("background").any()
    assert all(not gradient.any() and gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_gaussian_at_the_center_of_the_camera_is_left_out_even_without_a_nearest_distance(backend):
    parameters = scene(1)
    parameters[0] = torch.zeros(1, 3)
    with using(backend):
        assert not rasterize(Gaussians(*parameters), View(FRONT, view().camera), near=0.0).opacity.any()


@pytest.mark.parametrize("stored", range(4))
def test_a_degree_above_the_stored_ones_uses_all_and_one_below_zero_is_refused(stored):
    gaussians, seen = Gaussians(*scene(20, stored)), view()
    everything = rasterize(gaussians, seen).rgb
    for degree in (stored, stored + 1, 7):
        assert torch.equal(rasterize(gaussians, seen, degree=degree).rgb, everything)
    with pytest.raises(ValueError, match="degree is -1"):
        rasterize(gaussians, seen, degree=-1)


def test_gaussians_that_meet_too_many_tiles_are_refused(monkeypatch):
    monkeypatch.setattr(cpu, "_MOST_PAIRS", 100)
    parameters = scene(60)
    parameters[1] += 4
    with pytest.raises(ValueError, match=r"too large for the view: they meet \d\d\d tiles in all"):
        rasterize(Gaussians(*parameters), view())


def test_the_order_of_equally_distant_gaussians_is_that_of_their_indices():
    """Both backends show the first of two opaque Gaussians at the same place."""
    parameters = scene(2, 0)
    parameters[0], parameters[1] = torch.tensor([[0.0, 0, -3]] * 2), torch.full((2, 3), 0.5)
    parameters[3], parameters[4] = torch.full((2,), 9.0), torch.tensor([[[1.0, -1, -1]], [[-1, 1, -1]]])
    seen = View(FRONT, Camera(9, 9, 9.0, 9.0, 4.5, 4.5))
    for module in (cpu, reference):
        image = module.rasterize(Gaussians(*parameters), seen, None, 0, 0.01, 0.3)
        assert image.rgb[4, 4, 0] > 0.7 and image.rgb[4, 4, 1] < 0.3


def test_opaque_gaussians_whose_alpha_is_limited():
    """Where alpha is limited, it has no gradient. Pixels end before the last Gaussians."""
    parameters, seen = scene(40, 1, seed=6), view()
    parameters[1] += 0.7
    parameters[3] += 6
    image = rasterize(Gaussians(*parameters), seen)
    assert (image.opacity > 0.9998).float().mean() > 0.05
    agree(parameters, seen, bound=5e-5)


@pytest.mark.parametrize("module", [cpu, reference])
def test_a_pixel_that_has_ended_shows_nothing_behind(module):
    """The third Gaussian would leave too little light, so it and the bright fourth one are left out."""
    n = 4
    means = torch.tensor([[0.0, 0, -1 - k] for k in range(n)])
    logits = torch.tensor([0.985, 0.985, 0.985, 0.1]).logit()
    colors = torch.zeros(n, 1, 3)
    colors[3] = 1e5
    one = Gaussians(means, torch.full((n, 3), 1.0), torch.tensor([[1.0, 0, 0, 0]] * n), logits, colors)
    image = module.rasterize(one, View(FRONT, Camera(9, 9, 9.0, 9.0, 4.5, 4.5)), None, 0, 0.01, 0.1)
    assert float(image.opacity[4, 4]) == pytest.approx(1 - 0.015**2, abs=2e-5)
    assert float(image.rgb[4, 4, 0]) == pytest.approx(0.5 * (1 - 0.015**2), abs=2e-5)


def test_more_gaussians_than_one_chunk():
    """The kernels process 4096 Gaussians at a time."""
    g = torch.Generator().manual_seed(0)
    parameters, seen = scene(7000, 0, seed=9), view("opencv", 24, 18)
    parameters[1], parameters[3] = parameters[1] - 1.5, parameters[3] - 2.5
    parameters[0] = parameters[0] + 0.3 * torch.randn(7000, 3, generator=g)
    drawn = reference.project(Gaussians(*parameters), seen, 0, 0.01, 0.3)
    assert len(drawn.ids) > 4096
    agree(parameters, seen, bound=3e-5)
