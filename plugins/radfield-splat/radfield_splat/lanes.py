"""Vectors of 16 float32 numbers as values in numba kernels: one load, one operation or one store handles 16 numbers.

LLVM compiles such a vector to the widest registers that the processor has. Operators work between two vectors and
between a vector and a number. A comparison gives a mask.

Example (in a kernel):
    x = load(array, i)
    store(out, i, where(x > 0.0, 2.0 * x, broadcast(0.0)))
"""

# mypy: disable-error-code="no-untyped-call"
# numba is untyped.

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 16
_FUSED = ("contract", "nsz")  # a product and a sum may be compiled to one FMA
_FLOAT, _INT, _BIT = ir.FloatType(), ir.IntType(32), ir.IntType(1)
_FLOATS, _INTS, _BITS = (ir.VectorType(kind, WIDTH) for kind in (_FLOAT, _INT, _BIT))


def kernel_function(function: Callable[..., Any]) -> Any:
    """Return a function that kernels call without its first parameter, and whose LLVM code `function` generates."""
    return intrinsic(function)


class _Vector(types.Type):
    def __init__(self, name: str, vector: Any) -> None:
        self.vector = vector
        super().__init__(name=name)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, kind.vector)


LANES = _Vector("Float32x16", _FLOATS)
MASK = _Vector("Maskx16", _BITS)


def _constant(value: float) -> Any:
    return ir.Constant(_FLOATS, [float(np.float32(value))] * WIDTH)


def _splat(builder: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), number, _INT(0))
    return _shuffle(builder, first, [0] * WIDTH)


def _shuffle(builder: Any, first: Any, lanes: Sequence[int], second: Any = None) -> Any:
    indices = ir.Constant(ir.VectorType(_INT, len(lanes)), [_INT(lane) for lane in lanes])
    return builder.shuffle_vector(first, ir.Constant(first.type, ir.Undefined) if second is None else second, indices)


