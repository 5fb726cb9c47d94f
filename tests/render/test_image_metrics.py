"""Image metrics against scikit-image and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from radfield_core.render.image_metrics import (
    MS_SSIM_LEAST_SIZE,
    format_metrics,
    ms_ssim,
    psnr,
    rounded,
    ssim,
    ssim_map,
    to_uint8,
)

Pairs = Callable[[int, int, int], tuple[torch.Tensor, torch.Tensor]]

WANG_2004 = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1.0,
    "channel_axis": -1,
}


def images(seed: int, shape: tuple[int, ...] = (37, 52, 3)) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth random image and a noisy copy, float64."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    image = torch.nn.functional.interpolate(coarse, shape[:2], mode="bicubic")[0].movedim(0, -1).clamp(0, 1)
    return image, (image + 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_ssim_equals_scikit_image(seed: int) -> None:
    image, truth = images(seed)
    expected = structural_similarity(image.numpy(), truth.numpy(), **WANG_2004)
    assert ssim(image, truth) == pytest.approx(expected, abs=1e-9)
    assert ssim(image.float(), truth.float()) == pytest.approx(expected, abs=1e-4)


def test_the_map_of_ssim_is_that_of_scikit_image_inside_the_border() -> None:
    image, truth = images(4)
    _, expected = structural_similarity(image.numpy(), truth.numpy(), full=True, **WANG_2004)
    assert torch.allclose(ssim_map(image, truth), torch.from_numpy(expected[5:-5, 5:-5]).mean(-1), atol=1e-9)
    with pytest.raises(ValueError, match="11 × 11"):
        ssim_map(image[:10], truth[:10])


def test_psnr_equals_scikit_image() -> None:
    image, truth = images(0)
    expected = peak_signal_noise_ratio(truth.numpy(), image.numpy(), data_range=1.0)
    assert psnr(image, truth) == pytest.approx(expected, abs=1e-9)


def test_equal_images_are_perfect() -> None:
    image, _ = images(0)
    assert psnr(image, image) == math.inf and ssim(image, image) == pytest.approx(1.0)


def test_a_mask_counts_only_what_is_inside() -> None:
    image, truth = images(1)
    mask = torch.zeros(37, 52, dtype=torch.float64)
    mask[8:20, 10:30] = 1.0
    assert psnr(image, truth, mask) == pytest.approx(psnr(image[8:20, 10:30], truth[8:20, 10:30]))
    other = image.clone()
    other[30:] = 0.0
    assert psnr(other, truth, mask) == psnr(image, truth, mask)
    assert ssim(image, truth, torch.ones_like(mask)) == pytest.approx(ssim(image, truth))
    window = mask[5:-5, 5:-5].bool()
    values = structural_similarity(image.numpy(), truth.numpy(), full=True, **WANG_2004)[1].mean(-1)[5:-5, 5:-5]
    assert ssim(image, truth, mask) == pytest.approx(values[window.numpy()].mean(), abs=1e-9)


def test_an_image_smaller_than_the_window_is_refused() -> None:
    small = torch.zeros(10, 40, 3)
    with pytest.raises(ValueError, match="40 × 10"):
        ssim(small, small)


def test_rounding_is_to_the_nearest_of_256_values_and_clamps() -> None:
    x = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 1.4 / 255, 1.0, 1.7])
    assert to_uint8(x).tolist() == [0, 0, 0, 1, 1, 255, 255]
    assert torch.equal(rounded(x) * 255, to_uint8(x).double())


def test_metrics_are_printed_with_their_unit_and_places() -> None:
    metrics = {"psnr": 31.196, "ssim": 0.95411, "psnr_masked": 29.88888}
    assert format_metrics(metrics) == "PSNR 31.20 dB · SSIM 0.9541 · PSNR in mask 29.89 dB"


# pytorch-msssim 1.0.0, for `image_pair(height, width, seed)`.
MS_SSIM = {(192, 208, 0): 0.87925937, (176, 256, 7): 0.86396805}


@pytest.mark.parametrize("case", MS_SSIM, ids=str)
def test_ms_ssim_equals_another_program(image_pair: Pairs, case: tuple[int, int, int]) -> None:
    truth, image = (value.double() for value in image_pair(*case))
    assert ms_ssim(image, truth) == pytest.approx(MS_SSIM[case], abs=1e-5)
    assert ms_ssim(truth, truth) == pytest.approx(1.0) and ms_ssim(truth, image) == pytest.approx(ms_ssim(image, truth))


def test_ms_ssim_at_one_scale_is_what_ssim_is_made_of() -> None:
    """For images that differ only in brightness, contrast and structure are 1, so the coarsest scale alone counts."""
    dark, bright = (torch.full((176, 176, 3), value, dtype=torch.float64) for value in (0.2, 0.7))
    assert ms_ssim(dark, bright) == pytest.approx(ssim(dark, bright) ** 0.1333)


def test_ms_ssim_of_opposite_images_is_a_number() -> None:
    image = torch.rand(176, 176, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert 0.0 <= ms_ssim(image, 1.0 - image) < 0.1


def test_ms_ssim_refuses_small_images() -> None:
    with pytest.raises(ValueError, match=f"at least {MS_SSIM_LEAST_SIZE} .* got 200 × 175"):
        ms_ssim(torch.zeros(175, 200, 3), torch.zeros(175, 200, 3))
