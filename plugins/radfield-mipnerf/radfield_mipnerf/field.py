"""field:mipnerf, the MLP of mip-NeRF. The MLP maps a Gaussian and a view direction to density and color.

Shapes: N samples, R rays, M points.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radfield_core import (
    BuildContext,
    DensityOccupancy,
    Encoding,
    Field,
    FieldOutputs,
    RaySamples,
    Step,
    with_appearance,
)
from radfield_core.ops.networks import ColorHead, SkipMlp, initialize_glorot, layer_indices
from radfield_mipnerf.config import MipNerfFieldConfig


class MipNerfField(DensityOccupancy, Field):
    """Density and color of Gaussians, computed by an MLP with a skip connection (mip-NeRF, section 3).

    By default, the density is softplus(raw − 1), and colors range from −0.001 to 1.001. As in the paper's code, weights
    are initialized by Glorot's method, and biases by zero.

    Args:
        config: options.
        ctx: context of the run; builds the encodings.
    """

    def __init__(self, config: MipNerfFieldConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.encoding = ctx.encoding(config.encoding, in_dim=3)
        self._noise: torch.Generator | None = None
        self.direction_encoding: Encoding | None = None
        if config.direction_encoding is not None:
            self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        self.appearance_encoding: Encoding | None = None
        if config.appearance_encoding is not None:
            self.appearance_encoding = ctx.encoding(config.appearance_encoding, in_dim=1)
        per_ray = [part.out_dim for part in (self.direction_encoding, self.appearance_encoding) if part is not None]
        direction_dim = sum(per_ray) if per_ray else None
        skip_layers = layer_indices(config.skip_layer, first=1)
        self.trunk = SkipMlp(self.encoding.out_dim, config.width, config.depth, skip_layer=skip_layers)
        self.density_head = nn.Linear(config.width, 1)
        self.color_head = ColorHead(config.width, direction_dim, config.color_width)
        for module in (self.trunk, self.density_head, self.color_head):
            initialize_glorot(module)

    def begin_step(self, step: Step) -> None:
        """Create the random generator for this step's density noise, if `density_noise` is above 0."""
        device = self.density_head.weight.device
        self._noise = step.generator("mipnerf/density-noise", device) if self.config.density_noise else None

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Density [N] and rgb [N, 3] of all samples.

        In training, the raw density gets random noise if `density_noise` is above 0.
        """
        mean, cov = samples.gaussians()
        features = self.features(mean, None if self.config.disable_integration else cov)
        raw = self.density_head(features)[:, 0]
        if self.training and self._noise is not None:
            noise = torch.randn(raw.shape, generator=self._noise, dtype=raw.dtype, device=raw.device)
            raw = raw + self.config.density_noise * noise
        if not self.sees_rays:
            return FieldOutputs(rgb=self.color(features), density=self.activate(raw))
        per_ray = self.direction_half(samples.rays.viewdirs, samples.rays.image_ids)
        return FieldOutputs(rgb=self.color(features, samples.per_sample(per_ray)), density=self.activate(raw))

    def features(self, mean: Tensor, cov: Tensor | None) -> Tensor:
        """Output [M, width] of the last hidden layer for Gaussians with `mean` and diagonal covariances `cov` [M, 3].

        If `cov` is None, the means are encoded as points.
        """
        features: Tensor = self.trunk(self.encoding(mean, cov))
        return features

    def activate(self, raw: Tensor) -> Tensor:
        """Add the bias and apply the activation: turn raw densities [M] into densities [M]."""
        shifted = raw + self.config.density_bias
        return F.softplus(shifted) if self.config.density_activation == "softplus" else F.relu(shifted)

    @property
    def sees_rays(self) -> bool:
        """True if the color depends on the view direction or on the image."""
        return self.direction_encoding is not None or self.appearance_encoding is not None

    def direction_half(self, viewdirs: Tensor, image_ids: Tensor | None = None) -> Tensor:
        """Return the part of the color layer that depends on the view directions and images, before the activation.

        For view directions [R, 3] and numbers of images [R], the result is [R, color_width]. The color layer adds a
        part that depends on the features, and applies the activation to the sum.
        """
        encoded = viewdirs[:, :0] if self.direction_encoding is None else self.direction_encoding(viewdirs)
        return self.color_head.direction_half(with_appearance(encoded, self.appearance_encoding, image_ids))

    def color(self, features: Tensor, direction_half: Tensor | None = None) -> Tensor:
        """Color [M, 3] from features [M, width].

        If the color depends on the view direction or the image, pass the result of `direction_half()` with one row per
        point [M, color_width].
        """
        padding = self.config.rgb_padding
        return torch.sigmoid(self.color_head(features, direction_half)) * (1.0 + 2.0 * padding) - padding

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M], without noise, of Gaussians with means x and diagonal covariances `cov`, both [M, 3].

        If `cov` is None, x are points.
        """
        return self.activate(self.density_head(self.features(x, cov))[:, 0])

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] at x [M, 3].

        If no view directions are given, the color is the mean over six view directions: the positive and the negative
        direction of each axis.
        """
        features = self.features(x, None)
        if not self.sees_rays:
            return self.color(features)
        if viewdirs is not None:
            return self.color(features, self.direction_half(viewdirs, image_ids))
        axes = torch.cat([torch.eye(3), -torch.eye(3)]).to(x)
        if image_ids is None:
            halves = [half.expand(len(x), -1) for half in self.direction_half(axes)]
        else:
            halves = [self.direction_half(axis.expand(len(x), -1), image_ids) for axis in axes]
        return torch.stack([self.color(features, half) for half in halves]).mean(0)
