"""Reading of meshes from files of others, which are checked and cannot name other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.resolvers import Resolver

from radfield_core import DatasetError

MAX_BYTES = 2**31
"""Largest size of a file."""


class _NoOtherFile(Resolver):
    """Resolver that opens no file, for reading untrusted meshes.

    Without a resolver, trimesh would open other files whose names are in the mesh file.
    """

    def __init__(self) -> None:
        pass

    def get(self, key: str) -> bytes:
        """Raise ValueError, because no other file is read."""
        raise ValueError(f"it refers to another file, {key!r:.200}; only self-contained files can be read")

    def write(self, name: str, data: Any) -> None:
        """Raise ValueError, because nothing is written."""
        raise ValueError("nothing is written")

    def namespaced(self, namespace: str) -> _NoOtherFile:
        """Return this resolver, which serves all folders."""
        return self

    def keys(self) -> list[str]:
        """Return an empty list, because no file is available."""
        return []


def read_mesh(path: Path) -> trimesh.Trimesh:
    """Return a mesh, or points without faces, from a PLY, OBJ, STL or GLB file, without its colors.

    Other files that the file refers to are not opened.

    Raises:
        DatasetError: the file does not exist, has another format or is not usable.
    """
    loaded = _loaded(path, skip_materials=True)
    return trimesh.Trimesh(loaded.vertices, getattr(loaded, "faces", np.zeros((0, 3), np.int64)), process=False)


def read_colored_mesh(path: Path) -> trimesh.Trimesh:
    """Return a mesh with its texture or the colors of its vertices, from a PLY or GLB file.

    Raises:
        DatasetError: the file does not exist, has another format, is not usable or has no faces.
    """
    if path.suffix.lower() not in (".ply", ".glb"):
        raise DatasetError("is not a .ply or .glb file", path=str(path), hint="radfield export RUN --out mesh.glb")
    loaded = _loaded(path, skip_materials=False)
    if not isinstance(loaded, trimesh.Trimesh) or not len(loaded.faces):
        raise DatasetError("has no faces", path=str(path))
    return loaded


def _loaded(path: Path, skip_materials: bool) -> trimesh.Trimesh | trimesh.PointCloud:
    """Return the content of a file, after checks."""
    if path.suffix.lower() not in (".ply", ".obj", ".stl", ".glb"):
        raise DatasetError("is not a .ply, .obj, .stl or .glb file", path=str(path))
    if not path.is_file():
        raise DatasetError("there is no such file", path=str(path))
    if path.stat().st_size > MAX_BYTES:
        raise DatasetError(f"is larger than {MAX_BYTES >> 30} GiB", path=str(path))
    try:
        loaded = trimesh.load(path, process=False, resolver=_NoOtherFile(), skip_materials=skip_materials)
        if isinstance(loaded, trimesh.Scene):
            loaded = loaded.to_mesh()
        if not isinstance(loaded, trimesh.Trimesh | trimesh.PointCloud):
            raise TypeError(f"the file holds a {type(loaded).__name__} instead of a mesh or points")
    except Exception as error:  # trimesh raises many kinds of errors on untrusted files
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise DatasetError(f"cannot be read as a mesh: {text}", path=str(path)) from error
    vertices = np.asarray(loaded.vertices, np.float64)
    faces = np.asarray(getattr(loaded, "faces", np.zeros((0, 3))), np.int64)
    if not len(vertices) or not np.isfinite(vertices).all():
        raise DatasetError("has no vertices, or has vertices that are not finite", path=str(path))
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise DatasetError("has faces that refer to missing vertices", path=str(path))
    return loaded
