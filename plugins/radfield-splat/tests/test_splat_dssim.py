"""D-SSIM equals one minus the metric SSIM, and its gradient equals finite differences of a float64 definition."""

from __future__ import annotations

import pytest
import torch
from radfield_splat.dssim import OP, definition, dssim

from radfield_core.render.image_metrics import ssim


def images(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(height)
    truth = torch.rand(height, width, 3, generator=g)
    return (truth + 0.2 * torch.randn(height, width, 3, generator=g)).clamp(0, 1), truth


@pytest.mark.parametrize("size", [(11, 11), (16, 37), (40, 13)])
def test_it_is_one_minus_the_metric(size):
    image, truth = images(*size)
    assert float(dssim(image, truth)) == pytest.approx(1 - ssim(image.double(), truth.double()), abs=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [(11, 11), (16, 37), (40, 13)])
def test_the_kernel_has_the_gradient_of_the_definition(size, weighted):
    assert OP.pick(torch.device("cpu")) is not None
    image, truth = images(*size)
    weights = torch.rand(size, generator=torch.Generator().manual_seed(1)) if weighted else None
    x, exact = image.clone().requires_grad_(), image.double().requires_grad_()
    loss = dssim(x, truth, weights)
    wanted = definition(exact, truth.double(), None if weights is None else weights.double())
    torch.autograd.backward([3 * loss, 3 * wanted])
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    assert (x.grad - exact.grad).abs().max() < 1e-4 * exact.grad.abs().max()


def test_the_gradient_equals_finite_differences():
    image, truth = images(13, 12)
    x = image.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: definition(x, truth.double(), None), x)


def test_an_image_smaller_than_a_window_has_no_loss():
    image, truth = images(10, 30)
    assert float(dssim(image, truth)) == 0
