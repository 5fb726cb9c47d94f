"""Encodings: coordinates -> features."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from radfield_core.interfaces.part import Part


class Encoding(Part):
    """Features of points, Gaussians or directions. Built with `(config, ctx, in_dim=…)`; maps bounds to its domain."""

    in_dim: int
    out_dim: int

    @abstractmethod
    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Features [M, out_dim] of x [M, in_dim]; `cov` [M, in_dim] is the diagonal covariance of a Gaussian at x."""
