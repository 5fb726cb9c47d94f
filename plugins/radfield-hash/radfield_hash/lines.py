"""Eight pairs, which fill a line of the cache, as one value in numba kernels: turned in registers, streamed past it.

What is streamed is not read into the cache before it is written, and drives nothing else out of it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from radfield_hash.vectors import address, chosen, kernel_function, loaded, put

_LINE = ir.VectorType(ir.DoubleType(), 8)  # a pair moves as if it were a float64


def _turning(streamed: bool) -> Any:
    def turn(typing_context: Any, source: Any, at: Any, stride: Any, target: Any, to: Any, pitch: Any) -> Any:
        """Eight rows of eight pairs as columns; rows are `stride` and `pitch` numbers apart, all uint64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            places = _rows(context, builder, signature.args[0], *args[:3])
            columns = _columns(builder, [loaded(builder, place) for place in places])
            places = _rows(context, builder, signature.args[3], *args[3:])
            for place, column in zip(places, columns, strict=True):
                put(builder, place, column, streamed)
            return context.get_dummy_value()

        index = types.uint64
        return types.void(source, index, index, target, index, index), generate

    return kernel_function(turn)


turn, stream = _turning(False), _turning(True)


@kernel_function
def stream_out(typing_context: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """Eight pairs of the source from `at` on, streamed to the target's from `to` on, and zero afterward; uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = address(context, builder, signature.args[0], args[0], args[1], _LINE)
        line = loaded(builder, place)
        put(builder, address(context, builder, signature.args[2], args[2], args[3], _LINE), line, streamed=True)
        put(builder, place, ir.Constant(_LINE, [0.0] * 8))
        return context.get_dummy_value()

    return types.void(source, types.uint64, target, types.uint64), generate


def _rows(context: Any, builder: Any, array_type: Any, array: Any, index: Any, stride: Any) -> list[Any]:
    rows = []
    for _ in range(8):
        rows.append(address(context, builder, array_type, array, index, _LINE))
        index = builder.add(index, stride)
    return rows


def _columns(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of eight vectors of eight: blocks off the diagonal change places, of one, then two, then four."""
    for step in (1, 2, 4):
        turned = list(rows)
        for i in (i for i in range(8) if not i & step):
            low = [k if not k & step else 8 + k - step for k in range(8)]
            high = [k + step if not k & step else 8 + k for k in range(8)]
            turned[i] = chosen(builder, rows[i], low, rows[i + step])
            turned[i + step] = chosen(builder, rows[i], high, rows[i + step])
        rows = turned
    return rows
