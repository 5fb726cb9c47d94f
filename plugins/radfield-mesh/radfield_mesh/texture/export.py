"""Export of a mesh with a texture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from radfield_core import HasColor, Scene, UsageError
from radfield_mesh.cleaning import simplified
from radfield_mesh.config import MeshConfig, TsdfConfig
from radfield_mesh.frames import turn_for
from radfield_mesh.seen_colors import SeenColors, in_scene
from radfield_mesh.texture.bake import from_colors, from_photos
from radfield_mesh.texture.files import write

Array = NDArray[Any]


def color_function(
    field: object, surface: trimesh.Trimesh, scene: Scene, chunk: int
) -> Callable[[Array, Array], Array]:
    """Return a function of points [M, 3] and outward normals [M, 3] in scene coordinates: the field's colors [M, 3].

    Raises:
        UsageError: the field has no colors.
    """
    if not isinstance(field, HasColor):
        raise UsageError(f"{type(field).__name__} has no colors", path="texture", hint="Set texture=photos")
    seen = SeenColors(field, scene, in_scene(surface.vertices, scene), np.asarray(surface.faces), chunk)

    def color_at(points: Array, normals: Array) -> Array:
        places = points if scene.warp is None else scene.warp.points(torch.from_numpy(points)).numpy()
        return seen.at(places, points, normals) / np.float32(255.0)

    return color_at


def write_textured(
    mesh: trimesh.Trimesh, scene: Scene, path: Path, config: MeshConfig | TsdfConfig,
    color_at: Callable[[Array, Array], Array] | None = None,
) -> list[Path]:  # fmt: skip
    """Write a mesh in data coordinates with a texture. Return the files written.

    Args:
        mesh: mesh in data coordinates.
        scene: the photographs and their cameras.
        path: the file to write.
        config: options of the exporter.
        color_at: the colors of points and outward normals; None for a texture from photographs.

    Raises:
        UsageError: the format cannot have a texture, or the lens has no pinhole camera in its place.
    """
    if path.suffix.lower() == ".stl":
        raise UsageError("an STL file has no texture", path="texture", hint="Set format=glb, obj or ply")
    mesh = simplified(mesh, config.texture_faces)
    if color_at is None:
        baked = from_photos(mesh, scene, config.texture_size, config.cull_unseen)
    else:
        baked = from_colors(mesh, scene, config.texture_size, color_at)
    return write(baked.mesh.turned(turn_for(path, scene)), path, config.texture_image)
