"""LLVM vectors as numba types: loading them from float32 arrays, storing them, and reordering their lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

FUSED = ("contract", "nsz")  # fast-math flags: a product and a sum may become one FMA
LANE = ir.IntType(32)  # type of a lane's index
LINE_BYTES = 64  # size of a cache line


def kernel_function(function: Callable[..., Any]) -> Any:
    """A numba intrinsic: a function that kernels call, and whose LLVM code `function` generates.

    Kernels call it without the typing context, its first parameter; the return type cannot express that.
    """
    return intrinsic(function)


class Vector(types.Type):
    """A numba type whose values are one LLVM vector."""

    def __init__(self, name: str, vector: Any) -> None:
        self.vector = vector
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, type_: Vector) -> None:
        super().__init__(manager, type_, type_.vector)  # type: ignore[no-untyped-call]  # numba leaves it without types


def loading(kind: Vector) -> Any:
    """Kernel function `load(array, index)`: the vector that starts at element `index`, an uint64.

    The array is contiguous float32.
    """

    def load(typing_context: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return load_unaligned(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector))

        return kind(array, types.uint64), generate

    return kernel_function(load)


def storing(kind: Vector) -> Any:
    """Kernel function `store(array, index, value)`: store the vector from element `index`, an uint64, on.

    The array is contiguous float32.
    """

    def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            store_vector(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector), args[2])
            return context.get_dummy_value()

        return types.void(array, types.uint64, kind), generate

    return kernel_function(store)


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Pointer to the vector that starts at element `index` of a float32 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def load_unaligned(builder: Any, pointer: Any) -> Any:
    """The vector at a pointer that is aligned as a float32 is."""
    vector = builder.load(pointer)
    vector.align = 4
    return vector


def store_vector(builder: Any, pointer: Any, vector: Any, streamed: bool = False) -> None:
    """Store a vector.

    Args:
        builder: LLVM builder.
        pointer: aligned as a float32 is; if streamed, aligned to a cache line.
        vector: value to store; if streamed, it fills a cache line.
        streamed: bypass the cache (a non-temporal store).
    """
    stored = builder.store(vector, pointer)
    stored.align = LINE_BYTES if streamed else 4
    if streamed:
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))


def shuffle(builder: Any, first: Any, lanes: Sequence[int], second: Any = None) -> Any:
    """Lanes of two vectors, in the order given; lanes of `second` are numbered after those of `first`."""
    indices = ir.Constant(ir.VectorType(LANE, len(lanes)), [LANE(lane) for lane in lanes])
    return builder.shuffle_vector(first, ir.Constant(first.type, ir.Undefined) if second is None else second, indices)
