"""The exact surface that `radfield data make --format dtu` leaves beside the images."""

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


def read_truth(root: Path, to_data: Array) -> Mesh | None:
    """The surface in scene coordinates, or None if there is no such file; DatasetError if it is no sound mesh."""
    path = root / GROUND_TRUTH
    if not path.is_file():
        return None
    if path.stat().st_size > MAX_BYTES:
        raise DatasetError(f"is larger than {MAX_BYTES >> 30} GiB", path=str(path))
    try:
        # The bytes and not the path, beside which trimesh would look for whatever other file this one names.
        mesh = trimesh.load_mesh(BytesIO(path.read_bytes()), file_type="ply", process=False, skip_materials=True)
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # a parser of somebody else's, on a file that may be anybody's
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise DatasetError(f"cannot be read as a mesh: {said:.300}", path=str(path)) from error
    if not len(vertices) or not np.isfinite(vertices).all() or np.abs(vertices).max() > MAX_DISTANCE:
        raise DatasetError("has no vertices, or some that are not finite or beyond all distances", path=str(path))
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices):
        raise DatasetError("has no faces, or some that name vertices it does not have", path=str(path))
    vertices = (vertices - to_data[:3, 3]) / to_data[0, 0]
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces))
