"""field:siren: positions and view directions -> density and color, by a network of sines (Sitzmann et al. 2020)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from acme_siren.config import SirenConfig
from radfield_core import BuildContext, DensityOccupancy, Field, FieldOutputs, RaySamples


class Siren(DensityOccupancy, Field):
    """Layers sin(ω (W x + b)), with ω other than 1 in the first layer only; weights start as in section 3.2."""

    center: Tensor

    def __init__(self, config: SirenConfig, ctx: BuildContext):
        super().__init__()
        self.frequency, self.radius = config.frequency, ctx.bounds.radius
        self.register_buffer("center", ctx.bounds.center.clone(), persistent=False)
        layers = [nn.Linear(3 if i == 0 else config.width, config.width) for i in range(config.depth)]
        self.layers = nn.ModuleList(layers)
        self.density_head = nn.Linear(config.width, 1)
        self.color_head = nn.Linear(config.width + 3, 3)
        for i, layer in enumerate(layers):
            limit = 1 / 3 if i == 0 else math.sqrt(6 / config.width)
            nn.init.uniform_(layer.weight, -limit, limit)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """density [N] and rgb [N, 3] of N samples."""
        features = self.features(samples.positions())
        rgb = self.color(features, samples.per_sample(samples.rays.viewdirs))
        return FieldOutputs(density=self.activate(features), rgb=rgb)

    def features(self, x: Tensor) -> Tensor:
        """Output of the last hidden layer [M, width] at points x [M, 3]."""
        hidden = self.frequency * (x - self.center) / self.radius
        for layer in self.layers:
            hidden = torch.sin(layer(hidden))
        return hidden

    def activate(self, features: Tensor) -> Tensor:
        """Density [M] per unit of length."""
        return functional.softplus(10.0 * self.density_head(features)[:, 0])

    def color(self, features: Tensor, viewdirs: Tensor) -> Tensor:
        """Color [M, 3] seen along view directions [M, 3]."""
        return torch.sigmoid(self.color_head(torch.cat([features, viewdirs], dim=-1)))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] at points x [M, 3]."""
        return self.activate(self.features(x))

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] at points x [M, 3]; without view directions, seen toward the center of the scene."""
        toward_center = functional.normalize(self.center - x, dim=-1)
        return self.color(self.features(x), toward_center if viewdirs is None else viewdirs)
