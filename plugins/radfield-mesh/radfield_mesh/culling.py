"""What the views' masks cover: NeuS cleans its meshes by masks widened by 50 pixels before measuring them on DTU."""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from radfield_core import Scene, UsageError, project, visible
from radfield_core.data import transform_points
from radfield_mesh.mesh import only_faces


def covered(points_data: NDArray[np.float64], scene: Scene, pixels: int) -> NDArray[np.bool_]:
    """Which points [P] lie, in every view that sees them, inside the mask widened by `pixels`; outside an image counts
    as covered. Points are in the data's own coordinates. Raises UsageError without masks that show the object."""
    masks = scene.masks
    if masks is None:
        raise UsageError("the data have no masks to cull by", path="cull_masks")
    if scene.masks_mean != "object":
        raise UsageError(
            "the data's masks say which pixels count, not where the object is", path="cull_masks",
            hint="no cull_masks, or a reference that is cut to what matters",
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
    """The faces whose three vertices are covered."""
    kept = covered(np.asarray(mesh.vertices), scene, pixels)
    return only_faces(mesh, np.all(kept[mesh.faces], axis=1))
