"""color:exposure against least squares of numpy, grids of torch and nested loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from radfield_capture.exposure import BilateralGrids, Exposure, fitted_affine, fitted_gains, to_linear, to_srgb
from radfield_capture.image_config import ExposureConfig
from torch.nn.functional import grid_sample

from radfield_core.testing.kit import check_law, laws_for, part_under_test
from radfield_core.testing.toys import toy_context


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_transfer_function_is_that_of_srgb() -> None:
    codes = np.arange(256) / 255.0
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in codes]
    found = to_linear(torch.tensor(codes))
    torch.testing.assert_close(found, torch.tensor(light))
    torch.testing.assert_close(to_srgb(found), torch.tensor(codes))


def test_fits_are_weighted_least_squares() -> None:
    values, wanted, weights = torch.rand(3, 40, 3, generator=generator(), dtype=torch.float64)
    gains = fitted_gains(values, wanted, weights)
    matrix, offset = fitted_affine(values, wanted, weights)
    for channel in range(3):
        root = weights[:, channel].sqrt().numpy()
        x, y = root * values[:, channel].numpy(), root * wanted[:, channel].numpy()
        assert float(gains[channel]) == pytest.approx(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0], abs=1e-4)
        rows = np.concatenate([values.numpy(), np.ones((40, 1))], 1) * root[:, None]
        expected = np.linalg.lstsq(rows, y, rcond=None)[0]
        np.testing.assert_allclose([*matrix[channel].tolist(), float(offset[channel])], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["gain", "affine", "bilateral"])
def test_fit_finds_the_exposure_of_an_image_with_clipped_values(kind: str) -> None:
    part = Exposure(ExposureConfig(map=kind, space="linear"), toy_context())  # type: ignore[arg-type]
    rgb, pixels = torch.rand(500, 3, generator=generator()), torch.rand(500, 2, generator=generator(1))
    gains = torch.tensor([1.6, 1.3, 0.7])
    truth = to_srgb((gains * to_linear(rgb)).clamp_max(1.0))
    assert float((truth > 0.999).float().mean()) > 0.1
    found = part.fit(rgb, truth, pixels)(rgb, pixels).clamp_max(1.0)
    torch.testing.assert_close(found, truth, atol=2e-3, rtol=0)


def test_gains_have_the_geometric_mean_one() -> None:
    part = Exposure(ExposureConfig(space="linear"), toy_context())
    with torch.no_grad():
        part.maps.log_gains.normal_(1.0, 0.3)
    torch.testing.assert_close(part.maps.gains().log().mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    rgb, ids = torch.full((6, 3), 0.2), torch.arange(6)
    light = to_linear(part(rgb, ids, torch.rand(6, 2)))
    torch.testing.assert_close(light / to_linear(rgb), part.maps.gains())


def test_cells_of_a_grid_are_interpolated_as_torch_interpolates_a_volume() -> None:
    grids = BilateralGrids(ExposureConfig(grid=(5, 4, 3)), 2).double()
    with torch.no_grad():
        grids.change.normal_(generator=generator())
    rgb, pixels = (torch.rand(30, n, generator=generator(n), dtype=torch.float64) for n in (3, 2))
    rgb[0], pixels[0] = 1.0, 1.0
    ids = torch.arange(30) % 2
    cells = grids.change.view(2, 3, 4, 5, 12)
    cells = (cells - cells.mean(0)).permute(0, 4, 1, 2, 3)
    brightness = rgb @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    where = 2.0 * torch.cat([pixels, brightness[:, None]], -1)[:, None, None, None] - 1.0
    change = grid_sample(cells[ids], where, align_corners=True).view(30, 3, 4)
    expected = rgb + (change[:, :, :3] @ rgb[:, :, None])[..., 0] + change[:, :, 3]
    torch.testing.assert_close(grids(rgb, rgb, ids, pixels), expected)


def test_variation_is_the_mean_squared_difference_of_neighbors() -> None:
    grids = BilateralGrids(ExposureConfig(grid=(3, 2, 2)), 2)
    with torch.no_grad():
        grids.change.normal_(generator=generator())
    cells = grids.change.detach().view(2, 2, 2, 3, 12).numpy()
    total = 0.0
    for axis, size in ((1, 2), (2, 2), (3, 3)):
        squares = []
        for index in itertools.product(range(2), range(2), range(2), range(3)):
            if index[axis] + 1 < size:
                after = tuple(i + (a == axis) for a, i in enumerate(index))
                squares.append((cells[after] - cells[index]) ** 2)
        total += float(np.mean(squares))
    assert float(grids.variation().detach()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"map": "affine"}, {"map": "bilateral", "space": "srgb"}], ids=["affine", "bilateral"]
)
def test_other_maps_keep_the_laws_of_color_maps(options: dict[str, str]) -> None:
    tested = part_under_test("color:exposure", options=options)
    results = [check_law(tested, law, None) for law in laws_for(tested) if law.kinds == ("color",)]
    assert len(results) > 5
    assert not [result.message for result in results if result.state != "kept"]
