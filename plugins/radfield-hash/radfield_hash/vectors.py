"""LLVM's vectors in numba kernels: as types of values, in float32 arrays, and with their lanes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

kernel_function: Any = intrinsic  # kernels call it without the typing context, which its type does not say
FUSED = ("contract", "nsz")  # a product and a sum may become one FMA
LANE = ir.IntType(32)  # the type of a lane's number
LINE_BYTES = 64  # of the cache


class Vector(types.Type):
    """A type of kernels' values that LLVM has as one vector."""

    def __init__(self, name: str, vector: Any) -> None:
        self.vector = vector
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, type_: Vector) -> None:
        super().__init__(manager, type_, type_.vector)


def loading(kind: Vector) -> Any:
    """The kernel function that loads such a value from a contiguous float32 array, from an index, an uint64, on."""

    def load(typing_context: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return loaded(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector))

        return kind(array, types.uint64), generate

    return kernel_function(load)


def storing(kind: Vector) -> Any:
    """The kernel function that stores such a value into a contiguous float32 array, from an index, an uint64, on."""

    def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            put(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector), args[2])
            return context.get_dummy_value()

        return types.void(array, types.uint64, kind), generate

    return kernel_function(store)


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Where the vector lies that starts at an index of a float32 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def loaded(builder: Any, place: Any) -> Any:
    """The vector at an address that need only be a float32's."""
    vector = builder.load(place)
    vector.align = 4
    return vector


def put(builder: Any, place: Any, vector: Any, streamed: bool = False) -> None:
    """The vector to an address that need only be a float32's; or past the cache to that of a line, which it fills."""
    stored = builder.store(vector, place)
    stored.align = LINE_BYTES if streamed else 4
    if streamed:
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))


def chosen(builder: Any, first: Any, places: Sequence[int], second: Any = None) -> Any:
    """The lanes at these places, counted through both vectors."""
    numbers = ir.Constant(ir.VectorType(LANE, len(places)), [LANE(place) for place in places])
    return builder.shuffle_vector(first, ir.Constant(first.type, ir.Undefined) if second is None else second, numbers)
