"""Fewer faces: simplification, and removal of small components and of chosen faces."""

from __future__ import annotations

import logging

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

logger = logging.getLogger(__name__)


def simplified(mesh: trimesh.Trimesh, max_faces: int | None) -> trimesh.Trimesh:
    """Return the mesh itself if it has at most `max_faces` faces. Otherwise, log a message and return a simplified
    mesh."""
    if max_faces is None or len(mesh.faces) <= max_faces:
        return mesh
    fewer = mesh.simplify_quadric_decimation(face_count=max_faces)
    logger.info(
        "simplified the mesh from %s to %s faces; max_faces=none keeps all",
        f"{len(mesh.faces):,}", f"{len(fewer.faces):,}",
    )  # fmt: skip
    return fewer


def only_faces(mesh: trimesh.Trimesh, kept: NDArray[np.bool_]) -> trimesh.Trimesh:
    """Return a mesh that has only the faces for which `kept` [F] is True, and only the vertices of these faces."""
    used, index = np.unique(np.asarray(mesh.faces)[kept], return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used], index.reshape(-1, 3), process=False)


def without_specks(mesh: trimesh.Trimesh, share: float) -> trimesh.Trimesh:
    """Return the mesh without small components.

    A component is small if it has fewer faces than `share` times the number of faces of the largest component.
    """
    faces = np.asarray(mesh.faces)
    n = len(mesh.vertices)
    rows, columns = np.concatenate([faces[:, 0], faces[:, 1]]), np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label[faces[:, 0]])
    return only_faces(mesh, (sizes >= share * sizes.max())[label[faces[:, 0]]])
