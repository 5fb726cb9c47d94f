"""Two neighbouring float32 numbers as one value in numba kernels: one load, one store and one FMA for both.

numba compiles a pair of scalars to twice the instructions, which is a quarter of the encoding's time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

_kernel_function: Any = intrinsic  # kernels call it without the typing context, which its type does not say
_VECTOR = ir.VectorType(ir.FloatType(), 2)
_FUSED = ("contract", "nsz")  # a product and a sum may become one FMA


class _Pair(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Float32Pair")


PAIR = _Pair()


@register_model(_Pair)
class _PairModel(models.PrimitiveModel):
    def __init__(self, manager: Any, type_: Any) -> None:
        super().__init__(manager, type_, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _both(builder: Any, number: Any) -> Any:
    lane = ir.IntType(32)
    half = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, lane(0))
    return builder.insert_element(half, number, lane(1))


@_kernel_function
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """array[index], array[index + 1] of a contiguous float32 array; index uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = builder.load(_address(context, builder, signature.args[0], *args))
        loaded.align = 4
        return loaded

    return PAIR(array, types.uint64), generate


@_kernel_function
def store(typing_context: Any, array: Any, index: Any, pair: Any) -> Any:
    """array[index], array[index + 1] = pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored = builder.store(args[2], _address(context, builder, signature.args[0], args[0], args[1]))
        stored.align = 4
        return context.get_dummy_value()

    return types.void(array, types.uint64, PAIR), generate


@_kernel_function
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """a + b."""
    return PAIR(PAIR, PAIR), lambda context, builder, signature, args: builder.fadd(*args, flags=_FUSED)


@_kernel_function
def sub(typing_context: Any, a: Any, b: Any) -> Any:
    """a − b."""
    return PAIR(PAIR, PAIR), lambda context, builder, signature, args: builder.fsub(*args, flags=_FUSED)


@_kernel_function
def scale(typing_context: Any, a: Any, number: Any) -> Any:
    """number · a."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], _both(builder, args[1]), flags=_FUSED)

    return PAIR(PAIR, types.float32), generate


@_kernel_function
def dot(typing_context: Any, a: Any, b: Any) -> Any:
    """a₀b₀ + a₁b₁."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lane = ir.IntType(32)
        product = builder.fmul(*args, flags=_FUSED)
        return builder.fadd(builder.extract_element(product, lane(0)), builder.extract_element(product, lane(1)))

    return types.float32(PAIR, PAIR), generate
