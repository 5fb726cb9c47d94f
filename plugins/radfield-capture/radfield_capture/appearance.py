"""encoding:appearance — features of each training image, from which a field computes colors that differ between images.

The features are learned with the field (generative latent optimization, as in Martin-Brualla et al. 2021, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radfield_capture.image_config import AppearanceConfig
from radfield_core import BuildContext, Encoding, ParameterGroup


class Appearance(Encoding):
    """Learned features of each image. In evaluation, where the image is unknown, their mean over all images.

    Args:
        config: options.
        ctx: context of the run, with the number of training images.
        in_dim: 1, because the input is a number.
    """

    def __init__(self, config: AppearanceConfig, ctx: BuildContext, *, in_dim: int = 1):
        super().__init__()
        self.lr = config.lr
        self.in_dim, self.out_dim = in_dim, config.n_features
        self.features = nn.Parameter(config.std * torch.randn(max(ctx.n_images, 1), config.n_features))

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return one group, "appearance", without weight decay."""
        return [ParameterGroup("appearance", [self.features], lr=self.lr, weight_decay=0.0)]

    def forward(self, x: Tensor | None, cov: Tensor | None = None) -> Tensor:
        """Return the features [M, n_features] of images x [M] int64, or their mean [1, n_features] if x is None."""
        if x is None:
            return self.features.mean(0, keepdim=True)
        return nn.functional.embedding(x, self.features)

    def scalars(self) -> dict[str, Tensor]:
        """Return the standard deviation of the features over the images."""
        return {"appearance_spread": self.features.detach().std(0, correction=0).mean()}
