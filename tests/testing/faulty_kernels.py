"""Kernels with one fault each, which test_gpu_kernels.py compiles. They are imported only by the process that does."""

# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["n"])
def good(x, y, n, SIZE: tl.constexpr):
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    tl.store(y + i, doubled(tl.load(x + i, mask=i < n)), mask=i < n)


@triton.jit
def doubled(x):
    """A function that returns a value: a part of kernels, and no kernel."""
    return 2 * x


@triton.jit
def does_not_compile(x, y, n, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    tl.store(y + i, abs(x), mask=i < n)  # Python's `abs`, which only the interpreter knows


@triton.jit(do_not_specialize=["n"])
def waits_for_memory(x, y, n, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    tl.atomic_add(y + i % 2, tl.load(x + i, mask=i < n), mask=i < n)


@triton.jit(do_not_specialize=["n"])
def spills(x, y, n, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    value = tl.load(x + i, mask=i < n, other=0.0)
    tl.store(y + i, value / tl.sum(value), mask=i < n)  # all 256 values of a thread are needed until the sum is known


@triton.jit
def specialized(x, y, n, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    tl.store(y + i, tl.load(x + i, mask=i < n) * 3.0 + 1.0, mask=i < n)


@triton.jit
def never_launched(x):
    tl.store(x, 1.0)
