"""Reader of the ground-truth surface that `radfield data make --format dtu` writes beside the images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import trimesh

from radfield_core import DatasetError, Mesh
from radfield_core.data import MAX_DISTANCE
from radfield_dtu.projection import Array

GROUND_TRUTH = "ground_truth.ply"
MAX_BYTES = 2**30


def read_truth(root: Path, to_data: Array) -> tuple[Mesh | None, list[str]]:
    """Return the surface in scene coordinates, and messages for the user.

    The file is optional. The surface is None if there is no file. If the file cannot be used, the surface is None, and
    a message says why.
    """
    path = root / GROUND_TRUTH
    if not path.is_file():
        return None, []
    try:
        return _read(path, to_data), []
    except DatasetError as error:
        problem = error.problems[0]
        return None, [f"the true surface is not used: {GROUND_TRUTH} {problem.message}"]


def _read(path: Path, to_data: Array) -> Mesh:
    if path.stat().st_size > MAX_BYTES:
        raise DatasetError(f"is larger than {MAX_BYTES >> 30} GiB", path=str(path))
    try:
        # From a path, trimesh would also open other files that the mesh file names. From bytes, it cannot.
        mesh = trimesh.load_mesh(BytesIO(path.read_bytes()), file_type="ply", process=False, skip_materials=True)
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # trimesh raises many kinds of errors on untrusted files
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise DatasetError(f"cannot be read as a mesh: {text:.300}", path=str(path)) from error
    if not len(vertices) or not np.isfinite(vertices).all() or np.abs(vertices).max() > MAX_DISTANCE:
        raise DatasetError(
            f"has no vertices, or has vertices that are not finite or farther than {MAX_DISTANCE:g} from the origin",
            path=str(path),
        )
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices):
        raise DatasetError("has no faces, or has faces that refer to missing vertices", path=str(path))
    vertices = (vertices - to_data[:3, 3]) / to_data[0, 0]
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces))
