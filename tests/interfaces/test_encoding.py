"""Encodings: the sizes that they declare are what a field can rely on, and forward is required."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from radfield_core.interfaces import BuildContext, Encoding
from radfield_core.testing.toys import toy_context


class Powers(Encoding):
    """x and x²; a Gaussian adds its variance to x², which is then the mean of the square."""

    def __init__(self, config: object, ctx: BuildContext, in_dim: int):
        super().__init__()
        self.in_dim, self.out_dim = in_dim, 2 * in_dim

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        return torch.cat([x, x.square() + (0.0 if cov is None else cov)], -1)


def test_a_third_partys_encoding_has_the_mean_features_of_a_gaussian() -> None:
    part = Powers(None, toy_context(), in_dim=3)
    assert part(torch.zeros(5, 3)).shape == (5, part.out_dim)
    draws = 2 + 0.5 * torch.randn(100_000, 3, generator=torch.Generator().manual_seed(0))
    found = part(torch.full((1, 3), 2.0), torch.full((1, 3), 0.25))[0]
    torch.testing.assert_close(found[3:], draws.square().mean(0), rtol=1e-2, atol=0)


def test_an_encoding_without_forward_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="forward"):
        type("Incomplete", (Encoding,), {})()
