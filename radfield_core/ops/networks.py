"""Networks that several fields use: an MLP with a skip connection, and a color head that can read the view direction.

Symbols in shapes: M samples or points, R rays, F features of a sample, D features of an encoded direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class SkipMlp(nn.Module):
    """Fully connected layers of equal width. Some of them may take the network's input x again (NeRF, appendix A).

    With the activation function a, the layers compute

        h_0 = x,    h_{i+1} = a(W_i h_i + b_i),    and    h_{s+1} = a(W_s [h_s, x] + b_s)    for each skip layer s

    Args:
        in_dim: number of inputs.
        width: number of units of every hidden layer.
        depth: number of hidden layers.
        out_dim: number of outputs of a final layer without activation. With None there is no such layer, and the
            outputs are those of the last hidden layer.
        skip_layer: index, from 0, of the skip layer, or indices of several. None means no skip layer. Indices of
            `depth` or more are left out.
        activation: activation function of the hidden layers. The function may work in place.
        constant_width: if True, the layer before a skip layer has `in_dim` fewer units, so that the joined vector
            [h_s, x] has `width` entries. This vector is divided by √2 (IDR, NeuS). Needs width > in_dim.

    Example:
        >>> network = SkipMlp(in_dim=3, width=16, depth=4, out_dim=1, skip_layer=2)
        >>> network(torch.zeros(5, 3)).shape
        torch.Size([5, 1])
        >>> network.layers[2].in_features
        19
        >>> [layer.in_features for layer in SkipMlp(3, 16, depth=4, skip_layer=(1, 3)).layers]
        [3, 19, 16, 19]
    """

    def __init__(
        self,
        in_dim: int,
        width: int,
        depth: int,
        out_dim: int | None = None,
        *,
        skip_layer: int | Collection[int] | None = None,
        activation: Callable[[Tensor], Tensor] = F.relu_,
        constant_width: bool = False,
    ):
        super().__init__()
        self.depth = depth
        self.skip_layers = tuple(sorted({skip for skip in layer_indices(skip_layer) if skip < depth}))
        self.activation = activation
        self.constant_width = constant_width
        inputs = [in_dim] + [width] * (depth - 1)
        outputs = [width] * depth
        for skip in self.skip_layers:
            if constant_width:
                outputs[skip - 1] -= in_dim
            else:
                inputs[skip] += in_dim
        if out_dim is not None:
            inputs.append(width)
            outputs.append(out_dim)
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in zip(inputs, outputs, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [M, out_dim] for x [M, in_dim]. If `out_dim` is None, return the last hidden layer [M,
        width]."""
        h = x
        for index, layer in enumerate(self.layers):
            if index in self.skip_layers:
                h = torch.cat([h, x], dim=-1)
                if self.constant_width:
                    h = h / math.sqrt(2.0)
            h = layer(h)
            if index < self.depth:
                h = self.activation(h)
        return h

    def normalize_weights(self) -> None:
        """Switch every layer to weight normalization (Salimans and Kingma 2016). Call it once, after initialization."""
        for layer in self.layers:
            weight_norm(layer)


class ColorHead(nn.Module):
    """Network that computes the raw color of a sample (NeRF, figure 7).

    The inputs are the sample's features y and, optionally, the encoded view direction e. B, W and V are affine layers:

        raw = V relu(W [B y, e])

    W [B y, e] is the sum of two halves. One half depends on B y and is computed once per sample. The other half depends
    on e and is computed once per ray. If rays have many samples, this takes about half the time of computing W [B y, e]
    for every sample. Without directions, raw = V y.

    Args:
        in_dim: number of features F.
        direction_dim: number of features D of an encoded direction; None if the color does not depend on the direction.
        width: number of outputs of W; ignored if `direction_dim` is None.

    Example:
        >>> head = ColorHead(in_dim=8, direction_dim=5, width=4)
        >>> per_ray = head.direction_half(torch.zeros(2, 5))  # 2 rays
        >>> head(torch.zeros(6, 8), per_ray.repeat_interleave(3, dim=0)).shape  # 3 samples each
        torch.Size([6, 3])
    """

    def __init__(self, in_dim: int, direction_dim: int | None, width: int):
        super().__init__()
        self.in_dim = in_dim
        if direction_dim is None:
            self.output = nn.Linear(in_dim, 3)
        else:
            self.bottleneck = nn.Linear(in_dim, in_dim)
            self.joined = nn.Linear(in_dim + direction_dim, width)
            self.output = nn.Linear(width, 3)

    def direction_half(self, encoded: Tensor) -> Tensor:
        """Return the half of W [B y, e] that depends on e, as a tensor [R, width], for encoded directions e [R, D]."""
        return F.linear(encoded, self.joined.weight[:, self.in_dim :])

    def forward(self, features: Tensor, direction_half: Tensor | None = None) -> Tensor:
        """Return the raw colors [M, 3].

        Args:
            features: features of the samples [M, F].
            direction_half: rows that the method `direction_half` returned, repeated for the samples of each ray
                [M, width]. None if the head does not read directions.
        """
        if direction_half is not None:
            sample_half = F.linear(self.bottleneck(features), self.joined.weight[:, : self.in_dim], self.joined.bias)
            features = F.relu_(sample_half + direction_half)
        raw: Tensor = self.output(features)
        return raw


def layer_indices(written: int | Collection[int] | None, first: int = 0) -> tuple[int, ...]:
    """Return the indices, from 0, of layers that an option names by one number, by several, or by None for no layer.

    Args:
        written: value of the option.
        first: number of the first layer in the option.

    Example:
        >>> layer_indices(5, first=1), layer_indices((2, 5)), layer_indices(None)
        ((4,), (2, 5), ())
    """
    if written is None:
        return ()
    return tuple(layer - first for layer in ([written] if isinstance(written, int) else written))


def initialize_glorot(module: nn.Module) -> None:
    """Initialize all linear layers of a module as NeRF's code does: Glorot's uniform weights, and zero biases.

    Example:
        >>> layer = nn.Linear(3, 3)
        >>> initialize_glorot(layer)
        >>> bool(layer.weight.abs().max() <= 1.0), layer.bias.tolist()  # the bound is √(6 / (in + out))
        (True, [0.0, 0.0, 0.0])
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
