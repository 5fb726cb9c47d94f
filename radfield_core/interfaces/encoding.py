"""Encodings compute features from coordinates, or from the numbers of images.

Symbols in shapes: M points, Gaussians or numbers.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from radfield_core.interfaces.part import ParameterGroup, Part


class Encoding(Part):
    """Computes features of points, Gaussians, directions or images. Constructed as `Encoding(config, ctx, in_dim=…)`.

    If the inputs are positions in the region `ctx.bounds`, the encoding scales them to the range that it needs.

    An encoding with the capability "images" has features for each of the `ctx.n_images` training images. Its input is
    the number of an image, or None in evaluation, where the image is unknown. A field has it in the slot
    `appearance_encoding`, and calls `with_appearance`.

    Attributes:
        in_dim: number of coordinates of one input; 1 for numbers of images.
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

    def cell_size(self) -> Tensor | None:
        """Return the side of the smallest cell in use, in units of x, or None if the encoding has no grid.

        Finite differences with a shorter step see the slope within one cell only. The size is a tensor with one number,
        on the device of the encoding, so that it can be read without a synchronization.
        """
        return None

    @abstractmethod
    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Encode points or Gaussians.

        Args:
            x: points, or means of Gaussians [M, in_dim]. For an encoding of images, numbers of images [M] int64, or
                None for the mean of the features of all images.
            cov: diagonals of the Gaussians' covariances [M, in_dim]; None for points.

        Returns:
            Features [M, out_dim], or [1, out_dim] if x is None.
        """


def with_appearance(features: Tensor, encoding: Encoding | None, image_ids: Tensor | None) -> Tensor:
    """Append the features of images to other features.

    Args:
        features: features [M, D], such as those of view directions.
        encoding: encoding of images with A features; None to append nothing.
        image_ids: numbers of images [M] int64; None for the mean of all images.

    Returns:
        Features [M, D + A].

    Example:
        >>> import torch
        >>> class Two(Encoding):
        ...     out_dim = 2
        ...
        ...     def forward(self, x, cov=None):
        ...         return torch.zeros(1, 2) if x is None else torch.stack([x, x * x], -1).float()
        >>> with_appearance(torch.ones(3, 1), Two(), torch.tensor([4, 0, 7]))
        tensor([[ 1.,  4., 16.],
                [ 1.,  0.,  0.],
                [ 1.,  7., 49.]])
    """
    if encoding is None:
        return features
    return torch.cat([features, encoding(image_ids).expand(len(features), -1).to(features)], dim=-1)
