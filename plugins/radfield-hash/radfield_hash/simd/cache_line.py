"""Operations on whole cache lines for numba kernels: transposing eight by eight pairs, and streaming stores.

A cache line holds eight pairs of float32. A streaming store writes a whole line to memory without reading it into the
cache first, so other data stay in the cache.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from radfield_hash.simd.llvm_vectors import address, kernel_function, load_unaligned, shuffle, store_vector

_LINE = ir.VectorType(ir.DoubleType(), 8)  # a pair of float32 values is moved as one float64


def _transposing(streamed: bool) -> Any:
    def transpose(
        typing_context: Any, source: Any, start: Any, stride: Any, target: Any, target_start: Any, target_stride: Any
    ) -> Any:
        """Transpose a block: write eight rows of eight pairs as columns.

        Starts and strides are uint64, in units of float32 values.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = [
                load_unaligned(builder, row) for row in _row_pointers(context, builder, signature.args[0], *args[:3])
            ]
            pointers = _row_pointers(context, builder, signature.args[3], *args[3:])
            for pointer, column in zip(pointers, _columns(builder, rows), strict=True):
                store_vector(builder, pointer, column, streamed)
            return context.get_dummy_value()

        index = types.uint64
        return types.void(source, index, index, target, index, index), generate

    return kernel_function(transpose)


transpose, transpose_streamed = _transposing(False), _transposing(True)


@kernel_function
def move_streamed(typing_context: Any, source: Any, start: Any, target: Any, target_start: Any) -> Any:
    """Copy eight pairs of `source` to `target` by a streaming store, and set them to zero in `source`.

    Both starts are uint64.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        origin = address(context, builder, signature.args[0], args[0], args[1], _LINE)
        line = load_unaligned(builder, origin)
        goal = address(context, builder, signature.args[2], args[2], args[3], _LINE)
        store_vector(builder, goal, line, streamed=True)
        store_vector(builder, origin, ir.Constant(_LINE, [0.0] * 8))
        return context.get_dummy_value()

    return types.void(source, types.uint64, target, types.uint64), generate


def _row_pointers(context: Any, builder: Any, array_type: Any, array: Any, index: Any, stride: Any) -> list[Any]:
    pointers = []
    for _ in range(8):
        pointers.append(address(context, builder, array_type, array, index, _LINE))
        index = builder.add(index, stride)
    return pointers


def _columns(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose eight vectors of eight elements.

    Off-diagonal blocks are swapped in three steps: blocks of size one, then two, then four.
    """
    for step in (1, 2, 4):
        swapped = list(rows)
        for i in (i for i in range(8) if not i & step):
            low = [k if not k & step else 8 + k - step for k in range(8)]
            high = [k + step if not k & step else 8 + k for k in range(8)]
            swapped[i] = shuffle(builder, rows[i], low, rows[i + step])
            swapped[i + step] = shuffle(builder, rows[i], high, rows[i + step])
        rows = swapped
    return rows
