"""Backend that runs the grid of tiny-cuda-nn on CUDA, if tiny-cuda-nn's torch extension is installed.

This backend uses the same table as the others, because the table has the order of tiny-cuda-nn's parameters.
Computations are in float32 instead of half precision. tiny-cuda-nn computes the scale of a level in float32, so its
last bit may differ from the scale in `levels`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import tinycudann
import torch
from torch import Tensor

from radfield_hash import reference
from radfield_hash.levels import Grid


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Return the features [M, L·F] of positions x [M, 3], computed from the table [n_entries, F].

    If x or the table is float64, the torch reference computes the features.

    Raises:
        RuntimeError: the number of parameters of tiny-cuda-nn's grid differs from that of the table.
    """
    if x.dtype != torch.float32 or table.dtype != torch.float32 or x.shape[0] == 0:
        return reference.encode(x, table, grid)
    module = _module(grid, x.device)
    if module.params.numel() != table.numel():
        raise RuntimeError(
            f"tiny-cuda-nn's grid has {module.params.numel()} parameters, but the table has {table.numel()} numbers"
        )
    parameters = {"params": table.reshape(-1)}
    features: Tensor = torch.func.functional_call(module, parameters, (reference.clamped(x),))
    return features


def warm_up() -> None:
    """Self-test: build a small grid, and run it on one point."""
    reference.check(encode, "cuda")


@cache
def _module(grid: Grid, device: torch.device) -> Any:
    return tinycudann.Encoding(3, settings(grid), dtype=torch.float32).to(device)


def settings(grid: Grid) -> dict[str, Any]:
    """Return the grid as a configuration of tiny-cuda-nn."""
    return {
        "otype": "HashGrid",
        "n_levels": len(grid.levels),
        "n_features_per_level": grid.n_features,
        "log2_hashmap_size": (max(level.size for level in grid.levels) - 1).bit_length(),
        "base_resolution": round(grid.levels[0].scale + 1),
        "per_level_scale": grid.growth,
        "interpolation": "Linear",
    }
