"""Features between rows [M, 2P], as encodings give them, and pairs level by level [P, M], as kernels work on them.

In rows, the pairs of one level lie far apart: written or read level by level, each would claim a line of the cache of
its own, which takes longer than to fetch the entries. So a chunk's features are turned: eight pairs of eight points,
which fill eight lines on either side, at a time and in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types, uint64
from numba.extending import intrinsic

from radfield_core.ops.jit import inlined, kernel
from radfield_hash import pair

_kernel_function: Any = intrinsic  # see `pair`
_NONE, _ONE, _TWO, _EIGHT = (np.uint64(number) for number in (0, 1, 2, 8))
_PAIRS = ir.VectorType(ir.DoubleType(), 8)  # a pair moves as if it were a float64
LINE = 64  # bytes


@kernel
def load_features(rows: Any, start: int, count: int, first: int, last: int, turned: Any) -> None:
    """Pairs first to last of the rows [count, 2P] from `start` on, as turned [P, chunk] pairs."""
    width, stride = uint64(rows.shape[1]), uint64(turned.shape[1])
    source, target = uint64(start) * width + _TWO * uint64(first), uint64(first) * stride
    for i in range(_NONE, uint64(count), _EIGHT):
        points, pairs = min(_EIGHT, uint64(count) - i), uint64(last - first)
        _transpose(rows, source + i * width, width, points, turned, target + _TWO * i, stride, pairs, False)


@kernel
def store_features(turned: Any, start: int, count: int, rows: Any, streamed: bool) -> None:
    """The inverse of `load_features`, for all pairs; streamed past the cache, for which rows must fill whole lines."""
    width, stride = uint64(rows.shape[1]), uint64(turned.shape[1])
    for i in range(_NONE, uint64(count), _EIGHT):
        points, pairs = min(_EIGHT, uint64(count) - i), uint64(turned.shape[0])
        target = (uint64(start) + i) * width
        _transpose(turned, _TWO * i, stride, pairs, rows, target, width, points, streamed)


@inlined
def _transpose(
    source: Any, at: Any, stride: Any, n: Any, target: Any, to: Any, pitch: Any, m: Any, streamed: bool
) -> None:
    """Pairs [n, m] from number `at` of the source on, rows `stride` numbers apart, to the target's as [m, n]."""
    whole_n, whole_m = n - n % _EIGHT, m - m % _EIGHT
    for i in range(_NONE, whole_n, _EIGHT):
        for j in range(_NONE, whole_m, _EIGHT):
            here, there = at + i * stride + _TWO * j, to + j * pitch + _TWO * i
            if streamed:
                _stream_eight(source, here, stride, target, there, pitch)
            else:
                _turn_eight(source, here, stride, target, there, pitch)
    for j in range(m):
        for i in range(whole_n if j < whole_m else _NONE, n):
            pair.store(target, to + j * pitch + _TWO * i, pair.load(source, at + i * stride + _TWO * j))


def _turning(streamed: bool) -> Any:
    def turn(
        typing_context: Any, source: Any, at: Any, stride: Any, target: Any, to: Any, pitch: Any
    ) -> tuple[Any, Any]:
        """Eight rows of eight pairs as columns; rows are `stride` and `pitch` numbers apart, all uint64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = []
            for address in _addresses(context, builder, signature.args[0], *args[:3]):
                rows.append(builder.load(address))
                rows[-1].align = 4
            columns = _columns(builder, rows)
            for address, column in zip(
                _addresses(context, builder, signature.args[3], *args[3:]), columns, strict=True
            ):
                stored = builder.store(column, address)
                stored.align = LINE if streamed else 4
                if streamed:
                    stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
            return context.get_dummy_value()

        number = types.uint64
        return types.void(source, number, number, target, number, number), generate

    return _kernel_function(turn)


def _addresses(context: Any, builder: Any, array_type: Any, array: Any, index: Any, stride: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    for _ in range(8):
        yield builder.bitcast(builder.gep(data, [index]), _PAIRS.as_pointer())
        index = builder.add(index, stride)


def _columns(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of eight vectors of eight: blocks off the diagonal change places, of one, then two, then four."""
    for step in (1, 2, 4):
        turned = list(rows)
        for i in (i for i in range(8) if not i & step):
            first, second = rows[i], rows[i + step]
            low = [k if not k & step else 8 + k - step for k in range(8)]
            high = [k + step if not k & step else 8 + k for k in range(8)]
            turned[i] = _chosen(builder, first, second, low)
            turned[i + step] = _chosen(builder, first, second, high)
        rows = turned
    return rows


def _chosen(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    number = ir.IntType(32)
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(number, 8), [number(k) for k in lanes]))


_turn_eight, _stream_eight = _turning(False), _turning(True)
