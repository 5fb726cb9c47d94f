"""Copies of a Gaussian look like the Gaussian; offsets have its shape; the number of Gaussians follows its schedule."""

from __future__ import annotations

import math

import pytest
import torch
from radfield_splat.config import SplatConfig
from radfield_splat.gaussians import Gaussians
from radfield_splat.relocation import divided, most_gaussians, number_of_gaussians, offsets

from radfield_core import BuildContext, SceneBox, Step
from radfield_core.cameras import Cameras


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_copies_together_have_the_opacity_of_the_original_at_its_center(n):
    logits = torch.tensor([-3.0, 0.0, 2.0, 5.0], dtype=torch.float64)
    new, shrink = divided(logits, torch.full((4,), n))
    expected = torch.where(new.sigmoid() > 0.0051, logits.sigmoid(), 1 - (1 - 0.005) ** n)
    assert torch.allclose(1 - (1 - new.sigmoid()) ** n, expected)
    assert (shrink == 0).all() if n == 1 else (shrink < 0).all()


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("opacity", [0.3, 0.9])
def test_copies_have_the_total_of_the_original_along_a_line_through_the_center(n, opacity):
    """Equation 9 of the paper: the integral over a line of what n overlapping copies show equals the original's."""
    logits = torch.tensor([opacity], dtype=torch.float64).logit()
    new, shrink = divided(logits, torch.tensor([n]))
    x = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    original = opacity * torch.exp(-0.5 * x**2)
    each = new.sigmoid() * torch.exp(-0.5 * (x / shrink.exp()) ** 2)
    together = 1 - (1 - each) ** n
    assert float(torch.trapezoid(together, x)) == pytest.approx(float(torch.trapezoid(original, x)), rel=1e-6)


def test_offsets_have_the_covariance_of_a_gaussian_of_half_the_size():
    n = 200_000
    quaternion = torch.tensor([0.4, -1.1, 0.7, 0.2])
    scales = torch.tensor([0.5, 0.1, 0.02])
    many = Gaussians(
        torch.zeros(n, 3), scales.log().repeat(n, 1), quaternion.repeat(n, 1), torch.zeros(n), torch.zeros(n, 1, 3)
    )
    found = offsets(many, torch.Generator().manual_seed(0)).T.cov()
    w, x, y, z = (quaternion / quaternion.norm()).tolist()
    # The columns are e_k turned by q e_k q*, computed with quaternion products.
    columns = []
    for k in range(3):
        v = [0.0, 0.0, 0.0]
        v[k] = 1.0
        columns.append(_product(_product((w, x, y, z), (0.0, *v)), (w, -x, -y, -z))[1:])
    axes = torch.tensor(columns).T * scales / 2
    assert torch.allclose(found, axes @ axes.T, atol=2e-3 * 0.0625)


def _product(p, q):
    return (
        p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3],
        p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
        p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1],
        p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0],
    )


def test_the_number_of_gaussians_never_exceeds_its_maximum():
    config = SplatConfig(start_gaussians=500, max_gaussians=100)
    assert {number_of_gaussians(config, Step(index, 40, 0)) for index in range(40)} == {100}
    assert number_of_gaussians(SplatConfig(start_gaussians=1, max_gaussians=7, grow_until=0.0), Step(0, 9, 0)) == 7
    assert math.isclose(SplatConfig().grow_until, 0.5)


def test_small_images_get_fewer_gaussians():
    cameras = Cameras.pinhole(torch.eye(4)[:3].repeat(2, 1, 1), focal=9.0, width=20, height=10)
    ctx = BuildContext(SceneBox(torch.zeros(3), radius=1.0), cameras=cameras)
    limited = SplatConfig(start_gaussians=10, max_gaussians=1000, max_per_pixel=1.5)
    assert most_gaussians(limited, ctx) == 300
    assert most_gaussians(SplatConfig(max_gaussians=1000), ctx) == 1000
    assert most_gaussians(SplatConfig(max_gaussians=100, max_per_pixel=1.5), ctx) == 100
    assert number_of_gaussians(limited, Step(99, 100, 0), most_gaussians(limited, ctx)) == 300
