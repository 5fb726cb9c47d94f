"""Holes of meshes: borders are found and closed.

Symbols in shapes: V vertices, F faces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]


def closed(vertices: Vertices, faces: Faces, max_edges: int) -> tuple[Vertices, Faces]:
    """Return a mesh whose holes with at most `max_edges` edges are closed.

    A hole of three edges becomes a face. A larger one becomes a fan of faces around a new vertex, the mean of its
    border. Holes that touch themselves or each other are left open.
    """
    new_vertices, new_faces = [vertices], [faces]
    n = len(vertices)
    for border in borders(faces):
        if len(border) > max_edges:
            continue
        following = np.roll(border, -1)
        if len(border) == 3:
            new_faces.append(border[None, ::-1])
            continue
        new_vertices.append(vertices[border].mean(0, keepdims=True))
        new_faces.append(np.stack([following, border, np.full(len(border), n)], 1))
        n += 1
    return np.concatenate(new_vertices), np.concatenate(new_faces)


def borders(faces: Faces) -> list[Faces]:
    """Return the vertices of each simple closed border of faces [F, 3], in the direction of the faces at the border."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    span = int(faces.max(initial=0)) + 1
    forward, backward = edges[:, 0] * span + edges[:, 1], edges[:, 1] * span + edges[:, 0]
    open_edges = edges[~np.isin(forward, backward)]
    starts, counts = np.unique(open_edges[:, 0], return_counts=True)
    branching = set(starts[counts > 1].tolist())
    following = dict(open_edges.tolist())
    found = []
    while following:
        first, at = following.popitem()
        loop = [first]
        while at != first and at in following:
            loop.append(at)
            at = following.pop(at)
        if at == first and len(loop) > 2 and not branching.intersection(loop):
            found.append(np.array(loop, np.int64))
    return found
