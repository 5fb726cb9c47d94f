"""Conversion to float32: half precision is widened, wider types stay, gradients keep the type of the input."""

from __future__ import annotations

import pytest
import torch

from radfield_core.ops import at_least_float32


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_widened_and_wider_types_stay(given: torch.dtype, expected: torch.dtype) -> None:
    x = torch.tensor([0.5, -2.0], dtype=given, requires_grad=True)
    y = at_least_float32(x)
    assert y.dtype == expected and y.tolist() == [0.5, -2.0]
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.dtype == given and slope.tolist() == [1.0, 1.0]
