"""Colors of the parts of a surface that no photograph sees: they spread over the mesh from the parts that are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import cg

Array = NDArray[Any]

GRAY = 128.0


def spread(colors: Array, known: Array, faces: Array) -> Array:
    """Return the colors [N, 3] of all vertices, where those that are not `known` [N] are the mean of their neighbors.

    This is the solution of Laplace's equation on the graph of edges. A piece of the mesh without a known color has the
    mean of all known colors, or gray if there are none.
    """
    colors, n = colors.astype(np.float64), len(colors)
    mean = colors[known].mean(0) if known.any() else np.full(colors.shape[1], GRAY)
    if known.all():
        return colors
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.concatenate([edges, edges[:, ::-1]])
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()
    graph.data[:] = 1.0
    unknown = ~known
    rows = graph[unknown]
    degree = np.asarray(rows.sum(1)).reshape(-1)
    weak = 1e-6  # pulls pieces without a known color to the mean
    matrix = diags(degree + weak) - rows[:, unknown]
    found = colors.copy()
    for channel in range(colors.shape[1]):
        right = rows[:, known] @ colors[known, channel] + weak * mean[channel]
        start = np.full(int(unknown.sum()), mean[channel])
        found[unknown, channel], _ = cg(matrix, right, x0=start, rtol=1e-7, maxiter=2000, M=diags(1 / (degree + weak)))
    return found
