"""Reduce images, depths and normals to a smaller size by area averages.

A pixel of the smaller image covers a rectangle of the larger one, and its value is the mean over this rectangle. Pixels
that are partly inside the rectangle are weighted by the share of their area inside it. So the factor between the sizes
need not be a whole number.

Symbols in shapes: H×W pixels of the larger image, h×w pixels of the smaller one, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BAND_VALUES = 1 << 17
"""Number of values that are computed at a time, 1 MiB of float64. Large photographs at once would take gigabytes."""

MIN_KNOWN_SHARE = 0.5
"""A pixel of the smaller image has a depth or normal if these are known in at least this share of the pixel's area."""


def area_average(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return an image [h, w, C] uint8: the area averages of an image [H, W, C], rounded to the nearest number.

    If the image has four channels, the color is weighted by alpha. So averaging before or after compositing on a
    background gives the same result. If alpha is 0 in the whole rectangle, the color is the plain average.

    Args:
        image: the larger image.
        width: number of columns of the smaller image.
        height: number of rows of the smaller image.

    Example:
        >>> area_average(np.array([[[0], [4]], [[8], [0]]], dtype=np.uint8), 1, 1).tolist()
        [[[3]]]
    """
    result = np.empty((height, width, image.shape[2]), np.uint8)
    for rows in _bands(image.shape, height):
        result[rows] = np.floor(_colors(image, width, height, rows) + 0.5)
    return result


def area_mean(values: npt.NDArray[np.floating[Any]], width: int, height: int) -> npt.NDArray[np.floating[Any]]:
    """Return the area averages [h, w, C] of values [H, W, C] in their own precision. They are computed in float64.

    Example:
        >>> area_mean(np.array([[[0.0], [1.0], [2.0]]]), 2, 1).round(4).tolist()  # 1.5 pixels each
        [[[0.3333], [1.6667]]]
    """
    result = np.empty((height, width, values.shape[2]), values.dtype)
    for rows in _bands(values.shape, height):
        top, bottom = _covered_rows(values.shape[0], height, rows)
        result[rows] = _mean(values[top:bottom].astype(np.float64), width, height, rows, values.shape[0], top)
    return result


def _bands(shape: tuple[int, ...], height: int) -> Iterator[slice]:
    """Yield the rows of a reduced image in bands, so that little memory is used at a time.

    Args:
        shape: shape of the larger image.
        height: number of rows of the smaller image.
    """
    step = max(1, BAND_VALUES // (shape[1] * shape[2]))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _colors(image: npt.NDArray[np.uint8], width: int, height: int, rows: slice) -> Array:
    """Return the colors of the reduced image, of which only `rows` are computed, before they are rounded."""
    plain = _mean(image, width, height, rows)
    if image.shape[2] != 4:
        return plain
    alpha = plain[..., 3:]
    top, bottom = _covered_rows(image.shape[0], height, rows)
    part = image[top:bottom].astype(np.float64)
    weighted = _mean(part[..., :3] * part[..., 3:], width, height, rows, image.shape[0], top)
    return np.concatenate([np.divide(weighted, alpha, out=plain[..., :3].copy(), where=alpha > 0), alpha], axis=-1)


def average_known(values: Array, known: npt.NDArray[np.bool_], width: int, height: int, unknown: float) -> Array:
    """Return the area averages [h, w, C] of values [H, W, C], over the known values only.

    Args:
        values: the values. Unknown ones may be infinite or NaN.
        known: [H, W], True for known values.
        width: number of columns w of the result.
        height: number of rows h of the result.
        unknown: result for pixels in which less than half of the area is known.

    Example:
        >>> depth = np.array([[2.0, 4.0], [np.inf, 3.0]])[..., None]
        >>> average_known(depth, np.isfinite(depth[..., 0]), 1, 1, np.inf).tolist()
        [[[3.0]]]
    """
    everything = slice(0, height)
    share = _mean(known.astype(np.float64)[..., None], width, height, everything)
    total = _mean(np.where(known[..., None], values, 0.0), width, height, everything)
    enough = share > MIN_KNOWN_SHARE - 1e-9
    return np.where(enough, total / np.where(enough, share, 1.0), unknown)


def _mean(
    values: npt.NDArray[np.uint8] | Array, width: int, height: int, rows: slice, full_height: int = 0, top: int = 0
) -> Array:
    """Return the area averages of values [H, W, C], only for the rows of the smaller image in the slice `rows`.

    `values` may be a part of the larger image, from the row `top` on. `full_height` is then the height of the larger
    image.
    """
    tall, wide = full_height or values.shape[0], values.shape[1]
    vertical = _along_first(values, *_taps(tall, height, rows), top)
    across = _along_first(vertical.swapaxes(0, 1), *_taps(wide, width, slice(0, width)), 0)
    mean: Array = across.swapaxes(0, 1) / (tall * wide)  # divided last: until here, sums of bytes are exact
    return mean


def _covered_rows(n: int, n_out: int, chosen: slice) -> tuple[int, int]:
    """Return the range of rows that the chosen rows of the smaller image cover in the larger one.

    The range is the number of the first covered row, and the number of the last one plus 1.
    """
    return chosen.start * n // n_out, -(-chosen.stop * n // n_out)


def _taps(n: int, n_out: int, chosen: slice) -> tuple[npt.NDArray[np.int64], Array]:
    """Return the pixels of the larger image that each pixel of the smaller image covers, along one axis.

    Args:
        n: number of pixels of the larger image.
        n_out: number of pixels of the smaller image.
        chosen: the pixels of the smaller image to compute.

    Returns:
        For each chosen pixel, the first pixel that it covers [m], and the covered lengths of this pixel and of the
        following ones [m, K]. The unit of length is 1 / `n_out` of a pixel, so that all lengths are whole numbers.
    """
    edges = np.arange(chosen.start, chosen.stop + 1) * n
    first = edges[:-1] // n_out
    longest = -(-n // n_out) + 1
    left = (first[:, None] + np.arange(longest)) * n_out
    covered = np.minimum(left + n_out, edges[1:, None]) - np.maximum(left, edges[:-1, None])
    return first, covered.clip(min=0).astype(np.float64)


def _along_first(
    values: npt.NDArray[np.uint8] | Array, first: npt.NDArray[np.int64], covered: Array, top: int
) -> Array:
    """Return weighted sums of the values along the first axis. `_taps` returns the pixels and weights to use."""
    last = values.shape[0] - 1
    result = np.zeros((len(first), *values.shape[1:]))
    for tap in range(covered.shape[1]):
        weights = covered[:, tap].reshape(-1, *[1] * (values.ndim - 1))
        if weights.any():
            result += weights * values[np.minimum(first + tap - top, last)]
    return result
