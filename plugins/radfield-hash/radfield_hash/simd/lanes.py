"""Vector values for numba kernels on processors with AVX-512.

A value holds eight numbers or eight pairs of features, one per point. A lane is one of the eight positions. Operators
combine values of the same kind. One instruction gathers eight pairs from a table. README.md in this folder explains the
purpose of this module, how to measure its benefit, and how to switch it off.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import binding, ir
from numba import config, float32, types
from numba.extending import overload

from radfield_hash.simd.llvm_vectors import FUSED, Vector, address, kernel_function, loading, shuffle, storing

_overload: Any = overload
_settings: Any = config
_FLOAT, _INT, _PAIR = ir.FloatType(), ir.IntType(32), ir.DoubleType()  # a pair is gathered as one float64


@cache
def faster() -> bool:
    """Return True if numba compiles for an Intel processor with fast gathers: Sapphire Rapids or later.

    On older Intel processors, gathers became slow with the microcode patch against Downfall. AMD processors split a
    gather into single loads.
    """
    unconfigured = _settings.CPU_NAME is None and _settings.CPU_FEATURES is None and _settings.ENABLE_AVX
    amd = binding.get_host_cpu_name().startswith("znver")
    return bool(unconfigured and not amd and binding.get_host_cpu_features().get("avx512fp16", False))


_FLOATS = Vector("Float32Lanes", ir.VectorType(_FLOAT, 8))
_INTS = Vector("UInt32Lanes", ir.VectorType(_INT, 8))
_PAIRS = Vector("Float32PairLanes", ir.VectorType(_FLOAT, 16))
_EIGHT_PAIRS = ir.VectorType(_PAIR, 8)
_MASK = ir.VectorType(ir.IntType(1), 8)
load, store = loading(_FLOATS), storing(_PAIRS)


def _define(symbol: Callable[[Any, Any], Any], on_floats: str | None, on_ints: str) -> None:
    """Define an operator between values of the same kind.

    `on_floats` and `on_ints` name the methods of the LLVM builder that generate the operator.
    """

    @kernel_function
    def combined(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if a == _INTS:
                return getattr(builder, on_ints)(*args)
            return getattr(builder, str(on_floats))(*args, flags=FUSED if a == _PAIRS else ())

        return a(a, b), generate

    def typed(a: Any, b: Any) -> Any:
        if a in (_FLOATS, _INTS, _PAIRS) and a == b and (on_floats or a == _INTS):
            return lambda a, b: combined(a, b)
        return None

    _overload(symbol, strict=False)(typed)  # strict mode compares annotations, but lambdas have none


_define(operator.add, "fadd", "add")
_define(operator.sub, "fsub", "sub")
_define(operator.mul, "fmul", "mul")
_define(operator.and_, None, "and_")
_define(operator.xor, None, "xor")


@kernel_function
def minimum(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the smaller of two integers in each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", *args), *args)

    return _INTS(_INTS, _INTS), generate


@kernel_function
def broadcast(typing_context: Any, number: Any) -> Any:
    """Return a value with the same number, float32 or uint32, in all eight lanes."""
    kind = _FLOATS if number == float32 else _INTS

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        undefined = ir.Constant(kind.vector, ir.Undefined)
        return shuffle(builder, builder.insert_element(undefined, args[0], _INT(0)), [0] * 8)

    return kind(number), generate


@kernel_function
def repeat(typing_context: Any, a: Any) -> Any:
    """Return a value that contains each number twice, once for each member of a pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return shuffle(builder, args[0], [k // 2 for k in range(16)])

    return _PAIRS(_FLOATS), generate


@kernel_function
def to_int(typing_context: Any, a: Any) -> Any:
    """Return the integer parts of float32 numbers. The numbers must be at least 0 and below 2³¹."""
    return _INTS(_FLOATS), lambda context, builder, signature, args: builder.fptosi(args[0], _INTS.vector)


@kernel_function
def to_float(typing_context: Any, a: Any) -> Any:
    """Convert integers to float32. The integers must be below 2³¹."""
    return _FLOATS(_INTS), lambda context, builder, signature, args: builder.sitofp(args[0], _FLOATS.vector)


@kernel_function
def gather(typing_context: Any, array: Any, start: Any, index: Any) -> Any:
    """Return the pairs of a contiguous float32 array at the given indices.

    The indices must be below 2³¹. They count pairs, starting at element `start` of the array.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = address(context, builder, signature.args[0], args[0], args[1], ir.IntType(8))
        arguments = [ir.Constant(_EIGHT_PAIRS, ir.Undefined), start, args[2], ir.Constant(_MASK, [1] * 8), _INT(8)]
        function = ir.FunctionType(_EIGHT_PAIRS, [argument.type for argument in arguments])
        name = "llvm.x86.avx512.mask.gather.dpd.512"
        fetched = builder.call(builder.module.declare_intrinsic(name, (), function), arguments)
        return builder.bitcast(fetched, _PAIRS.vector)

    return _PAIRS(array, types.uint64, _INTS), generate
