"""Encodings compute features from coordinates. Symbols in shapes: M points or Gaussians."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from radfield_core.interfaces.part import ParameterGroup, Part


class Encoding(Part):
    """Computes features of points, Gaussians or directions. Constructed as `Encoding(config, ctx, in_dim=…)`.

    If the inputs are positions in the region `ctx.bounds`, the encoding scales them to the range that it needs.

    Attributes:
        in_dim: number of coordinates of one input.
        out_dim: number of features of one input.

    Example:
        >>> import torch
        >>> class Squares(Encoding):
        ...     def __init__(self, config, ctx, in_dim):
        ...         super().__init__()
        ...         self.in_dim, self.out_dim = in_dim, 2 * in_dim
        ...
        ...     def forward(self, x, cov=None):
        ...         return torch.cat([x, x.square()], dim=-1)
        >>> Squares(None, None, in_dim=3)(torch.ones(5, 3)).shape
        torch.Size([5, 6])
    """

    in_dim: int
    out_dim: int

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return one group, "encodings", without weight decay.

        Weight decay would shrink the entries of a grid in regions that are never sampled.
        """
        own = self.own_parameters()
        return [ParameterGroup("encodings", own, weight_decay=0.0)] if own else []

    @abstractmethod
    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Encode points or Gaussians.

        Args:
            x: points, or means of Gaussians [M, in_dim].
            cov: diagonals of the Gaussians' covariances [M, in_dim]; None for points.

        Returns:
            Features [M, out_dim].
        """
