"""The chunked perceptron against plain torch and finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings, strategies as st

from radfield_core.ops import mlp


def weights_of(sizes: list[int], dtype: torch.dtype, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n_out, n_in, generator=generator, dtype=dtype).div_(n_in**0.5).requires_grad_()
        for n_in, n_out in itertools.pairwise(sizes)
    ]


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 40), chunk=st.integers(1, 17), sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_chunked_equals_plain_torch_in_values_and_gradients(rows: int, chunk: int, sizes: list[int]) -> None:
    original, mlp.CHUNK_ROWS = mlp.CHUNK_ROWS, chunk
    try:
        weights = weights_of(sizes, torch.float64)
        x = torch.randn(rows, sizes[0], dtype=torch.float64, requires_grad=True)
        upstream = torch.randn(rows, sizes[-1], dtype=torch.float64)
        values, grads = [], []
        for function in (mlp.reference, mlp.chunked):
            y = function(x, weights)
            values.append(y.detach())
            grads.append(torch.autograd.grad(y, [x, *weights], upstream))
    finally:
        mlp.CHUNK_ROWS = original
    torch.testing.assert_close(values[1], values[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-12, atol=1e-12)


def test_gradients_equal_finite_differences() -> None:
    weights = weights_of([4, 8, 8, 3], torch.float64, seed=1)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *w: mlp.chunked(x, list(w)), (x, *weights))


def test_a_second_derivative_is_taken_by_plain_torch_and_refused_by_the_chunks() -> None:
    weights = weights_of([3, 6, 1], torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y = mlp.mlp(x, weights, second_derivative=True)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert weights[0].grad is not None and weights[0].grad.abs().sum() > 0
    with pytest.raises(RuntimeError, match="second_derivative=True"):
        torch.autograd.grad(mlp.chunked(x, weights).sum(), x, create_graph=True)
