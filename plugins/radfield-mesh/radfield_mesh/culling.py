"""Culling of meshes: faces outside the widened masks of the views are removed.

This is how NeuS culls its meshes before it measures them on DTU, with masks widened by 50 pixels.
"""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from radfield_core import Scene, UsageError, project, visible
from radfield_core.data import transform_points
from radfield_mesh.cleaning import only_faces


def covered(points_data: NDArray[np.float64], scene: Scene, pixels: int) -> NDArray[np.bool_]:
    """Return a mask [P] that is True for each point inside the widened masks of all views that see the point.

    Args:
        points_data: [P, 3], points in data coordinates. A point that no view sees counts as covered.
        scene: the views and their masks.
        pixels: number of pixels by which the masks are widened.

    Raises:
        UsageError: the scene has no masks, or its masks do not show an object.
    """
    masks = scene.masks
    if masks is None:
        raise UsageError("the data set has no masks to cull by", path="cull_masks", hint="Remove cull_masks")
    if scene.masks_mean != "object":
        raise UsageError(
            "the masks of the data set mark which pixels count, not where the object is", path="cull_masks",
            hint="Remove cull_masks, or crop the reference mesh to the object",
        )  # fmt: skip
    points = transform_points(torch.linalg.inv(scene.to_data.double().cpu()), torch.from_numpy(points_data))
    kept = np.ones(len(points), bool)
    for view in range(len(scene.cameras)):
        mask = masks[view][..., 0].numpy() > 127
        wide = distance_transform_edt(~mask) <= pixels if pixels else mask
        inside = visible(scene.cameras.view(view), points)
        seen_at, _ = project(scene.cameras.view(view), points[inside])
        column, row = np.floor(seen_at.numpy() + 0.5).astype(int).T
        kept[inside.numpy()] &= wide[row, column]
    return kept


def by_masks(mesh: trimesh.Trimesh, scene: Scene, pixels: int) -> trimesh.Trimesh:
    """Return the mesh without the faces that have a vertex outside a widened mask (see `covered`)."""
    kept = covered(np.asarray(mesh.vertices), scene, pixels)
    return only_faces(mesh, np.all(kept[mesh.faces], axis=1))
