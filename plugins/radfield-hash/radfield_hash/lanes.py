"""Eight points' numbers, or pairs of features, as one value in numba kernels; for processors with AVX-512.

Operators work between values of one kind. Eight pairs are gathered in one instruction.
"""

from __future__ import annotations

import operator
from functools import cache
from typing import Any

from llvmlite import binding, ir
from numba import config, float32, types
from numba.extending import overload

from radfield_hash.vectors import FUSED, Vector, address, chosen, kernel_function, loading, storing

_kernel_operator: Any = overload
_settings: Any = config
_SINGLE, _WHOLE, _PAIR = ir.FloatType(), ir.IntType(32), ir.DoubleType()  # a pair is fetched as if it were a float64


@cache
def usable() -> bool:
    """Whether numba compiles for an Intel processor from Sapphire Rapids on.

    Those before it gather slowly since they were patched against Downfall, and AMD's in as many steps as loads.
    """
    as_it_is = _settings.CPU_NAME is None and _settings.CPU_FEATURES is None and _settings.ENABLE_AVX
    amd = binding.get_host_cpu_name().startswith("znver")
    return bool(as_it_is and not amd and binding.get_host_cpu_features().get("avx512fp16", False))


_REALS = Vector("Float32Lanes", ir.VectorType(_SINGLE, 8))
_WHOLES = Vector("UInt32Lanes", ir.VectorType(_WHOLE, 8))
_PAIRS = Vector("Float32PairLanes", ir.VectorType(_SINGLE, 16))
_EIGHT_PAIRS = ir.VectorType(_PAIR, 8)
_MASK = ir.VectorType(ir.IntType(1), 8)
load, store = loading(_REALS), storing(_PAIRS)


def _define(symbol: Any, on_reals: str | None, on_wholes: str) -> None:
    """The operator between lanes of one type, as LLVM calls it on floats and on integers."""

    @kernel_function
    def combined(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if a == _WHOLES:
                return getattr(builder, on_wholes)(*args)
            return getattr(builder, str(on_reals))(*args, flags=FUSED if a == _PAIRS else ())

        return a(a, b), generate

    @_kernel_operator(symbol, strict=False)  # whose annotations it takes for another signature
    def typed(a: Any, b: Any) -> Any:
        if a in (_REALS, _WHOLES, _PAIRS) and a == b and (on_reals or a == _WHOLES):
            return lambda a, b: combined(a, b)
        return None


_define(operator.add, "fadd", "add")
_define(operator.sub, "fsub", "sub")
_define(operator.mul, "fmul", "mul")
_define(operator.and_, None, "and_")
_define(operator.xor, None, "xor")


@kernel_function
def least(typing_context: Any, a: Any, b: Any) -> Any:
    """The smaller of each two whole numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", *args), *args)

    return _WHOLES(_WHOLES, _WHOLES), generate


@kernel_function
def same(typing_context: Any, number: Any) -> Any:
    """Eight times the number, a float32 or an uint32."""
    kind = _REALS if number == float32 else _WHOLES

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        undefined = ir.Constant(kind.vector, ir.Undefined)
        return chosen(builder, builder.insert_element(undefined, args[0], _WHOLE(0)), [0] * 8)

    return kind(number), generate


@kernel_function
def twice(typing_context: Any, a: Any) -> Any:
    """Each number for both of a pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return chosen(builder, args[0], [k // 2 for k in range(16)])

    return _PAIRS(_REALS), generate


@kernel_function
def whole(typing_context: Any, a: Any) -> Any:
    """Without what follows the point, which numbers from 0 to 2³¹ may have."""
    return _WHOLES(_REALS), lambda context, builder, signature, args: builder.fptosi(args[0], _WHOLES.vector)


@kernel_function
def real(typing_context: Any, a: Any) -> Any:
    """Whole numbers below 2³¹ as float32."""
    return _REALS(_WHOLES), lambda context, builder, signature, args: builder.sitofp(args[0], _REALS.vector)


@kernel_function
def gather(typing_context: Any, array: Any, start: Any, number: Any) -> Any:
    """The pairs of these numbers, below 2³¹, of a contiguous float32 array, counted from its element `start`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = address(context, builder, signature.args[0], args[0], args[1], ir.IntType(8))
        arguments = [ir.Constant(_EIGHT_PAIRS, ir.Undefined), start, args[2], ir.Constant(_MASK, [1] * 8), _WHOLE(8)]
        function = ir.FunctionType(_EIGHT_PAIRS, [argument.type for argument in arguments])
        name = "llvm.x86.avx512.mask.gather.dpd.512"
        fetched = builder.call(builder.module.declare_intrinsic(name, (), function), arguments)
        return builder.bitcast(fetched, _PAIRS.vector)

    return _PAIRS(array, types.uint64, _WHOLES), generate