def _lanes(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return an operand as a vector. A number is repeated."""
    if kind == LANES:
        return value
    return _splat(builder, context.cast(builder, value, kind, types.float32))


def _operator(symbol: Any, emit: Callable[[Any, Any, Any], Any], result: _Vector = LANES) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            fits = all(kind == LANES or isinstance(kind, types.Number) for kind in args)
            return signature(result, *args) if len(args) == 2 and fits and LANES in args else None

    infer_global(symbol)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *(_lanes(context, builder, *pair) for pair in zip(sig.args, args, strict=True)))

    for kinds in ((LANES, LANES), (LANES, types.Number), (types.Number, LANES)):
        lower_builtin(symbol, *kinds)(lower)


def _arithmetic(name: str, builder: Any, a: Any, b: Any) -> Any:
    return getattr(builder, name)(a, b, flags=_FUSED)


def _comparison(relation: str, builder: Any, a: Any, b: Any) -> Any:
    return builder.fcmp_ordered(relation, a, b)


for _symbols, _name in (
    ((operator.add, operator.iadd), "fadd"),
    ((operator.sub, operator.isub), "fsub"),
    ((operator.mul, operator.imul), "fmul"),
    ((operator.truediv, operator.itruediv), "fdiv"),
):
    for _symbol in _symbols:
        _operator(_symbol, partial(_arithmetic, _name))
for _symbol, _relation in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    _operator(_symbol, partial(_comparison, _relation), MASK)


def _mask_operator(symbol: Any, name: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(MASK, MASK, MASK) if tuple(args) == (MASK, MASK) else None

    infer_global(symbol)(Template)
    lower_builtin(symbol, MASK, MASK)(lambda context, builder, sig, args: getattr(builder, name)(*args))


_mask_operator(operator.and_, "and_")
_mask_operator(operator.or_, "or_")


class _Negation(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(LANES, LANES) if tuple(args) == (LANES,) else None


infer_global(operator.neg)(_Negation)
lower_builtin(operator.neg, LANES)(lambda context, builder, sig, args: builder.fneg(args[0]))


@kernel_function
def broadcast(typing_context: Any, number: Any) -> Any:
    """Return a vector with the same number in all lanes."""
    return LANES(number), lambda context, builder, sig, args: _lanes(context, builder, sig.args[0], args[0])


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@kernel_function
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Return 16 numbers of a contiguous float32 array from element `index` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1])
        vector = builder.load(builder.bitcast(pointer, _FLOATS.as_pointer()))
        vector.align = 4
        return vector

    return LANES(array, types.int64), generate


@kernel_function
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Store 16 numbers in a contiguous float32 array from element `index` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(pointer, _FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(array, types.int64, LANES), generate


@kernel_function
def pick(typing_context: Any, array: Any, rows: Any, first: Any, stride: Any, column: Any) -> Any:
    """Return the numbers array[rows[first + lane] · stride + column] of a contiguous float32 array.

    `rows` is a contiguous int32 array.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        rows = _address(context, builder, sig.args[1], args[1], args[2])
        vector = ir.Constant(_FLOATS, ir.Undefined)
        for lane in range(WIDTH):
            row = builder.sext(builder.load(builder.gep(rows, [_INT(lane)])), ir.IntType(64))
            element = builder.add(builder.mul(row, args[3]), args[4])
            vector = builder.insert_element(vector, builder.load(builder.gep(data, [element])), _INT(lane))
        return vector

    return LANES(array, rows, types.int64, types.int64, types.int64), generate


@kernel_function
def put(typing_context: Any, array: Any, rows: Any, first: Any, stride: Any, column: Any, value: Any) -> Any:
    """Store lane l of a value in array[rows[first + l] · stride + column]: the inverse of `pick`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        rows = _address(context, builder, sig.args[1], args[1], args[2])
        for lane in range(WIDTH):
            row = builder.sext(builder.load(builder.gep(rows, [_INT(lane)])), ir.IntType(64))
            element = builder.add(builder.mul(row, args[3]), args[4])
            builder.store(builder.extract_element(args[5], _INT(lane)), builder.gep(data, [element]))
        return context.get_dummy_value()

    return types.void(array, rows, types.int64, types.int64, types.int64, LANES), generate


@kernel_function
def where(typing_context: Any, mask: Any, a: Any, b: Any) -> Any:
    """Return a where the mask is true, and b elsewhere."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        chosen = (_lanes(context, builder, *pair) for pair in zip(sig.args[1:], args[1:], strict=True))
        return builder.select(args[0], *chosen)

    return LANES(MASK, a, b), generate


@kernel_function
def bits(typing_context: Any, mask: Any) -> Any:
    """Return a mask as an integer. Lane l is bit l."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(MASK), generate


def _smaller(relation: str) -> Any:
    def function(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, y = (_lanes(context, builder, *pair) for pair in zip(sig.args, args, strict=True))
            return builder.select(builder.fcmp_ordered(relation, x, y), x, y)

        return LANES(a, b), generate

    return kernel_function(function)


minimum, maximum = _smaller("<"), _smaller(">")


def _library(builder: Any, name: str, x: Any) -> Any:
    """Return the result of an LLVM function of one vector, such as `sqrt`."""
    function = ir.FunctionType(_FLOATS, [_FLOATS])
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}.v{WIDTH}f32", (), function), [x])


def _unary(name: str) -> Any:
    def function(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _library(builder, name, args[0])

        return LANES(LANES), generate

    return kernel_function(function)


sqrt, absolute = _unary("sqrt"), _unary("fabs")

# 2^f for f in [−1/2, 1/2] (Cephes, exp2f.c). Relative error below 2e-7.
_EXP2 = (
    1.535336188319500e-4, 1.339887440266574e-3, 9.618437357674640e-3, 5.550332471162809e-2,
    2.402264791363012e-1, 6.931472028550421e-1, 1.0,
)  # fmt: skip

# (log(1 + y) − y + y²/2) / y³ for y in [√½ − 1, √2 − 1] (Cephes, logf.c).
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip


def _polynomial(builder: Any, x: Any, coefficients: Sequence[float]) -> Any:
    total = _constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = builder.fadd(builder.fmul(total, x, flags=_FUSED), _constant(coefficient), flags=_FUSED)
    return total


@kernel_function
def exp2(typing_context: Any, x: Any) -> Any:
    """Return 2^x for x from −126 to 127; smaller x give 2^−126."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lowest = _constant(-126.0)
        bounded = builder.select(builder.fcmp_ordered(">", args[0], lowest), args[0], lowest)
        whole = _library(builder, "rint", bounded)
        mantissa = _polynomial(builder, builder.fsub(bounded, whole), _EXP2)
        exponent = builder.shl(builder.fptosi(whole, _INTS), ir.Constant(_INTS, [23] * WIDTH))
        return builder.bitcast(builder.add(builder.bitcast(mantissa, _INTS), exponent), _FLOATS)

    return LANES(LANES), generate


@kernel_function
def log2(typing_context: Any, x: Any) -> Any:
    """Return log₂ x for normal x > 0, with an absolute error of about 1e-6 (Cephes, logf.c)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def whole(value: int) -> Any:
            return ir.Constant(_INTS, [value] * WIDTH)

        # x = 2^e m with m in [√½, √2): the bits of √½ are subtracted before the exponent is cut off.
        shifted = builder.sub(builder.bitcast(args[0], _INTS), whole(0x3F3504F3))
        exponent = builder.ashr(shifted, whole(23))
        mantissa = builder.add(builder.and_(shifted, whole(0x7FFFFF)), whole(0x3F3504F3))
        y = builder.fsub(builder.bitcast(mantissa, _FLOATS), _constant(1.0))
        square = builder.fmul(y, y)
        tail = builder.fmul(builder.fmul(_polynomial(builder, y, _LOG), y), square)
        natural = builder.fadd(y, builder.fsub(tail, builder.fmul(_constant(0.5), square)))
        scaled = builder.fmul(natural, _constant(1.4426950408889634))
        return builder.fadd(builder.sitofp(exponent, _FLOATS), scaled)

    return LANES(LANES), generate


@kernel_function
def sums(typing_context: Any, vectors: Any) -> Any:
    """Return a vector whose lane k is the sum of all lanes of the k-th of ten vectors. The other lanes are 0.

    The order of the additions is fixed. Neighboring vectors are added lane by lane, so that 15 additions suffice.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from numba.core import cgutils

        rows = cgutils.unpack_tuple(builder, args[0])
        rows += [_constant(0.0)] * (WIDTH - len(rows))
        for half in (8, 4, 2, 1):
            merged = []
            for first, second in zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True):
                # In each group of 2·half lanes, keep the lower half's sums of `first` and the upper half's of `second`.
                low = [lane if not lane & half else lane - half + WIDTH for lane in range(WIDTH)]
                high = [lane + half if not lane & half else lane + WIDTH for lane in range(WIDTH)]
                merged.append(
                    builder.fadd(_shuffle(builder, first, low, second), _shuffle(builder, first, high, second))
                )
            rows = merged
        return rows[0]

    return LANES(vectors), generate


@kernel_function
def lowest(typing_context: Any, number: Any) -> Any:
    """Return the index of the lowest set bit of an int64 that is not 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], _BIT(1))

    return types.int64(types.int64), generate
