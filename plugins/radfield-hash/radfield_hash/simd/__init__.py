"""SIMD building blocks for numba kernels. Their values are vectors that LLVM keeps in one register."""
