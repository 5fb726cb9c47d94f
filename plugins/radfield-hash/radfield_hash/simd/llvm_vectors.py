"""LLVM vectors as numba types, with functions to load them, to store them and to reorder their lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

FUSED = ("contract", "nsz")  # fast-math flags: a product and a sum may be compiled to one FMA
LANE = ir.IntType(32)  # type of a lane's index
LINE_BYTES = 64  # size of a cache line


def kernel_function(function: Callable[..., Any]) -> Any:
    """Return a numba intrinsic: a function that kernels call, and whose LLVM code `function` generates.

    A kernel calls the intrinsic without the first parameter, the typing context. The return type is Any, because types
    cannot express this.
    """
    return intrinsic(function)


class Vector(types.Type):
    """A numba type. Each of its values is one LLVM vector."""

    def __init__(self, name: str, vector: Any) -> None:
        self.vector = vector
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, type_: Vector) -> None:
        super().__init__(manager, type_, type_.vector)  # type: ignore[no-untyped-call]  # numba gives this no types


def loading(kind: Vector) -> Any:
    """Return a kernel function `load(array, index)`. It loads the vector that starts at element `index`.

    The array is contiguous float32, and the index is uint64.
    """

    def load(typing_context: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return load_unaligned(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector))

        return kind(array, types.uint64), generate

    return kernel_function(load)


def storing(kind: Vector) -> Any:
    """Return a kernel function `store(array, index, value)`. It stores a vector, starting at element `index`.

    The array is contiguous float32, and the index is uint64.
    """

    def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            store_vector(builder, address(context, builder, signature.args[0], args[0], args[1], kind.vector), args[2])
            return context.get_dummy_value()

        return types.void(array, types.uint64, kind), generate

    return kernel_function(store)


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Return a pointer to the vector that starts at element `index` of a float32 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def load_unaligned(builder: Any, pointer: Any) -> Any:
    """Return the vector at a pointer. The pointer must be aligned to 4 bytes."""
    vector = builder.load(pointer)
    vector.align = 4
    return vector


def store_vector(builder: Any, pointer: Any, vector: Any, streamed: bool = False) -> None:
    """Store a vector.

    Args:
        builder: LLVM builder.
        pointer: address to store to, aligned to 4 bytes or, if streamed, to a cache line.
        vector: value to store; if streamed, it must fill a cache line.
        streamed: if True, the store bypasses the cache (a non-temporal store).
    """
    stored = builder.store(vector, pointer)
    stored.align = LINE_BYTES if streamed else 4
    if streamed:
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))


def shuffle(builder: Any, first: Any, lanes: Sequence[int], second: Any = None) -> Any:
    """Return a vector made of lanes of two vectors. `lanes` lists the numbers of these lanes.

    The lanes of `first` are numbered from 0, and the numbers of the lanes of `second` follow.
    """
    indices = ir.Constant(ir.VectorType(LANE, len(lanes)), [LANE(lane) for lane in lanes])
    return builder.shuffle_vector(first, ir.Constant(first.type, ir.Undefined) if second is None else second, indices)
