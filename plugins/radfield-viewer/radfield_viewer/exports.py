"""Meshes and points that `radfield export` has written into the run's folder, to show over the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from radfield_core import UsageError
from radfield_core.data import transform_points
from radfield_viewer.poses import Array

FOLDER = "exports"
MOST_FILES = 50
MOST_BYTES = 2**28
MOST_FACES = 1_000_000
MOST_POINTS = 200_000
"""If a file has more points, evenly spread ones are shown."""


def exported(folder: Path) -> dict[str, Path]:
    """Return the PLY files in the exports of a run's folder, by their names. Links are left out."""
    place = folder / FOLDER
    if place.is_symlink() or not place.is_dir():
        return {}
    found = [file for file in sorted(place.glob("*.ply")) if file.is_file() and not file.is_symlink()]
    return {file.stem[:60]: file for file in found[:MOST_FILES]}


def read_export(file: Path, to_scene: Array) -> trimesh.Trimesh | trimesh.PointCloud:
    """Return the mesh, or the points, of a PLY file in data coordinates, moved to scene coordinates.

    Args:
        file: the file, which may come from a stranger.
        to_scene: similarity [4, 4] from the data's coordinates to those of the scene.

    Raises:
        UsageError: the file cannot be read or is too large.
    """
    loaded = _loaded(file)
    vertices = np.asarray(loaded.vertices, np.float64).reshape(-1, 3)
    faces = np.asarray(getattr(loaded, "faces", np.zeros((0, 3))), np.int64).reshape(-1, 3)
    if not len(vertices) or not np.isfinite(vertices).all():
        raise UsageError(f"{file.name} has no vertices, or some that are not finite")
    if len(faces) > MOST_FACES:
        hint = f"radfield export RUN max_faces={MOST_FACES}"
        raise UsageError(f"{file.name} has {len(faces):,} faces; the page shows at most {MOST_FACES:,}", hint=hint)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise UsageError(f"{file.name} has faces of vertices that are missing")
    colors = _colors(loaded, len(vertices))
    moved = transform_points(to_scene, vertices)
    if len(faces):
        return trimesh.Trimesh(moved, faces, vertex_colors=colors, process=False)
    kept = np.linspace(0, len(moved) - 1, min(len(moved), MOST_POINTS)).astype(np.int64)
    return trimesh.PointCloud(moved[kept], colors[kept])  # type: ignore[no-untyped-call]


def _loaded(file: Path) -> Any:
    try:
        if file.is_symlink() or file.stat().st_size > MOST_BYTES:
            raise UsageError(f"{file.name} is a link, or has more than {MOST_BYTES >> 20} MiB")
        with file.open("rb") as opened:
            loaded = trimesh.load(opened, file_type="ply", process=False)
    except UsageError:
        raise
    except Exception as error:  # trimesh raises many kinds of errors on files of strangers
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{file.name} cannot be read: {text:.200}") from error
    if not isinstance(loaded, trimesh.Trimesh | trimesh.PointCloud):
        raise UsageError(f"{file.name} holds neither a mesh nor points")
    return loaded


def _colors(loaded: Any, n: int) -> Any:
    """Return the colors of the vertices [n, 4] uint8; light gray if the file has none."""
    found = loaded.colors if isinstance(loaded, trimesh.PointCloud) else loaded.visual.vertex_colors
    found = np.asarray(found, np.uint8)
    return found if found.shape == (n, 4) else np.full((n, 4), (200, 200, 200, 255), np.uint8)
