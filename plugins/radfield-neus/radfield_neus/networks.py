"""The distance network with its geometric initialisation, and a plain ReLU network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class DistanceNetwork(nn.Module):
    """Input [M, in] whose first three numbers are the position -> distance and features [M, 1 + F].

    Starts, roughly, as the distance from a sphere of radius `init_radius` about the origin (SAL, Atzmon & Lipman 2020):
    only the position is looked at, and the last layer averages.
    """

    def __init__(
        self, in_dim: int, width: int, n_layers: int, skip_layer: int | None, out_dim: int, *, init_radius: float,
        beta: float, normalize_weights: bool,
    ):  # fmt: skip
        super().__init__()
        self.skip_layer = skip_layer if skip_layer is not None and skip_layer < n_layers else None
        self.beta = beta
        layers: list[nn.Module] = []
        for index in range(n_layers + 1):
            n_in = in_dim if index == 0 else width
            n_out = out_dim if index == n_layers else width - in_dim if index + 1 == self.skip_layer else width
            layer = nn.Linear(n_in, n_out)
            self._initialise(layer, index, n_layers, in_dim, init_radius)
            layers.append(weight_norm(layer) if normalize_weights else layer)
        self.layers = nn.ModuleList(layers)

    @torch.no_grad()
    def _initialise(self, layer: nn.Linear, index: int, n_layers: int, in_dim: int, init_radius: float) -> None:
        if index == n_layers:
            layer.weight.normal_(math.sqrt(math.pi / layer.in_features), 1e-4)
            layer.bias.fill_(-init_radius)
            return
        layer.weight.normal_(0.0, math.sqrt(2.0 / layer.out_features))
        layer.bias.zero_()
        if index == 0:
            layer.weight[:, 3:] = 0.0
        elif index == self.skip_layer:
            layer.weight[:, layer.in_features - (in_dim - 3) :] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Distance, then features [M, 1 + F]."""
        h = x
        for index, layer in enumerate(self.layers):
            if index == self.skip_layer:
                h = torch.cat([h, x], dim=-1) / math.sqrt(2.0)
            h = layer(h)
            if index + 1 < len(self.layers):
                h = F.softplus(h, beta=self.beta)
        return h


class ReluNetwork(nn.Module):
    """Hidden layers with ReLU and a linear last one; `skip_layer` sees the input again."""

    def __init__(
        self,
        in_dim: int,
        width: int,
        n_layers: int,
        out_dim: int,
        *,
        normalize_weights: bool,
        skip_layer: int | None = None,
    ):
        super().__init__()
        self.skip_layer = skip_layer if skip_layer is not None and skip_layer < n_layers else None
        layers = []
        for index in range(n_layers + 1):
            n_in = in_dim if index == 0 else width + in_dim if index == self.skip_layer else width
            layer = nn.Linear(n_in, out_dim if index == n_layers else width)
            layers.append(weight_norm(layer) if normalize_weights else layer)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [M, out]."""
        h = x
        for index, layer in enumerate(self.layers):
            if index == self.skip_layer:
                h = torch.cat([h, x], dim=-1)
            h = layer(h)
            if index + 1 < len(self.layers):
                h = F.relu(h)
        return h
