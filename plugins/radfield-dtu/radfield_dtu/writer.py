"""Writes a scene in the layout of IDR and NeuS, in millimetres and off-centre, as their scans are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from PIL import Image

from radfield_core.errors import UsageError
from radfield_core.files import atomic_path
from radfield_core.scene import Scene, apply_similarity
from radfield_core.views import StoredView, stored_views
from radfield_dtu.dataparser import GROUND_TRUTH
from radfield_dtu.projection import Array, compose

MILLIMETRES = 150.0
PLACE = np.array([-28.0, -27.5, 640.0])
"""One unit of the scene, and where its origin comes to lie: sizes as in DTU's scans."""


def write(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """image/, mask/, cameras_sphere.npz and, where the surface is known, its mesh; returns the files written."""
    views = stored_views(scenes)
    center, radius = _sphere(next(iter(scenes.values())))
    scale_mat = np.diag([radius * MILLIMETRES] * 3 + [1.0])
    scale_mat[:3, 3] = center * MILLIMETRES + PLACE
    arrays: dict[str, Any] = {}  # a mapping of arrays alone could, for all a type checker knows, name an option
    written: list[Path] = []
    for index, view in enumerate(views):
        arrays[f"world_mat_{index}"], arrays[f"scale_mat_{index}"] = _world_mat(view), scale_mat
        rgb, mask = _pixels(view)
        for kind, pixels in (("image", rgb), ("mask", mask)):
            path = folder / kind / f"{index:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            written.append(path)
    with atomic_path(folder / "cameras_sphere.npz") as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)
    written.append(folder / "cameras_sphere.npz")
    return [*written, *_write_truth(next(iter(scenes.values())), folder)]


def _sphere(scene: Scene) -> tuple[Array, float]:
    """Centre and radius, in the scene's data coordinates, of a sphere around what is to be modelled."""
    if scene.ground_truth is not None:
        points = apply_similarity(scene.to_data, scene.ground_truth.vertices.double()).numpy()
        center = (points.max(0) + points.min(0)) / 2
        return center, float(np.linalg.norm(points - center, axis=1).max() * 1.1)
    center = apply_similarity(scene.to_data, scene.box.center.double()).numpy()
    return center, float(scene.box.radius * np.cbrt(np.linalg.det(scene.to_data[:3, :3].double().numpy())))


def _world_mat(view: StoredView) -> Array:
    camera = view.camera
    if camera.model != "pinhole":
        raise UsageError(f"the format has no lens model {camera.model}", path="--format dtu", hint="--format colmap")
    k = np.array([[camera.fx, 0, camera.cx - 0.5], [0, camera.fy, camera.cy - 0.5], [0, 0, 1.0]])
    c2w = view.c2w.copy()
    c2w[:, 3] = c2w[:, 3] * MILLIMETRES + PLACE
    world_mat = np.eye(4)
    world_mat[:3] = compose(k, c2w)
    return world_mat


def _pixels(view: StoredView) -> tuple[np.ndarray, np.ndarray]:
    """RGB [H, W, 3] on black, and a mask [H, W, 3] of 0 and 255."""
    pixels = view.scene.images[view.index]
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3:]
    elif view.scene.masks is not None:
        alpha = view.scene.masks[view.index]
    else:
        alpha = torch.full_like(pixels[..., :1], 255)
    covered = (alpha.float() / 255.0).numpy()
    rgb = np.round(pixels[..., :3].numpy() * covered).astype(np.uint8) if pixels.shape[-1] == 4 else pixels.numpy()
    return rgb, np.repeat(np.where(covered > 0.5, 255, 0).astype(np.uint8), 3, axis=-1)


def _write_truth(scene: Scene, folder: Path) -> list[Path]:
    if scene.ground_truth is None:
        return []
    points = apply_similarity(scene.to_data, scene.ground_truth.vertices.double()).numpy() * MILLIMETRES + PLACE
    path = folder / GROUND_TRUTH
    trimesh.Trimesh(points, scene.ground_truth.faces.numpy(), process=False).export(path)
    return [path]
