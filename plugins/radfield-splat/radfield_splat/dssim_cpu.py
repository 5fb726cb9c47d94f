"""D-SSIM on a CPU: one kernel computes the loss and its gradient. Module `dssim` defines both.

Images are rows of 3W numbers, padded by zeros. A window sum is first taken down the rows, then along them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from radfield_core.ops import inlined, kernel
from radfield_splat.dssim import C1, C2, WINDOW, inner, taps
from radfield_splat.lanes import broadcast, load, store

Array = NDArray[Any]
_EDGE = WINDOW - 1


def dssim(image: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean of 1 − SSIM. `radfield_splat.dssim.dssim` describes the arguments."""
    apply: Any = _Dssim.apply
    loss: Tensor = apply(image, truth, weights)
    return loss


def warm_up() -> None:
    """Self-test: compute the loss of a tiny image. This also compiles the kernels or loads them."""
    image = torch.zeros(11, 11, 3, requires_grad=True)
    torch.autograd.backward(dssim(image, torch.zeros(11, 11, 3), None))


class _Dssim(Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
        height, width = image.shape[:2]
        stride = -(-(3 * width + 3 * _EDGE) // 16) * 16 + 16
        x, y = _padded(image, stride), _padded(truth.to(image), stride)
        factors = torch.ones(1, width - _EDGE) if weights is None else inner(weights).to(torch.float32)
        factors = factors.repeat_interleave(3, 1) / ((height - _EDGE) * (width - _EDGE) * 3)
        total = factors.double().sum() * ((height - _EDGE) if weights is None else 1)
        parts = np.zeros((3, height + _EDGE, stride), np.float32)
        sums = np.zeros((height - _EDGE, 16), np.float32)
        window = taps(torch.float32).numpy()
        _windows(
            x, y, _padded(factors, stride), height, width, stride, window, sums.reshape(-1),
            *(part.reshape(-1) for part in parts),
        )  # fmt: skip
        gradient = np.zeros((height, stride), np.float32)
        _spread(x, y, height, width, stride, window, *(part.reshape(-1) for part in parts), gradient.reshape(-1))
        ctx.gradient = torch.from_numpy(gradient)[:, : 3 * width].reshape(image.shape)
        return (total - float(sums.sum(dtype=np.float64))).to(image)

    @staticmethod
    def backward(ctx: Any, by_loss: Tensor) -> Any:
        return by_loss * ctx.gradient, None, None


def _padded(values: Tensor, stride: int) -> Array:
    rows = values.detach().reshape(len(values), -1)
    padded = torch.zeros(len(rows), stride)
    padded[:, : rows.shape[1]] = rows
    return padded.numpy().reshape(-1)


@kernel
def _windows(
    x: Array,
    y: Array,
    factors: Array,
    height: int,
    width: int,
    stride: int,
    window: Array,
    sums: Array,
    by_mean: Array,
    by_square: Array,
    by_product: Array,
) -> None:
    """Write the sums of the windows [16(H − 10)], and the gradients of the loss for the window sums of x, x² and xy.

    Each gradient [H + 10, stride] begins 10 rows and 10 pixels after the start of its array, which is zero elsewhere.
    """
    lines = np.zeros(5 * stride, np.float32)
    many = len(factors) > stride
    for row in range(height - _EDGE):
        _sum_columns(x, y, row, width, stride, window, lines)
        total = broadcast(0.0)
        for column in range(0, 3 * (width - _EDGE), 16):
            m, n, xx, yy, xy = _zeros()
            for tap in range(WINDOW):
                at, k = column + 3 * tap, window[tap]
                m, n = m + k * load(lines, at), n + k * load(lines, at + stride)
                xx, yy = xx + k * load(lines, at + 2 * stride), yy + k * load(lines, at + 3 * stride)
                xy = xy + k * load(lines, at + 4 * stride)
            factor = load(factors, column + row * stride) if many else load(factors, column)
            a1, a2 = 2.0 * m * n + C1, 2.0 * (xy - m * n) + C2
            b1, b2 = m * m + n * n + C1, xx - m * m + yy - n * n + C2
            one = 1.0 / (b1 * b2)
            similarity = a1 * a2 * one
            total = total + factor * similarity
            to = (row + _EDGE) * stride + column + 3 * _EDGE
            mean = 2.0 * n * (a2 - a1) * one + 2.0 * m * similarity * (b1 - b2) * one
            store(by_mean, to, -factor * mean)
            store(by_square, to, factor * a1 * a2 * one / b2)
            store(by_product, to, -2.0 * factor * a1 * one)
        store(sums, 16 * row, total)


@inlined
def _sum_columns(x: Array, y: Array, row: int, width: int, stride: int, window: Array, lines: Array) -> None:
    """Write the window sums of x, y, x², y² and xy down the rows, from a row on, to lines [5, stride]."""
    for column in range(0, 3 * width, 16):
        first = row * stride + column
        s_x, s_y, s_xx, s_yy, s_xy = _zeros()
        for tap in range(WINDOW):
            a, b = load(x, first + tap * stride), load(y, first + tap * stride)
            wa, wb = window[tap] * a, window[tap] * b
            s_x, s_y, s_xx, s_yy, s_xy = s_x + wa, s_y + wb, s_xx + wa * a, s_yy + wb * b, s_xy + wa * b
        store(lines, column, s_x)
        store(lines, column + stride, s_y)
        store(lines, column + 2 * stride, s_xx)
        store(lines, column + 3 * stride, s_yy)
        store(lines, column + 4 * stride, s_xy)


@kernel
def _spread(
    x: Array,
    y: Array,
    height: int,
    width: int,
    stride: int,
    window: Array,
    by_mean: Array,
    by_square: Array,
    by_product: Array,
    gradient: Array,
) -> None:
    """Write the gradient of the loss for x [H, stride]: each pixel sums over the windows that contain it."""
    lines = np.zeros(3 * stride, np.float32)
    for row in range(height):
        for column in range(0, stride - 15, 16):
            first = row * stride + column
            s_m, s_s, s_p = broadcast(0.0), broadcast(0.0), broadcast(0.0)
            for tap in range(WINDOW):
                at, k = first + tap * stride, window[tap]
                s_m, s_s = s_m + k * load(by_mean, at), s_s + k * load(by_square, at)
                s_p = s_p + k * load(by_product, at)
            store(lines, column, s_m)
            store(lines, column + stride, s_s)
            store(lines, column + 2 * stride, s_p)
        for column in range(0, 3 * width, 16):
            s_m, s_s, s_p = broadcast(0.0), broadcast(0.0), broadcast(0.0)
            for tap in range(WINDOW):
                at, k = column + 3 * tap, window[tap]
                s_m, s_s = s_m + k * load(lines, at), s_s + k * load(lines, at + stride)
                s_p = s_p + k * load(lines, at + 2 * stride)
            at = row * stride + column
            store(gradient, at, s_m + 2.0 * load(x, at) * s_s + load(y, at) * s_p)


@inlined
def _zeros() -> Any:
    zero = broadcast(0.0)
    return zero, zero, zero, zero, zero
