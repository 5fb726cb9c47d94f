"""From the space that fields live in to the frame of a file: the way out of NDC, winding, and glTF's upward axis."""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from torch.nn import functional as F
from trimesh.visual import ColorVisuals

from radfield_core import DatasetError, Scene

HORIZON = 1e4
"""Near planes to where an NDC scene ends: beyond it depths too count as infinite (`RaySpace.distances`)."""

UPRIGHT = {
    "x": ("-y", "x", "z"), "y": ("x", "y", "z"), "z": ("x", "z", "-y"),
    "-x": ("y", "-x", "z"), "-y": ("x", "-y", "-z"), "-z": ("x", "-z", "y"),
}  # fmt: skip
"""Upward axis of the data -> what becomes x, y and z in the y-up that glTF prescribes; all are rotations."""


def y_up(up: str | None) -> NDArray[np.float64]:
    """The rotation [4, 4] that makes axis `up` +y; none where `up` is not known. Raises DatasetError for no axis."""
    if up is None:
        return np.eye(4)
    if up not in UPRIGHT:
        raise DatasetError(f"the upward axis is {up!r}", path="up", hint=", ".join(UPRIGHT))
    turn = np.eye(4)
    for row, axis in enumerate(UPRIGHT[up]):
        turn[row, :3] = np.eye(3)["xyz".index(axis[-1])] * (-1 if axis[0] == "-" else 1)
    return turn


def has_place(points: NDArray[np.float64], scene: Scene) -> NDArray[np.bool_]:
    """Which points [P, 3] of the space that fields live in have a place in the scene: under NDC, before the horizon."""
    if scene.warp is None:
        return np.ones(len(points), bool)
    z = scene.to_world(torch.from_numpy(points))[:, 2].numpy()
    return (z < 0) & (z > -HORIZON * scene.warp.n)


def world_normals(normals: NDArray[np.float64], points: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    """Unit normals [P, 3] at points of the space that fields live in, in scene coordinates: undoes NDC.

    A normal is the slope of a function of the warped place, so the warp's transposed Jacobian leads it back.
    """
    if scene.warp is None:
        return normals
    world = scene.warp.unwarp(torch.from_numpy(points)).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(scene.warp.points(world), world, torch.tensor(normals))
    return F.normalize(slope, dim=-1).numpy()


def to_data(mesh: trimesh.Trimesh, scene: Scene) -> trimesh.Trimesh:
    """The mesh in the data's own coordinates, its normals turned and its faces wound to match; colors are kept."""
    linear = scene.to_data.double().cpu().numpy()[:3, :3]
    points = np.asarray(mesh.vertices, np.float64)
    normals = world_normals(np.asarray(mesh.vertex_normals), points, scene) @ np.linalg.inv(linear)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    vertices = scene.data_points(torch.from_numpy(points)).numpy()
    # NDC mirrors: x and y keep their sense while depth, which grows along -z in the scene, grows along +z.
    mirrored = (np.linalg.det(linear) < 0) != (scene.warp is not None)
    faces = np.array(mesh.faces)[:, ::-1] if mirrored else mesh.faces
    visual = mesh.visual
    colors = visual.vertex_colors if isinstance(visual, ColorVisuals) and visual.kind == "vertex" else None
    return trimesh.Trimesh(vertices, faces, vertex_normals=normals, vertex_colors=colors, process=False)
