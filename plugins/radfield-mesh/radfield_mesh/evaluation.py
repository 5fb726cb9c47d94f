"""Values of a field at many points, some at a time: directions into the solid, and colors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from radfield_core import HasColor, HasDensity, HasSDF, UsageError
from radfield_core.ops import device_of
from radfield_mesh.extraction import Query


def without_surface(field: object) -> UsageError:
    """Return the error for a field that has neither a signed distance nor a density."""
    return UsageError(
        f"{type(field).__name__} has neither a signed distance nor a density, so it has no surface",
        path="field", hint="radfield plugins list",
    )  # fmt: skip


def inward(field: object, vertices: NDArray[np.float64], chunk: int) -> NDArray[np.float64]:
    """Return unit directions [V, 3] that point into the solid at each vertex [V, 3].

    A direction is along the negative gradient of the signed distance, or along the gradient of the density.
    """

    def slope(x: Tensor) -> Tensor:
        if isinstance(field, HasSDF):
            with torch.no_grad():
                return -field.gradient(x)
        if not isinstance(field, HasDensity):
            raise without_surface(field)
        with torch.enable_grad():
            x = x.requires_grad_()
            return torch.autograd.grad(field.density(x).sum(), x)[0]

    return _evaluate(lambda x: F.normalize(slope(x), dim=-1), device_of(field), vertices, chunk).astype(np.float64)


def vertex_colors(
    field: HasColor, device: torch.device, vertices: NDArray[np.float64], viewdirs: NDArray[np.float64], chunk: int
) -> NDArray[np.uint8]:
    """Return the uint8 colors [V, 3] of vertices [V, 3], as seen along `viewdirs` [V, 3]."""
    both = np.concatenate([vertices, viewdirs], axis=1)
    with torch.no_grad():
        colors = _evaluate(lambda x: field.point_color(x[:, :3], x[:, 3:]), device, both, chunk)
    return np.round(colors.clip(0, 1) * 255).astype(np.uint8)


def _evaluate(function: Query, device: torch.device, rows: NDArray[np.float64], chunk: int) -> NDArray[np.float32]:
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(rows, np.float32)), chunk)
    return torch.cat([function(part.to(device)).detach().cpu().float() for part in parts]).numpy()
