"""The distance network of NeuS, with a geometric initialization."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radfield_core import UsageError
from radfield_core.ops.networks import SkipMlp


class DistanceNetwork(SkipMlp):
    """Network that maps an input [M, in_dim] to the signed distance and features [M, 1 + F].

    The first three entries of the input are the position. At the start, the network ignores all other inputs, and its
    last layer computes an average. Its output is then approximately the signed distance from a sphere of radius
    `init_radius` around the origin (SAL, Atzmon and Lipman 2020).

    With the published initialization, the initial surface may by chance have holes. Here, the directions of the first
    layer are spread evenly, and the last layer is scaled so that the mean distance is correct.

    With `inside_out`, the distance has the opposite sign: it is positive inside the sphere, as in a room.

    Raises:
        UsageError: the last layer cannot be scaled so that the mean distance is correct.
    """

    def __init__(
        self,
        in_dim: int,
        width: int,
        n_layers: int,
        skip_layer: int | tuple[int, ...] | None,
        out_dim: int,
        *,
        init_radius: float,
        beta: float,
        normalize_weights: bool,
        inside_out: bool = False,
    ):
        super().__init__(
            in_dim,
            width,
            n_layers,
            out_dim,
            skip_layer=skip_layer,
            activation=partial(F.softplus, beta=beta),
            constant_width=True,
        )
        layers = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for index, layer in enumerate(layers):
            self._initialize(layer, index, in_dim)
        self._calibrate(layers[-1], in_dim, init_radius)
        if inside_out:
            with torch.no_grad():
                layers[-1].weight[0].neg_()
                layers[-1].bias[0].neg_()
        if normalize_weights:
            self.normalize_weights()

    @torch.no_grad()
    def _initialize(self, layer: nn.Linear, index: int, in_dim: int) -> None:
        nn.init.zeros_(layer.bias)
        if index == 0:
            nn.init.zeros_(layer.weight)
            turn, _ = torch.linalg.qr(torch.randn(3, 3))
            layer.weight[:, :3] = math.sqrt(6.0 / layer.out_features) * spread_directions(layer.out_features) @ turn
            return
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features))
        if index in self.skip_layers:
            layer.weight[:, layer.in_features - (in_dim - 3) :] = 0.0

    @torch.no_grad()
    def _calibrate(self, last: nn.Linear, in_dim: int, radius: float) -> None:
        """Set the last layer so that the mean signed distance is correct on two spheres around the origin.

        The mean becomes 0 on the sphere of the given radius, and 1 − radius on the unit sphere.
        """
        nn.init.normal_(last.weight, 1.0, 1e-4 / math.sqrt(math.pi / last.in_features))
        on_sphere = nn.functional.pad(spread_directions(1000), (0, in_dim - 3))
        at_radius, at_one = (self(on_sphere * r)[:, 0].mean() for r in (radius, 1.0))
        rise = at_one - at_radius
        if not rise > 1e-5 * at_one.abs():  # a smaller difference is rounding error
            raise UsageError(
                "the new distance network gives the same distance everywhere, so it has no initial surface",
                path="field",
                hint="Use fewer layers, a larger width, or a softplus_beta closer to 100",
            )
        scale = (1.0 - radius) / rise
        last.weight.mul_(scale)
        last.bias.fill_(-scale * at_radius)


def spread_directions(n: int) -> Tensor:
    """Unit vectors [n, 3], spread evenly over the sphere along a Fibonacci spiral."""
    index = torch.arange(n) + 0.5
    z, turn = 1.0 - 2.0 * index / n, math.pi * (1.0 + math.sqrt(5.0)) * index
    across = (1.0 - z * z).sqrt()
    return torch.stack([across * turn.cos(), across * turn.sin(), z], dim=-1)
