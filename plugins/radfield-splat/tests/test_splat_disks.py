"""Disks are drawn where rays meet them, the kernels agree with the float64 definition, and training aligns them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from radfield_splat import surfel_cpu, surfel_reference
from radfield_splat.config import SplatConfig
from radfield_splat.gaussians import Gaussians
from radfield_splat.method import Splat
from radfield_splat.surfel_losses import depth_normals, normal_consistency
from radfield_splat.surfel_model import DISTORTION, SurfelModel
from radfield_splat.surfels import rasterize_disks
from splat_scenes import LENSES, NAMES, scene, view

from radfield_core import Batch, BuildContext, ModelOutputs, RaySpace, SceneBox, Step, UsageError, view_rays
from radfield_core.cameras import Camera, View
from radfield_core.ops.backend import using

STRAIGHT = View(torch.eye(4)[:3], Camera(21, 21, 20.0, 20.0, 10.5, 10.5))
WHITE = torch.full((1, 1, 3), 1.7725)


def disk(quaternion=(1.0, 0.0, 0.0, 0.0), depth=2.0, scale=0.4, opacity=0.8, dtype=torch.float32) -> Gaussians:
    """One white disk on the axis of `STRAIGHT`. Without a rotation, its normal is the axis."""
    parts = [[0.0, 0.0, -depth]], [[math.log(scale)] * 2 + [9.0]], [quaternion], math.log(opacity / (1 - opacity))
    means, scales, quaternions, logit = (torch.tensor(part, dtype=dtype) for part in parts)
    return Gaussians(means, scales, quaternions, logit[None], WHITE.to(dtype))


def images_and_gradients(module, parameters, seen: View, dtype, low_pass=0.5):
    """All images, and the gradients of a random sum of those with gradients for everything in `NAMES`."""
    g = torch.Generator().manual_seed(5)
    shape = seen.camera.height, seen.camera.width
    factors = [torch.randn(*shape, k, generator=g).squeeze(-1).to(dtype) for k in (3, 1, 1, 3, 1)]
    background = torch.rand(*shape, 3, generator=g)
    leaves = [x.detach().to(dtype).clone().requires_grad_() for x in (*parameters, seen.c2w, background)]
    gaussians, here = Gaussians(*leaves[:5]), View(leaves[5], seen.camera)
    image = module.rasterize(gaussians, here, leaves[6], gaussians.degree, 0.01, low_pass, 2.0)
    loss = sum((x * factor).sum() for x, factor in zip(image[:5], factors, strict=True))
    return image, dict(zip(NAMES, torch.autograd.grad(loss, leaves), strict=True))


def assert_agree(parameters, seen, bound=2e-5):
    expected, expected_gradients = images_and_gradients(surfel_reference, parameters, seen, torch.float64)
    found, gradients = images_and_gradients(surfel_cpu, parameters, seen, torch.float32)
    for name, x, y in zip(expected._fields, expected, found, strict=True):
        torch.testing.assert_close(y.double(), x, atol=bound, rtol=bound, msg=lambda text, name=name: f"{name}: {text}")
    for name, x in expected_gradients.items():
        assert (gradients[name].double() - x).abs().max() <= 1e-4 * max(float(x.abs().max()), 1e-3), name


@pytest.mark.parametrize("model", LENSES)
def test_equals_the_definition_through_every_kind_of_lens(model):
    assert_agree(scene(), view(model))


@pytest.mark.parametrize("degree", [0, 2, 3])
def test_equals_the_definition_for_each_degree_of_harmonics(degree):
    assert_agree(scene(degree=degree, seed=1), view("opencv", 50, 37))


def test_equals_the_definition_for_large_disks_near_the_camera_and_tiny_ones():
    """Corners of their boxes lie behind the camera, and some are seen from the edge."""
    parameters = scene(40, seed=2)
    parameters[0][:10] *= torch.tensor([1.0, 1.0, 0.3])
    parameters[1][:10] += 1.5
    parameters[1][30:] -= 6.0
    assert_agree(parameters, view(), bound=1e-4)


@pytest.mark.parametrize("model", ["pinhole", "opencv"])
def test_gradients_of_the_definition_equal_finite_differences(model):
    parameters, seen = [x.double() for x in scene(12, 1, seed=3)], view(model, 14, 11)
    _, gradients = images_and_gradients(surfel_reference, parameters, seen, torch.float64)
    draw, h = torch.Generator().manual_seed(0), 1e-6
    for which, name in enumerate(NAMES[:6]):
        tensor = parameters[which] if which < 5 else seen.c2w.double()
        step = torch.randn(tensor.shape, generator=draw).double()
        sums = []
        for sign in (1, -1):
            moved = [*parameters]
            here = seen
            if which < 5:
                moved[which] = tensor + sign * h * step
            else:
                here = replace(seen, c2w=tensor + sign * h * step)
            sums.append(_loss(moved, here))
        expected = float((gradients[name] * step).sum())
        assert (sums[0] - sums[1]) / (2 * h) == pytest.approx(expected, rel=2e-5, abs=2e-5), name


def _loss(parameters, seen: View) -> float:
    g = torch.Generator().manual_seed(5)
    shape = seen.camera.height, seen.camera.width
    factors = [torch.randn(*shape, k, generator=g).squeeze(-1).double() for k in (3, 1, 1, 3, 1)]
    background = torch.rand(*shape, 3, generator=g).double()
    image = surfel_reference.rasterize(Gaussians(*parameters), seen, background, 1, 0.01, 0.5, 2.0)
    return sum(float((x * factor).sum()) for x, factor in zip(image[:5], factors, strict=True))


@pytest.mark.parametrize("n", [1, 40])
def test_the_results_have_the_same_bits_for_any_number_of_threads(n):
    parameters, seen = scene(50 * n, 2), view("opencv", 100, 90)
    results, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(images_and_gradients(surfel_cpu, parameters, seen, torch.float32))
    torch.set_num_threads(before)
    for image, gradients in results[1:]:
        assert all(torch.equal(x, y) for x, y in zip(image, results[0][0], strict=True))
        assert all(torch.equal(gradients[name], x) for name, x in results[0][1].items())


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_slanted_disk_has_the_depths_of_its_plane_and_its_normal(backend):
    """The plane through (0, 0, −2), turned by 40° about y: a ray d meets it at t = n · p / n · d."""
    turn = math.radians(20)
    with using(backend):
        image = rasterize_disks(disk((math.cos(turn), 0.0, math.sin(turn), 0.0)), STRAIGHT)
    normal = torch.tensor([math.sin(2 * turn), 0.0, math.cos(2 * turn)])
    rays = view_rays(RaySpace(0.0, 1.0), STRAIGHT, dtype=torch.float32).directions.view(21, 21, 3)
    expected = -2 * normal[2] / (rays @ normal)
    seen = image.opacity > 0.3
    assert int(seen.sum()) > 20
    torch.testing.assert_close((image.depth / image.opacity)[seen], expected[seen], rtol=1e-5, atol=0)
    torch.testing.assert_close((image.normals / image.opacity[..., None])[10, 10], normal, rtol=0, atol=1e-5)
    # At the place where the ray meets it, the Gaussian has the distance from the center in units of its scale.
    place = rays * expected[..., None] - torch.tensor([0.0, 0.0, -2.0])
    torch.testing.assert_close(
        image.opacity[seen], (0.8 * (-place.square().sum(-1) / (2 * 0.4**2)).exp())[seen], rtol=1e-4, atol=0
    )


def test_a_disk_seen_from_the_edge_is_still_seen_at_its_center():
    """Its Gaussian is at least that of the filter, exp(−|x − c|²), and its distance is that of its center."""
    edge = math.sqrt(0.5)
    image = rasterize_disks(disk((edge, 0.0, edge, 0.0)), STRAIGHT)
    assert image.opacity[10, 10].item() == pytest.approx(0.8) and image.depth[10, 10].item() == pytest.approx(1.6)
    assert image.opacity[10, 11].item() == pytest.approx(0.8 * math.exp(-1), rel=1e-4)


def test_the_normal_is_on_the_side_of_the_camera():
    image = rasterize_disks(disk((0.0, 1.0, 0.0, 0.0)), STRAIGHT)  # turned upside down
    assert (image.normals / image.opacity[..., None])[10, 10].tolist() == pytest.approx([0, 0, 1], abs=1e-6)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_median_depth_and_distortion_of_two_disks_have_the_closed_forms(backend):
    """Weights w₁ = 0.4 and w₂ = 0.6 · 0.8 at t = 2 and 4: D = w₁ w₂ (s/2 − s/4)²."""
    parts = zip(disk(opacity=0.4).tensors(), disk(depth=4.0, scale=0.8).tensors(), strict=True)
    both = Gaussians(*(torch.cat(part) for part in parts))
    with using(backend):
        image = rasterize_disks(both, STRAIGHT, size=3.0)
        one = rasterize_disks(disk(opacity=0.4), STRAIGHT)
    assert image.distortion[10, 10].item() == pytest.approx(0.4 * 0.48 * (3 / 2 - 3 / 4) ** 2, rel=1e-4)
    assert image.median_depth[10, 10].item() == pytest.approx(4.0)
    assert one.median_depth[10, 10].item() == math.inf and one.distortion.abs().max() < 1e-6


def test_what_is_not_finite_and_what_is_panoramic_is_refused():
    broken = replace(disk(), log_scales=torch.tensor([[math.nan, 0.0, 0.0]]))
    for backend in ("numba", "torch"):
        with using(backend), pytest.raises(ValueError, match="Gaussian 0 "):
            rasterize_disks(broken, STRAIGHT)
    with pytest.raises(UsageError, match="equirectangular"):
        rasterize_disks(disk(), View(torch.eye(4)[:3], Camera.equirectangular(8)))


def test_an_image_without_disks_is_the_background():
    nothing = Gaussians(*(x[:0] for x in scene()))
    image = rasterize_disks(nothing, view(), torch.tensor([0.1, 0.2, 0.3]))
    assert (image.rgb == torch.tensor([0.1, 0.2, 0.3])).all() and not image.opacity.any()
    assert image.median_depth.isinf().all()


@pytest.mark.parametrize("model", ["pinhole", "opencv"])
def test_the_normals_of_the_depths_of_a_plane_are_its_own(model):
    """A slanted plane, whose mean depths have any opacity. With the plane's normal, the loss is 0; with −n, it is 2."""
    seen = View(view().c2w.double(), view(model).camera)
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.2, 1.0]).double(), dim=0)
    rays = view_rays(RaySpace(0.0, 1.0), seen, dtype=torch.float64)
    t = ((torch.tensor([0.0, 0.0, -4.0]).double() - rays.origins) @ normal / (rays.directions @ normal)).view(33, 40)
    opacity = torch.full_like(t, 0.75)
    found, known = depth_normals(t * opacity, opacity, seen)
    assert bool(known.all())
    torch.testing.assert_close(found, normal.expand(31, 38, 3), atol=1e-6, rtol=0)
    for side, expected in ((1, 0.0), (-1, 2 * 0.75)):
        loss = normal_consistency(side * normal.expand(33, 40, 3) * opacity[..., None], t * opacity, opacity, seen)
        assert float(loss) == pytest.approx(expected * 31 * 38 / (33 * 40), abs=1e-6)
    opacity[10, 10] = 0.4
    assert int(depth_normals(t * opacity, opacity, seen)[1].logical_not().sum()) == 5


def test_a_step_trains_every_parameter_and_the_losses_begin_at_their_shares():
    config = SplatConfig(
        shape="disk", start_gaussians=200, degree=1, degree_interval=0.0, low_pass=0.5, start_opacity=0.9
    )
    torch.manual_seed(0)
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
    method = Splat(config)
    model = method.build(ctx)
    assert isinstance(model, SurfelModel)
    seen = View(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3.0]]), Camera(24, 20, 24.0, 24.0, 12.0, 10.0))
    batch = Batch(rays=None, view=seen, rgb=torch.rand(480, 3), background=torch.ones(480, 3))
    model.begin_step(Step(99, 100, 0))
    outputs: ModelOutputs = method.forward(model, batch)
    names = [set(model.part_losses(outputs, batch, Step(index, 100, 0))) for index in (0, 15, 50)]
    assert names == [set(), {"distortion"}, {"distortion", "normal"}]
    losses = {
        **method.losses(outputs, batch, model, Step(50, 100, 0)),
        **model.part_losses(outputs, batch, Step(50, 100, 0)),
    }
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name
    rendered = model.render(seen)
    assert rendered.median_depth is not None and rendered.normals.shape == (480, 3) and DISTORTION in rendered.extras
