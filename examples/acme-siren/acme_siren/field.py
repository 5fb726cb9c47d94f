"""field:siren: positions and view directions -> density and color, through sines (Sitzmann et al. 2020)."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from radfield_core import DensityOccupancy, Field, FieldOutputs


class Siren(DensityOccupancy, Field):
    """sin(ω (W x + b)) layer by layer, ω only in the first; weights begin as in section 3.2 of the paper."""

    def __init__(self, config, ctx):
        super().__init__()
        self.frequency = config.frequency
        self.register_buffer("center", ctx.bounds.center.clone(), persistent=False)
        self.radius = ctx.bounds.radius
        self.layers = nn.ModuleList(nn.Linear(3 if i == 0 else config.width, config.width) for i in range(config.depth))
        self.density_head = nn.Linear(config.width, 1)
        self.color_head = nn.Linear(config.width + 3, 3)
        for layer in self.layers:
            n = layer.in_features
            nn.init.uniform_(layer.weight, *((-1 / 3, 1 / 3) if n == 3 else (-math.sqrt(6 / n), math.sqrt(6 / n))))

    def forward(self, samples):
        """density [N] and rgb [N, 3]."""
        features = self.features(samples.positions())
        return FieldOutputs(
            density=self.activate(features), rgb=self.color(features, samples.per_sample(samples.rays.viewdirs))
        )

    def features(self, x):
        """Features [M, width] of x [M, 3]."""
        hidden = self.frequency * (x - self.center) / self.radius
        for layer in self.layers:
            hidden = torch.sin(layer(hidden))
        return hidden

    def activate(self, features):
        """Density [M] per unit length."""
        return F.softplus(10.0 * self.density_head(features)[:, 0])

    def color(self, features, viewdirs):
        """Color [M, 3]."""
        return torch.sigmoid(self.color_head(torch.cat([features, viewdirs], dim=-1)))

    def density(self, x, cov=None):
        """Density [M] at x [M, 3]."""
        return self.activate(self.features(x))

    def point_color(self, x, viewdirs=None, image_ids=None):
        """Color [M, 3] at x [M, 3]; without a direction, seen toward the middle of the scene."""
        return self.color(self.features(x), F.normalize(self.center - x, dim=-1) if viewdirs is None else viewdirs)
