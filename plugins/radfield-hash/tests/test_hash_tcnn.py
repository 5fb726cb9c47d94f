"""The adapter to tiny-cuda-nn is tested with a stand-in that has the documented interface and computes our
definition."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

import pytest
import torch
from radfield_hash import reference
from radfield_hash.levels import build


class Encoding(torch.nn.Module):
    """Stand-in with the arguments of tinycudann.Encoding. As there, all parameters form one flat float32 vector."""

    def __init__(self, n_input_dims, encoding_config, seed=1337, dtype=None):
        super().__init__()
        assert n_input_dims == 3
        assert dtype == torch.float32
        assert encoding_config["otype"] == "HashGrid"
        assert encoding_config["interpolation"] == "Linear"
        levels, base = encoding_config["n_levels"], encoding_config["base_resolution"]
        finest = base * encoding_config["per_level_scale"] ** (levels - 1)
        self.grid = build(
            levels, encoding_config["n_features_per_level"], encoding_config["log2_hashmap_size"], base, finest
        )
        self.params = torch.nn.Parameter(torch.zeros(self.grid.n_entries * self.grid.n_features))

    def forward(self, x):
        assert ((x >= 0) & (x <= 1)).all()
        return reference.encode(x, self.params.view(-1, self.grid.n_features), self.grid)


@pytest.fixture
def tcnn(monkeypatch):
    stand_in = ModuleType("tinycudann")
    stand_in.Encoding = Encoding
    monkeypatch.setitem(sys.modules, "tinycudann", stand_in)
    monkeypatch.delitem(sys.modules, "radfield_hash.tcnn", raising=False)
    yield import_module("radfield_hash.tcnn")
    sys.modules.pop("radfield_hash.tcnn", None)


@pytest.mark.parametrize(
    "sizes", [(16, 2, 19, 16, 4096), (5, 4, 8, 3, 40), (1, 2, 14, 16, 16), (3, 2, 19, 4, 16), (7, 2, 24, 3, 90)]
)
def test_the_adapter_passes_the_same_grid_and_table(tcnn, sizes):
    grid = build(*sizes)
    table = torch.randn(grid.n_entries, grid.n_features, requires_grad=True)
    x = torch.rand(20, 3) * 1.4 - 0.2
    x.requires_grad_()
    y = tcnn.encode(x, table, grid)
    expected = reference.encode(x, table, grid)
    torch.testing.assert_close(y, expected, atol=1e-3, rtol=0)
    found = torch.autograd.grad(y.sum(), table)[0]
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), table)[0], atol=1e-3, rtol=0)


def test_no_points_give_no_features(tcnn):
    grid = build(2, 2, 8, 4, 8)
    assert tcnn.encode(torch.empty(0, 3), torch.zeros(grid.n_entries, 2), grid).shape == (0, 4)
