"""SIMD building blocks for numba kernels. They work on values that LLVM holds in one vector register."""
