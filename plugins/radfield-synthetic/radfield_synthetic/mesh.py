"""Mesh of the scene.

Marching cubes (Lorensen and Cline 1987) give a mesh. Newton steps then move its vertices onto the exact surface.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from radfield_synthetic.surface import gradient, sdf, sdf_of

_HALF = 1.02
_SLABS = 16


def surface_mesh(resolution: int = 160) -> tuple[Tensor, Tensor]:
    """Return a watertight mesh of the scene with outward normals.

    Args:
        resolution: number of grid cells along each side of a cube with side 2.04.

    Returns:
        Float32 vertices [V, 3], which are within 1e-5 of the surface, and int64 faces [F, 3].
    """
    axis = torch.linspace(-_HALF, _HALF, resolution + 1)
    y, z = torch.meshgrid(axis, axis, indexing="ij")
    slabs = []
    for x in torch.split(axis, _SLABS):
        shape = (len(x), *y.shape)
        slabs.append(sdf_of(x[:, None, None].expand(shape), y.expand(shape), z.expand(shape)))
    volume = torch.cat(slabs).numpy()
    vertices, faces, _, _ = marching_cubes(volume, 0.0, spacing=(2 * _HALF / resolution,) * 3)  # type: ignore[no-untyped-call]
    at = torch.from_numpy(vertices.astype(np.float32)) - _HALF
    for _ in range(4):
        slope = gradient(at)
        at = at - slope * (sdf(at) / slope.square().sum(-1))[:, None]
    return at, torch.from_numpy(faces.astype(np.int64))
