"""Transforms of a mesh from field space to the coordinates of a file.

Field space is the space in which a field is evaluated: NDC if the scene uses NDC, and scene coordinates otherwise. The
transforms undo NDC, correct the winding of faces, and rotate to the y-up axes of glTF.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from torch.nn import functional as F
from trimesh.visual import ColorVisuals

from radfield_core import DatasetError, Scene

logger = logging.getLogger(__name__)

HORIZON = 1e4
"""Largest depth of a finite point in an NDC scene, as a multiple of the depth of the near plane.

A point beyond this depth counts as infinitely far (see `RaySpace.distances`).
"""

UPRIGHT = {
    "x": ("-y", "x", "z"), "y": ("x", "y", "z"), "z": ("x", "z", "-y"),
    "-x": ("y", "-x", "z"), "-y": ("x", "-y", "-z"), "-z": ("x", "-z", "y"),
}  # fmt: skip
"""Upward axis of the data -> the three axes of the data that become x, y and z in glTF, where y is up."""


def y_up(up: str | None) -> NDArray[np.float64]:
    """Return the rotation [4, 4] that turns the axis `up` to +y. For None, return the identity.

    Raises:
        DatasetError: `up` is not the name of an axis.
    """
    if up is None:
        return np.eye(4)
    if up not in UPRIGHT:
        raise DatasetError(f"the upward axis is {up!r}", path="up", hint=f"Use one of {', '.join(UPRIGHT)}")
    turn = np.eye(4)
    for row, axis in enumerate(UPRIGHT[up]):
        turn[row, :3] = np.eye(3)["xyz".index(axis[-1])] * (-1 if axis[0] == "-" else 1)
    return turn


def upright(scene: Scene) -> NDArray[np.float64]:
    """Return the rotation [4, 4] that turns the data's upward direction to +y.

    This is the axis that the data states, or else the estimate of the dataparser. If there is neither, the result is
    the identity.
    """
    if scene.up is not None or scene.estimated_up is None:
        return y_up(scene.up)
    up, target = np.array(scene.estimated_up.direction), np.array([0.0, 1.0, 0.0])
    half = up + target
    if half @ half < 1e-12:  # half a turn about x
        return np.diag([1.0, -1.0, -1.0, 1.0])
    turn = np.eye(4)  # the product of two reflections, which is the smallest rotation
    turn[:3, :3] = (np.eye(3) - 2 * np.outer(target, target)) @ (np.eye(3) - 2 * np.outer(half, half) / (half @ half))
    return turn


def has_place(points: NDArray[np.float64], scene: Scene) -> NDArray[np.bool_]:
    """Return a mask [P] that is True for each point [P, 3] in field space with a finite position in the scene.

    In NDC, the position must also be closer than HORIZON.
    """
    if scene.warp is None:
        return np.ones(len(points), bool)
    z = scene.to_world(torch.from_numpy(points))[:, 2].numpy()
    return (z < 0) & (z > -HORIZON * scene.warp.n)


def world_normals(normals: NDArray[np.float64], points: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    """Return unit normals [P, 3] in scene coordinates, from normals [P, 3] at points [P, 3] in field space.

    A normal in field space is the gradient of a function of the warped position, so the transposed Jacobian of the warp
    maps it to scene coordinates.
    """
    if scene.warp is None:
        return normals
    world = scene.warp.unwarp(torch.from_numpy(points)).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(scene.warp.points(world), world, torch.tensor(normals))
    return F.normalize(slope, dim=-1).numpy()


def to_data(mesh: trimesh.Trimesh, scene: Scene) -> trimesh.Trimesh:
    """Convert a mesh from field space to data coordinates. Normals and face winding are transformed too."""
    linear = scene.to_data.double().cpu().numpy()[:3, :3]
    points = np.asarray(mesh.vertices, np.float64)
    normals = world_normals(np.asarray(mesh.vertex_normals), points, scene) @ np.linalg.inv(linear)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    vertices = scene.data_points(torch.from_numpy(points)).numpy()
    # NDC mirrors the scene: x and y keep their direction, but depth grows along -z in the scene and along +z in NDC.
    mirrored = (np.linalg.det(linear) < 0) != (scene.warp is not None)
    faces = np.array(mesh.faces)[:, ::-1] if mirrored else mesh.faces
    visual = mesh.visual
    colors = visual.vertex_colors if isinstance(visual, ColorVisuals) and visual.kind == "vertex" else None
    return trimesh.Trimesh(vertices, faces, vertex_normals=normals, vertex_colors=colors, process=False)


def turn_for(path: Path, scene: Scene) -> NDArray[np.float64]:
    """Return the rotation [4, 4] from data coordinates to those of a file, and say it if an upward axis is unknown."""
    if path.suffix.lower() != ".glb":
        return np.eye(4)
    if scene.up is None and scene.estimated_up is not None:
        logger.info("%s was turned upright by an estimate: %s", path.name, scene.estimated_up.how)
    elif scene.up is None:
        logger.warning(
            "%s may not stand upright: the data set does not state its upward axis, so the mesh keeps the axes of "
            "the data; turn it in the program that shows it", path.name,
        )  # fmt: skip
    return upright(scene)
