"""Median depths and normals, compared with loops and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_splat import Gaussians, cpu, reference
from radfield_splat.config import SplatConfig
from radfield_splat.model import SplatModel
from radfield_splat.normals import facing_axes, render_normals
from scipy.spatial.transform import Rotation
from splat_scenes import scene, view

from radfield_core import Batch, BuildContext, SceneBox
from radfield_core.cameras import Camera, View
from radfield_core.testing import toy_scene

FRONT = View(torch.eye(4)[:3], Camera(33, 33, 33.0, 33.0, 16.5, 16.5))


def row_of_disks(opacities: list[float], dtype=torch.float32) -> Gaussians:
    """Large Gaussians behind each other at the distances 1, 2, …, on the axis of `FRONT`."""
    n = len(opacities)
    means = torch.tensor([[0.0, 0.0, -1.0 - k] for k in range(n)])
    logits = torch.tensor(opacities, dtype=torch.float64).logit()
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    return Gaussians(*(x.to(dtype) for x in (means, torch.zeros(n, 3), one.repeat(n, 1), logits, torch.zeros(n, 1, 3))))


@pytest.mark.parametrize("backend", [cpu, reference])
@pytest.mark.parametrize(
    ("opacities", "median"),
    [([0.3, 0.2, 0.6, 0.9], 3.0), ([0.7, 0.9], 1.0), ([0.3, 0.25], math.inf), ([0.985, 0.985, 0.985, 0.985], 1.0)],
)
def test_the_median_depth_is_where_half_of_the_light_is_used_up(backend, opacities, median):
    image = backend.rasterize(row_of_disks(opacities), FRONT, None, 0, 0.01, 0.1)
    assert float(image.median[16, 16]) == median
    assert not image.median.requires_grad
    outside = image.opacity < 0.5
    assert image.median[outside].isinf().all()


def test_the_median_depth_does_not_lie_between_two_surfaces():
    """A half-transparent edge in front of a wall: the mean depth is between them, the median on one of them."""
    image = cpu.rasterize(row_of_disks([0.45, 0.98]), FRONT, None, 0, 0.01, 0.1)
    mean = float(image.depth[16, 16] / image.opacity[16, 16])
    assert 1.3 < mean < 1.7 and float(image.median[16, 16]) == 2.0


def test_medians_equal_a_loop_over_the_gaussians_of_each_pixel():
    parameters, seen = [x.double() for x in scene(60)], view("opencv")
    gaussians = Gaussians(*parameters)
    found = reference.rasterize(gaussians, seen, None, 1, 0.01, 0.3).median
    drawn = reference.project(gaussians, seen, 1, 0.01, 0.3)
    reached = 0
    for row in range(0, 33, 4):
        for column in range(0, 40, 4):
            light, expected = 1.0, math.inf
            for k in range(len(drawn.ids)):
                (u, v), (xx, xy, yy) = drawn.centers[k].tolist(), drawn.covariances[k].tolist()
                dx, dy = column - u, row - v
                squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
                alpha = min(0.99, float(drawn.opacities[k]) * math.exp(-0.5 * squared))
                if alpha < 1 / 255:
                    continue
                light *= 1 - alpha
                if light <= 0.5:
                    expected = float(drawn.distances[k])
                    break
            assert float(found[row, column]) == expected
            reached += math.isfinite(expected)
    assert reached > 5


def test_the_normal_is_the_shortest_axis_on_the_side_of_the_camera():
    quaternions = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    scales = torch.rand(40, 3, generator=torch.Generator().manual_seed(1))
    means, center = torch.randn(40, 3, generator=torch.Generator().manual_seed(2)), torch.tensor([1.0, -2.0, 3.0])
    found = facing_axes(Gaussians(means, scales.log(), quaternions, torch.zeros(40), torch.zeros(40, 1, 3)), center)
    w, x, y, z = quaternions.T.numpy()
    matrices = torch.from_numpy(Rotation.from_quat([[*row] for row in zip(x, y, z, w, strict=True)]).as_matrix())
    for k in range(40):
        axis = matrices[k, :, int(scales[k].argmin())].float()
        axis = axis if float(axis @ (center - means[k])) > 0 else -axis
        torch.testing.assert_close(found[k], axis, rtol=0, atol=1e-6)


def test_a_flat_disk_has_its_normal_times_the_opacity():
    disk = row_of_disks([0.8])
    tilted = torch.from_numpy(Rotation.from_euler("y", 30, degrees=True).as_quat()).float()[[3, 0, 1, 2]]
    disk = Gaussians(disk.means, torch.tensor([[-1.0, -1.0, -6.0]]), tilted[None], *disk.tensors()[3:])
    normals = render_normals(disk, FRONT, near=0.01, low_pass=0.1)
    image = cpu.rasterize(disk, FRONT, None, 0, 0.01, 0.1)
    expected = image.opacity[..., None] * torch.tensor([math.sin(math.radians(30)), 0.0, math.cos(math.radians(30))])
    torch.testing.assert_close(normals, expected, rtol=0, atol=2e-6)


def test_gradients_of_normals_equal_finite_differences():
    parameters = [x.double() for x in scene(12)]
    weights = torch.randn(33, 40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def total(quaternions: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        gaussians = Gaussians(means, parameters[1], quaternions, *parameters[3:])
        return (render_normals(gaussians, view(), near=0.01, low_pass=0.3) * weights).sum()

    leaves = [parameters[2].clone().requires_grad_(), parameters[0].clone().requires_grad_()]
    gradients = torch.autograd.grad(total(*leaves), leaves)
    g = torch.Generator().manual_seed(3)
    for index, gradient in enumerate(gradients):
        for _ in range(6):
            place = int(torch.randint(gradient.numel(), (1,), generator=g))
            sides = []
            for sign in (1, -1):
                moved = [x.detach().clone() for x in leaves]
                moved[index].view(-1)[place] += sign * 1e-6
                sides.append(float(total(*moved)))
            assert float(gradient.reshape(-1)[place]) == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-4, abs=1e-4)


def test_the_model_renders_both_and_trains_with_normals_only_if_the_batch_has_some():
    model = SplatModel(SplatConfig(start_gaussians=300), BuildContext(SceneBox(torch.zeros(3), radius=1.0)))
    seen = toy_scene().cameras.view(0)
    rendered = model.render(seen)
    assert rendered.normals.shape == (256, 3) and rendered.median_depth.shape == (256,)
    solid = rendered.opacity > 0.9
    assert solid.any() and (rendered.normals[solid].norm(dim=-1) < 1.0).all()
    batch = Batch(None, seen, torch.zeros(256, 3))
    assert model(batch).rendered.normals is None
    batch = Batch(None, seen, torch.zeros(256, 3), extras={"normals": torch.zeros(256, 3)})
    torch.testing.assert_close(model(batch).rendered.normals, rendered.normals)
