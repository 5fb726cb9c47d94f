"""Mesh of the scene.

Marching cubes (Lorensen and Cline 1987) give a mesh. Newton steps then move its vertices onto the exact surface.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor

from radfield_synthetic.worlds import STILL_LIFE, World

_BLOCK = 16
"""Number of cells along each side of a block that is evaluated at once, or not at all if no surface is near."""


def surface_mesh(resolution: int | None = None, world: World = STILL_LIFE) -> tuple[Tensor, Tensor]:
    """Return a mesh of a scene, with outward normals. It is watertight, except for that of the room, which has a shaft.

    A sharp edge is cut off by less than a cell. Faces outside `world.bound` are left out.

    Args:
        resolution: number of grid cells along each side of a cube around the scene; by default, `world.cells`.
        world: the scene.

    Returns:
        Float32 vertices [V, 3], which are within 1e-5 of the surface, and int64 faces [F, 3].
    """
    n, half = resolution or world.cells, 1.02 * world.bound
    volume = _distances(world, n, half)
    vertices, faces, _, _ = marching_cubes(volume, 0.0, spacing=(2 * half / n,) * 3)  # type: ignore[no-untyped-call]
    at = torch.from_numpy(vertices.astype(np.float32)) - half
    for _ in range(8):
        slope = world.gradient(at)
        at = at - slope * (world.sdf(at) / slope.square().sum(-1).clamp_min(1e-6))[:, None]
    return _within(at, torch.from_numpy(faces.astype(np.int64)), world.bound)


def _within(vertices: Tensor, faces: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Return the vertices and faces inside a ball, which contains all of the surface but the upper end of a shaft."""
    inside = vertices.norm(dim=-1) < bound
    if inside.all():
        return vertices, faces
    return vertices[inside], (inside.cumsum(0) - 1)[faces[inside[faces].all(-1)]]


def _distances(world: World, n: int, half: float) -> NDArray[np.float32]:
    """Return the signed distance at the corners of n³ cells. Far from the surface, it is that of a block's center.

    A distance changes by at most the way between two points, so its sign is right everywhere.
    """
    axis = torch.linspace(-half, half, n + 1)
    parts = torch.split(axis, _BLOCK)
    volume = np.empty((n + 1,) * 3, np.float32)
    reach = 0.5 * math.sqrt(3) * _BLOCK * (2 * half / n)
    middle = torch.stack([0.5 * (part[0] + part[-1]) for part in parts])
    centers = world.sdf_of(*(grid.contiguous() for grid in torch.meshgrid(middle, middle, middle, indexing="ij")))
    for index, at in np.ndenumerate(centers.numpy()):
        place = tuple(slice(_BLOCK * i, _BLOCK * i + len(parts[i])) for i in index)
        if abs(at) > reach:
            volume[place] = at
        else:
            grids = torch.meshgrid(*(parts[i] for i in index), indexing="ij")
            volume[place] = world.sdf_of(*(grid.contiguous() for grid in grids)).numpy()
    return volume
