"""Area averages, against nested loops with exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from radfield_core.data import area_average as module
from radfield_core.data.area_average import area_average, average_known


def _overlap(i: int, n: int, k: int, n_out: int) -> Fraction:
    """The length that pixel i of n has in common with pixel k of n_out, along one axis of length n."""
    low, high = max(Fraction(i), Fraction(k * n, n_out)), min(Fraction(i + 1), Fraction((k + 1) * n, n_out))
    return max(Fraction(0), high - low)


def _exact(image: np.ndarray, width: int, height: int) -> list[list[list[Fraction]]]:
    rows, columns, channels = image.shape
    result = []
    for y in range(height):
        line = []
        for x in range(width):
            total, area, weight = [Fraction(0)] * channels, Fraction(0), Fraction(0)
            plain = [Fraction(0)] * channels
            for i in range(rows):
                for j in range(columns):
                    part = _overlap(i, rows, y, height) * _overlap(j, columns, x, width)
                    if not part:
                        continue
                    alpha = Fraction(int(image[i, j, 3])) if channels == 4 else Fraction(1)
                    area, weight = area + part, weight + part * alpha
                    for c in range(channels):
                        value = int(image[i, j, c])
                        plain[c] += part * value
                        total[c] += part * (alpha if c < 3 else 1) * value
            if channels < 4 or weight == 0:
                line.append([value / area for value in plain])
            else:
                line.append([*(value / weight for value in total[:3]), total[3] / area])
        result.append(line)
    return result


def _rounded(values: list[list[list[Fraction]]]) -> list[list[list[int]]]:
    return [[[int(value + Fraction(1, 2)) for value in pixel] for pixel in line] for line in values]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("size", "smaller"), [((8, 6), (4, 3)), ((9, 7), (4, 2)), ((7, 5), (5, 4)), ((6, 5), (1, 5))])
def test_every_pixel_is_the_mean_over_the_area_that_it_covers(
    channels: int, size: tuple[int, int], smaller: tuple[int, int]
) -> None:
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    image[:3, :4, -1] = 0  # where alpha is zero, the color is the plain mean
    assert area_average(image, *smaller).tolist() == _rounded(_exact(image, *smaller))


def test_a_mean_of_exactly_one_half_is_rounded_up() -> None:
    image = np.zeros((6, 6, 1), np.uint8)
    image[:3] = 1
    assert area_average(image, 1, 1).tolist() == [[[1]]]


def test_compositing_and_averaging_can_be_done_in_either_order() -> None:
    draw = np.random.default_rng(1)
    image = draw.integers(0, 256, (8, 8, 4), dtype=np.uint8)

    def on_white(pixels: np.ndarray) -> np.ndarray:
        alpha = pixels[..., 3:] / 255.0
        return pixels[..., :3] * alpha + 255.0 * (1 - alpha)

    before = on_white(image).reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(on_white(area_average(image, 4, 4)) - before).max() < 1.5  # color and alpha are rounded to 8 bits


def test_the_result_does_not_depend_on_how_many_rows_are_computed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    for channels in (3, 4):
        image = draw.integers(0, 256, (23, 11, channels), dtype=np.uint8)
        whole = area_average(image, 5, 9)
        with monkeypatch.context() as patch:
            patch.setattr(module, "BAND_VALUES", 1)
            assert np.array_equal(area_average(image, 5, 9), whole)


def test_values_are_averaged_in_bands_as_in_float64_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(3).random((23, 11, 2)).astype(np.float32)
    known = average_known(image.astype(np.float64), np.ones((23, 11), np.bool_), 5, 9, 0.0)
    for size in (1, 1 << 17):
        monkeypatch.setattr(module, "BAND_VALUES", size)
        assert np.array_equal(module.area_mean(image, 5, 9), known.astype(np.float32))


def test_only_known_values_are_averaged() -> None:
    nothing = np.inf
    depth = np.array([[1.0, 3.0, nothing, nothing], [5.0, nothing, nothing, 7.0]])
    found = average_known(depth[..., None], np.isfinite(depth), 2, 1, nothing)[..., 0]
    assert found.tolist() == [[3.0, nothing]]  # a quarter of the second pixel is known: less than half
