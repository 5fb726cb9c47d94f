"""The shared networks against loops over single units, written out from the networks' own weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from radfield_core.ops.networks import ColorHead, SkipMlp, initialize_glorot

Array = NDArray[np.float64]


def double_rows(n: int, dim: int) -> torch.Tensor:
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def affine(layer: nn.Module, x: Array) -> Array:
    """One output unit at a time."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return np.array([sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)])


def skips_at(index: int, skip_layer: int | tuple[int, ...] | None) -> bool:
    return index in skip_layer if isinstance(skip_layer, tuple) else index == skip_layer


@pytest.mark.parametrize("skip_layer", [None, 1, 2, 3, 4, 9, (1, 3), (2, 3), (3, 1, 9), ()])
@pytest.mark.parametrize("out_dim", [None, 2])
def test_a_skip_mlp_equals_its_formula_one_unit_at_a_time(skip_layer, out_dim: int | None) -> None:
    network, x = SkipMlp(3, 7, 4, out_dim, skip_layer=skip_layer).double(), double_rows(5, 3)
    assert len(network.layers) == 4 + (out_dim is not None)
    for row, found in zip(x.numpy(), network(x).detach().numpy(), strict=True):
        h = row
        for index in range(4):
            joined = np.concatenate([h, row]) if skips_at(index, skip_layer) else h
            h = np.maximum(affine(network.layers[index], joined), 0)
        np.testing.assert_allclose(found, h if out_dim is None else affine(network.layers[4], h), atol=1e-12)


@pytest.mark.parametrize("skip_layer", [1, 3, (1, 2), (1, 3)])
def test_constant_width_keeps_every_layer_as_wide_and_scales_the_joined_vector(skip_layer) -> None:
    network = SkipMlp(3, 7, 4, 2, skip_layer=skip_layer, activation=torch.tanh, constant_width=True).double()
    assert [layer.in_features for layer in network.layers] == [3, 7, 7, 7, 7]
    x = double_rows(5, 3)
    for row, found in zip(x.numpy(), network(x).detach().numpy(), strict=True):
        h = row
        for index in range(4):
            joined = np.concatenate([h, row]) / math.sqrt(2) if skips_at(index, skip_layer) else h
            h = np.tanh(affine(network.layers[index], joined))
        np.testing.assert_allclose(found, affine(network.layers[4], h), atol=1e-12)


def test_weight_normalization_keeps_the_function() -> None:
    network, x = SkipMlp(3, 7, 2, 2, skip_layer=1), torch.randn(5, 3)
    before = network(x)
    network.normalize_weights()
    torch.testing.assert_close(network(x), before)
    network(x).square().sum().backward()
    shapes = sorted(tuple(p.shape) for p in network.layers[0].parameters())
    assert shapes == [(7,), (7, 1), (7, 3)] and all(p.grad is not None for p in network.parameters())


def test_a_color_head_equals_the_layer_on_the_joined_input() -> None:
    head, features, encoded = ColorHead(6, 4, 5).double(), double_rows(6, 6), double_rows(2, 4)
    per_ray = head.direction_half(encoded)
    found = head(features, per_ray.repeat_interleave(3, 0)).detach().numpy()
    for i, row in enumerate(features.numpy()):
        joined = np.concatenate([affine(head.bottleneck, row), encoded[i // 3].numpy()])
        expected = affine(head.output, np.maximum(affine(head.joined, joined), 0))
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


def test_a_color_head_without_directions_is_linear_and_has_no_other_parameters() -> None:
    head, features = ColorHead(6, None, 5).double(), double_rows(4, 6)
    assert set(head.state_dict()) == {"output.weight", "output.bias"}
    for row, found in zip(features.numpy(), head(features).detach().numpy(), strict=True):
        np.testing.assert_allclose(found, affine(head.output, row), atol=1e-12)


def test_gradients_of_a_color_head_equal_finite_differences_through_both_halves() -> None:
    head, features, encoded = ColorHead(3, 2, 4).double(), double_rows(4, 3), double_rows(2, 2)

    def raw(features: torch.Tensor, encoded: torch.Tensor) -> torch.Tensor:
        return head(features, head.direction_half(encoded).repeat_interleave(2, 0))

    assert torch.autograd.gradcheck(raw, (features.requires_grad_(), encoded.requires_grad_()))


def test_glorot_weights_fill_their_range_and_biases_are_zero() -> None:
    network = SkipMlp(20, 200, 2, skip_layer=1)
    initialize_glorot(network)
    for layer in network.layers:
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.98 * bound < layer.weight.abs().max().item() <= bound and layer.bias.abs().max().item() == 0
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_no_rows_are_a_normal_input() -> None:
    assert SkipMlp(3, 7, 4, 2, skip_layer=2)(torch.empty(0, 3)).shape == (0, 2)
    head = ColorHead(6, 4, 5)
    assert head(torch.empty(0, 6), head.direction_half(torch.empty(0, 4))).shape == (0, 3)
