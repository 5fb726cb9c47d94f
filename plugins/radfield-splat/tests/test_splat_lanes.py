"""Vector functions in kernels agree with numpy."""

from __future__ import annotations

import numpy as np
from radfield_splat.lanes import bits, exp2, load, log2, lowest, maximum, minimum, pick, put, sqrt, store, sums, where
from radfield_splat.lens_derivatives import arctangent

from radfield_core.ops.jit import kernel


@kernel
def functions(x, rows, out):
    a, b = load(x, 0), load(x, 16)
    store(out, 0, exp2(10.0 * a))
    store(out, 16, log2(b))
    store(out, 32, arctangent(b, a))
    store(out, 48, where(a > 0.0, a / b, 1.0 - a))
    store(out, 64, minimum(a, 0.25) + maximum(-a, b) * sqrt(b))
    store(out, 80, pick(x, rows, 0, 1, 3))
    put(out, rows, 0, 1, 96, a)
    return bits((a > 0.0) & (a < 2.0) | (b >= 3.0))


@kernel
def ten_sums(x, out):
    v = load(x, 0), load(x, 1), load(x, 2), load(x, 3), load(x, 4), load(x, 5), load(x, 6), load(x, 7), load(x, 8)
    store(out, 0, sums((v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], load(x, 9))))


@kernel
def set_bits(number):
    count, total = 0, 0
    while number:
        total += lowest(number)
        count += 1
        number &= number - 1
    return count, total


def test_functions_of_sixteen_lanes_equal_numpys():
    a, b = np.linspace(-4, 4, 16), np.geomspace(1e-3, 50, 16)[::-1]
    x, out = np.concatenate([a, b]).astype(np.float32), np.zeros(112, np.float32)
    rows = np.random.default_rng(0).permutation(16).astype(np.int32)
    mask = functions(x, rows, out)
    a, b = x[:16].astype(float), x[16:].astype(float)
    assert mask == sum(1 << k for k in range(16) if (0 < a[k] < 2) or b[k] >= 3)
    np.testing.assert_allclose(out[:16], 2 ** (10 * a), rtol=1e-6)
    np.testing.assert_allclose(out[16:32], np.log2(b), atol=2e-6)
    np.testing.assert_allclose(out[32:48], np.arctan2(b, a), atol=5e-7)
    np.testing.assert_allclose(out[48:64], np.where(a > 0, a / b, 1 - a), rtol=1e-6)
    np.testing.assert_allclose(out[64:80], np.minimum(a, 0.25) + np.maximum(-a, b) * np.sqrt(b), rtol=1e-5)
    np.testing.assert_array_equal(out[80:96], x[rows + 3])
    np.testing.assert_array_equal(out[96 + rows], x[:16])


def test_ten_vectors_are_summed_at_once():
    x, out = np.arange(32).astype(np.float32) ** 2, np.ones(16, np.float32)
    ten_sums(x, out)
    assert out.tolist() == [float(x[k : k + 16].sum()) for k in range(10)] + [0.0] * 6


def test_set_bits_are_visited_once_each():
    assert set_bits(0b1010_0000_0000_0001) == (3, 0 + 13 + 15)
