"""Eight pairs, which fill a line of the cache, as one value in numba kernels: turned in registers, streamed past it.

What is streamed is not read into the cache before it is written, and drives nothing else out of it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_kernel_function: Any = intrinsic  # see `pair`
_NUMBER, _PAIR = ir.IntType(32), ir.DoubleType()  # a pair moves as if it were a float64
_LINE, _BYTES = ir.VectorType(_PAIR, 8), 64


def _turning(streamed: bool) -> Any:
    def turn(typing_context: Any, source: Any, at: Any, stride: Any, target: Any, to: Any, pitch: Any) -> Any:
        """Eight rows of eight pairs as columns; rows are `stride` and `pitch` numbers apart, all uint64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            places = _rows(context, builder, signature.args[0], *args[:3])
            columns = _columns(builder, [_load(builder, place) for place in places])
            places = _rows(context, builder, signature.args[3], *args[3:])
            for place, column in zip(places, columns, strict=True):
                _store(builder, place, column, streamed)
            return context.get_dummy_value()

        index = types.uint64
        return types.void(source, index, index, target, index, index), generate

    return _kernel_function(turn)


turn, stream = _turning(False), _turning(True)


@_kernel_function
def stream_out(typing_context: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """Eight pairs of the source from `at` on, streamed to the target's from `to` on, and zero afterwards; uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature.args[0], args[0], args[1])
        line = _load(builder, place)
        _store(builder, _address(context, builder, signature.args[2], args[2], args[3]), line, True)
        _store(builder, place, ir.Constant(_LINE, [0.0] * 8), False)
        return context.get_dummy_value()

    return types.void(source, types.uint64, target, types.uint64), generate


def _rows(context: Any, builder: Any, array_type: Any, array: Any, index: Any, stride: Any) -> list[Any]:
    rows = []
    for _ in range(8):
        rows.append(_address(context, builder, array_type, array, index))
        index = builder.add(index, stride)
    return rows


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _LINE.as_pointer())


def _load(builder: Any, place: Any) -> Any:
    line = builder.load(place)
    line.align = 4
    return line


def _store(builder: Any, place: Any, line: Any, streamed: bool) -> None:
    stored = builder.store(line, place)
    stored.align = _BYTES if streamed else 4
    if streamed:
        stored.set_metadata("nontemporal", builder.module.add_metadata([_NUMBER(1)]))


def _columns(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of eight vectors of eight: blocks off the diagonal change places, of one, then two, then four."""
    for step in (1, 2, 4):
        turned = list(rows)
        for i in (i for i in range(8) if not i & step):
            low = [k if not k & step else 8 + k - step for k in range(8)]
            high = [k + step if not k & step else 8 + k for k in range(8)]
            turned[i] = _chosen(builder, rows[i], rows[i + step], low)
            turned[i + step] = _chosen(builder, rows[i], rows[i + step], high)
        rows = turned
    return rows


def _chosen(builder: Any, first: Any, second: Any, places: list[int]) -> Any:
    numbers = ir.Constant(ir.VectorType(_NUMBER, 8), [_NUMBER(place) for place in places])
    return builder.shuffle_vector(first, second, numbers)
