"""SIMD building blocks for numba kernels: values that LLVM holds in one vector register."""
