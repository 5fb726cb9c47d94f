"""Writer of scenes in the layout of IDR and NeuS."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh

from radfield_core import Scene, UsageError
from radfield_core.data import (
    StoredView,
    all_have_masks,
    similarity_matrix,
    similarity_scale,
    transform_cameras,
    transform_points,
    views_to_store,
    warn_about_lost_masks,
)
from radfield_core.files import atomic_path, write_picture
from radfield_dtu.projection import Array, compose
from radfield_dtu.truth import GROUND_TRUTH

logger = logging.getLogger(__name__)

MILLIMETRES = 150.0
"""Length, in millimeters, of one unit of a synthetic scene. It gives the scene the size of a DTU scan."""

PLACE = np.array([-28.0, -27.5, 640.0])
"""Position of the origin of a synthetic scene in millimeters, as in DTU's scans."""


def write(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """Write image/, cameras_sphere.npz and, if known, mask/ and the ground-truth surface. Return the files written.

    In this format, masks show an object. If the masks of the scene mark the pixels that count in the loss, they are not
    written, and a warning is logged.
    """
    views = views_to_store(scenes)
    first = next(iter(scenes.values()))
    placed = _placement(first)
    center, radius = _sphere(first)
    scale_mat = similarity_matrix(np.eye(3), np.zeros(3), radius * similarity_scale(placed))
    scale_mat[:3, 3] = transform_points(placed, center[None])[0]
    warn_about_lost_masks("object", scenes.values())
    masked = all_have_masks("object", scenes.values()) or any(_is_clear(scene) for scene in scenes.values())
    arrays: dict[str, Any] = {}  # Any, because np.savez takes options as well as arrays
    written: list[Path] = []
    for index, view in enumerate(views):
        arrays[f"world_mat_{index}"], arrays[f"scale_mat_{index}"] = _world_mat(view, placed), scale_mat
        rgb, mask = _pixels(view)
        for kind, pixels in (("image", rgb), ("mask", mask)) if masked else (("image", rgb),):
            path = folder / kind / f"{index:03d}.png"
            write_picture(path, pixels)
            written.append(path)
    with atomic_path(folder / "cameras_sphere.npz") as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)
    written.append(folder / "cameras_sphere.npz")
    return [*written, *_write_truth(first, placed, folder)]


def _placement(scene: Scene) -> Array:
    """Return the transform [4, 4] from data coordinates to the coordinates of the file.

    A scene with a ground-truth surface but no unit counts as synthetic: it is scaled to millimeters and moved. For all
    other scenes, the transform is the identity. The format cannot store a unit, so a warning is logged if the unit is
    not mm.
    """
    if scene.unit is None and scene.ground_truth is not None:
        matrix = similarity_matrix(np.eye(3), np.zeros(3), MILLIMETRES)
        matrix[:3, 3] = PLACE
        return matrix
    if scene.unit != "mm":
        logger.warning(
            "the format does not store the unit of coordinates: set data.unit=%s when reading; the default is mm",
            scene.unit or "none",
        )
    return np.eye(4)


def _sphere(scene: Scene) -> tuple[Array, float]:
    """Return the center and radius, in data coordinates, of the sphere that the file describes.

    The sphere surrounds the ground-truth surface. If there is no such surface, the sphere has the center and radius of
    the scene box.
    """
    if scene.ground_truth is not None:
        points = transform_points(scene.to_data, scene.ground_truth.vertices.double()).numpy()
        center = (points.max(0) + points.min(0)) / 2
        return center, float(np.linalg.norm(points - center, axis=1).max() * 1.1)
    center = transform_points(scene.to_data, scene.box.center.double()).numpy()
    return center, scene.box.radius * similarity_scale(scene.to_data.double().numpy())


def _world_mat(view: StoredView, placed: Array) -> Array:
    camera = view.camera
    if camera.model != "pinhole":
        raise UsageError(
            f"the format does not support the lens {camera.model}",
            path="--format dtu",
            hint="Write another format, such as colmap",
        )
    k = np.array([[camera.fx, 0, camera.cx - 0.5], [0, camera.fy, camera.cy - 0.5], [0, 0, 1.0]])
    world_mat = np.eye(4)
    world_mat[:3] = compose(k, transform_cameras(placed, view.c2w[None])[0])
    return world_mat


def _is_clear(scene: Scene) -> bool:
    return scene.images[0].shape[-1] == 4


def _pixels(view: StoredView) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB [H, W, 3] on black and a mask [H, W, 3] with the values 0 and 255. Both are uint8."""
    pixels = view.scene.images[view.index]
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3:]
    elif view.scene.masks is not None and view.scene.masks_mean == "object":
        alpha = view.scene.masks[view.index]
    else:
        alpha = torch.full_like(pixels[..., :1], 255)
    covered = (alpha.float() / 255.0).numpy()
    rgb = np.round(pixels[..., :3].numpy() * covered).astype(np.uint8) if pixels.shape[-1] == 4 else pixels.numpy()
    return rgb, np.repeat(np.where(covered > 0.5, 255, 0).astype(np.uint8), 3, axis=-1)


def _write_truth(scene: Scene, placed: Array, folder: Path) -> list[Path]:
    if scene.ground_truth is None:
        return []
    points = transform_points(placed, transform_points(scene.to_data, scene.ground_truth.vertices.double()).numpy())
    path = folder / GROUND_TRUTH
    trimesh.Trimesh(points, scene.ground_truth.faces.numpy(), process=False).export(path)
    return [path]
