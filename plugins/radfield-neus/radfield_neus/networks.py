"""The distance network with its geometric initialization, and a plain ReLU network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from radfield_core import UsageError


class DistanceNetwork(nn.Module):
    """Input [M, in] whose first three numbers are the position -> distance and features [M, 1 + F].

    Starts, roughly, as the distance from a sphere of radius `init_radius` about the origin (SAL, Atzmon & Lipman 2020):
    only the position is looked at, and the last layer averages. As published, chance may leave the surface open: here
    the first layer looks evenly into all directions, and the last is set so that the mean distance is right.
    Raises UsageError where no choice of the last layer can make it so.
    """

    def __init__(
        self, in_dim: int, width: int, n_layers: int, skip_layer: int | None, out_dim: int, *, init_radius: float,
        beta: float, normalize_weights: bool,
    ):  # fmt: skip
        super().__init__()
        self.skip_layer = skip_layer if skip_layer is not None and skip_layer < n_layers else None
        self.beta = beta
        layers = []
        for index in range(n_layers + 1):
            n_in = in_dim if index == 0 else width
            n_out = out_dim if index == n_layers else width - in_dim if index + 1 == self.skip_layer else width
            layers.append(nn.Linear(n_in, n_out))
            self._initialize(layers[index], index, in_dim)
        self.layers = nn.ModuleList(layers)
        self._calibrate(layers[-1], in_dim, init_radius)
        if normalize_weights:
            self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    @torch.no_grad()
    def _initialize(self, layer: nn.Linear, index: int, in_dim: int) -> None:
        nn.init.zeros_(layer.bias)
        if index == 0:
            nn.init.zeros_(layer.weight)
            turn, _ = torch.linalg.qr(torch.randn(3, 3))
            layer.weight[:, :3] = math.sqrt(6.0 / layer.out_features) * spread_directions(layer.out_features) @ turn
            return
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features))
        if index == self.skip_layer:
            layer.weight[:, layer.in_features - (in_dim - 3) :] = 0.0

    @torch.no_grad()
    def _calibrate(self, last: nn.Linear, in_dim: int, radius: float) -> None:
        """Give the last layer equal weights and biases by which the mean distance is 0 at `radius`, 1 − radius at 1."""
        nn.init.normal_(last.weight, 1.0, 1e-4 / math.sqrt(math.pi / last.in_features))
        on_sphere = nn.functional.pad(spread_directions(1000), (0, in_dim - 3))
        at_radius, at_one = (self(on_sphere * r)[:, 0].mean() for r in (radius, 1.0))
        rise = at_one - at_radius
        if not rise > 1e-5 * at_one.abs():  # less is rounding
            raise UsageError(
                "the new distance network gives the same distance everywhere, so it has no sphere to start from",
                path="field", hint="fewer layers, a larger width, or softplus_beta nearer to 100",
            )  # fmt: skip
        scale = (1.0 - radius) / rise
        last.weight.mul_(scale)
        last.bias.fill_(-scale * at_radius)

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
    """Hidden layers with ReLU and a linear last one; `skip_layer`, counted from 0, sees the input again."""

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


def spread_directions(n: int) -> Tensor:
    """n unit vectors [n, 3] spread evenly, on a Fibonacci spiral."""
    place = torch.arange(n) + 0.5
    z, turn = 1.0 - 2.0 * place / n, math.pi * (1.0 + math.sqrt(5.0)) * place
    across = (1.0 - z * z).sqrt()
    return torch.stack([across * turn.cos(), across * turn.sin(), z], dim=-1)
