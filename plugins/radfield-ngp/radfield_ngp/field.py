"""field:ngp. Two small networks compute density and color from the features of a hash grid.

Shapes: N samples, M points, R rays.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from radfield_core import (
    BuildContext,
    DensityOccupancy,
    Encoding,
    Field,
    FieldOutputs,
    RaySamples,
    SceneBox,
    capabilities_of,
    with_appearance,
)
from radfield_core.ops import at_least_float32
from radfield_core.ops.activation import truncated_exp
from radfield_core.ops.contraction import contract, contract_variance
from radfield_core.ops.mlp import mlp
from radfield_ngp.config import NgpFieldConfig


def _weights(sizes: list[int]) -> nn.ParameterList:
    """Weight matrices of a network without biases. Initial weights are Xavier-uniform, as in tiny-cuda-nn."""
    matrices = [torch.empty(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    return nn.ParameterList([nn.init.xavier_uniform_(matrix) for matrix in matrices])


class NgpField(DensityOccupancy, Field):
    """Density and color, computed by two small networks (Müller et al. 2022, section 5.4).

    The density network maps an encoded position to features, and the density is exp(first feature + bias). The color
    network maps the features and the encoded view direction to a color.

    Args:
        config: options.
        ctx: context with the scene's bounds; builds the encodings.
    """

    center: Tensor

    def __init__(self, config: NgpFieldConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius
        self.contracted = config.contraction == "sphere" and not ctx.ndc  # NDC are bounded already
        if self.contracted:
            ctx = replace(ctx, bounds=SceneBox(torch.zeros(3), 2.0))  # contracted space is a ball of radius 2
        self.encoding = ctx.encoding(config.encoding, in_dim=3)
        self.direction_encoding: Encoding | None = None
        if config.direction_encoding is not None:
            self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        self.appearance_encoding: Encoding | None = None
        if config.appearance_encoding is not None:
            self.appearance_encoding = ctx.encoding(config.appearance_encoding, in_dim=1)
        self.gaussian = "gaussians" in capabilities_of(config.encoding)[0]
        hidden = [config.width] * config.n_layers
        self.density_weights = _weights([self.encoding.out_dim, *hidden, config.n_features])
        hidden = [config.color_width] * config.color_layers
        seen = (self.direction_encoding, self.appearance_encoding)
        seen_dim = sum(encoding.out_dim for encoding in seen if encoding is not None)
        self.color_weights = _weights([config.n_features + seen_dim, *hidden, 3])

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Density [N] and rgb [N, 3] of all samples. Directions and images are encoded once per ray."""
        x, cov = samples.gaussians() if self.gaussian else (samples.positions(), None)
        features = self._features(x, cov)
        seen = samples.per_sample(self._seen(samples.rays.viewdirs, samples.rays.image_ids))
        return FieldOutputs(rgb=self._color(features, seen), density=self._density(features))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] at x [M, 3]. If diagonal covariances `cov` [M, 3] are given, x are the means of Gaussians."""
        return self._density(self._features(x, cov))

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] at x [M, 3].

        If no view directions are given, each point is viewed at a right angle to the surface, from outside.
        """
        if viewdirs is None:
            viewdirs = x if self.direction_encoding is None else self._inward(x)
        return self._color(self._features(x, None), self._seen(viewdirs, image_ids))

    def _seen(self, viewdirs: Tensor, image_ids: Tensor | None) -> Tensor:
        """Encoded view directions [R, D], followed by the features of the images, if there are any."""
        encoded = viewdirs[:, :0] if self.direction_encoding is None else self.direction_encoding(viewdirs)
        return with_appearance(encoded, self.appearance_encoding, image_ids)

    def _inward(self, x: Tensor) -> Tensor:
        """Unit vectors [M, 3] in the direction in which the density increases fastest, which is into the surface."""
        with torch.enable_grad():
            points = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.density(points).sum(), points)
        return nn.functional.normalize(gradient, dim=-1)

    def _features(self, x: Tensor, cov: Tensor | None) -> Tensor:
        if self.contracted:
            cov = None if cov is None else contract_variance(x, cov, self.center, self.radius)
            x = contract(x, self.center, self.radius)
        encoded = self.encoding(x, cov) if self.gaussian else self.encoding(x)
        return mlp(encoded, list(self.density_weights))

    def _density(self, features: Tensor) -> Tensor:
        return truncated_exp(at_least_float32(features[:, 0]) + self.config.density_bias)

    def _color(self, features: Tensor, seen: Tensor) -> Tensor:
        raw = mlp(torch.cat([features, seen], dim=-1), list(self.color_weights))
        return torch.sigmoid(at_least_float32(raw))
