"""Two neighboring float32 numbers as one value in numba kernels. One load, store or FMA handles both numbers.

Two separate numbers would take twice as many instructions. The additional ones would take a quarter of the encoding's
time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from radfield_hash.simd.llvm_vectors import FUSED, LANE, Vector, kernel_function, loading, storing

_VECTOR = ir.VectorType(ir.FloatType(), 2)
PAIR = Vector("Float32Pair", _VECTOR)
load, store = loading(PAIR), storing(PAIR)


def _broadcast(builder: Any, number: Any) -> Any:
    half = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, LANE(0))
    return builder.insert_element(half, number, LANE(1))


@kernel_function
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """The sum a + b of two pairs."""
    return PAIR(PAIR, PAIR), lambda context, builder, signature, args: builder.fadd(*args, flags=FUSED)


@kernel_function
def sub(typing_context: Any, a: Any, b: Any) -> Any:
    """The difference a − b of two pairs."""
    return PAIR(PAIR, PAIR), lambda context, builder, signature, args: builder.fsub(*args, flags=FUSED)


@kernel_function
def scale(typing_context: Any, a: Any, number: Any) -> Any:
    """The product of a number and a pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], _broadcast(builder, args[1]), flags=FUSED)

    return PAIR(PAIR, types.float32), generate


@kernel_function
def dot(typing_context: Any, a: Any, b: Any) -> Any:
    """The dot product a₀b₀ + a₁b₁ of two pairs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(*args, flags=FUSED)
        return builder.fadd(builder.extract_element(product, LANE(0)), builder.extract_element(product, LANE(1)))

    return types.float32(PAIR, PAIR), generate
