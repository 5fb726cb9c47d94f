"""Marching cubes over a field, block by block.

A grid has `resolution` cells along the longest side of its box. It is cut into blocks of `BLOCK`³ cells, so that memory
does not grow with the cube of the resolution. Neighboring blocks compute equal values at the grid points on their
common border, so their vertices agree there and can be joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor

from radfield_core import NoSurface
from radfield_mesh.config import POINTS_AT_ONCE

BLOCK = 64
"""Number of cells along each side of a block. The values of one block take 1 MiB."""

COARSE = 96
"""Number of cells along the longest side of the coarse grid that is searched first, to locate the surface."""

Points = NDArray[np.float64]
Values = NDArray[np.float32]
Indices = NDArray[np.int64]
Cells = NDArray[np.bool_]

Query = Callable[[Tensor], Tensor]
"""Function from points [M, 3] to values [M]. The surface is where the values cross a given level."""

Report = Callable[[int, int], None]
"""Progress callback. Its arguments are the number of finished blocks and the number of all blocks."""


@dataclass(frozen=True)
class Grid:
    """Grid of cubic cells. The grid point (i, j, k), with 0 <= i <= shape[0], is at origin + cell · (i, j, k)."""

    origin: Points
    cell: float
    shape: tuple[int, int, int]

    @staticmethod
    def over(low: Points, high: Points, resolution: int) -> Grid:
        """Return a grid with `resolution` cells along the longest side of the box [low, high]."""
        cell = float((high - low).max()) / resolution
        shape = np.maximum(np.ceil((high - low) / cell - 1e-9).astype(int), 1)
        return Grid(low, cell, tuple(shape.tolist()))

    def blocks(self) -> Iterator[tuple[Indices, Indices]]:
        """Yield the indices (i, j, k) of the first and the last grid point of each block. The last point belongs to the
        block."""
        for i in range(0, self.shape[0], BLOCK):
            for j in range(0, self.shape[1], BLOCK):
                for k in range(0, self.shape[2], BLOCK):
                    first = np.array([i, j, k])
                    yield first, np.minimum(first + BLOCK, self.shape)

    def values(self, query: Query, first: Indices, last: Indices, chunk: int) -> Values:
        """Return the values of `query` at all grid points of a block, evaluated for `chunk` points at once."""
        # A coordinate depends only on its index in the grid, so two blocks have equal coordinates at their border.
        axes = [
            torch.from_numpy((self.origin[a] + self.cell * np.arange(first[a], last[a] + 1)).astype(np.float32))
            for a in range(3)
        ]
        points = torch.cartesian_prod(*axes)
        with torch.no_grad():
            values = torch.cat([query(part).float().cpu() for part in torch.split(points, chunk)])
        return values.view([len(axis) for axis in axes]).numpy()


def crossed_cells(
    query: Query, grid: Grid, coarse: Grid, level: float, chunk: int, report: Report
) -> tuple[Cells, tuple[float, float]]:
    """Return a mask of the cells of `coarse`, and the range of the values.

    The mask is True for cells that contain the center of a crossed cell of `grid`. A cell is crossed if the level lies
    between the values at its corners. Both grids have the same origin.
    """
    crossed = np.zeros(coarse.shape, bool)
    smallest, largest = np.inf, -np.inf
    blocks = list(grid.blocks())
    for done, (first, last) in enumerate(blocks):
        values = grid.values(query, first, last, chunk)
        smallest, largest = min(smallest, float(values.min())), max(largest, float(values.max()))
        middles = np.argwhere(_crossed(values, level)) + first + 0.5
        cells = np.floor(middles * (grid.cell / coarse.cell)).astype(int)
        crossed[tuple(np.minimum(cells, np.array(coarse.shape) - 1).T)] = True
        report(done + 1, len(blocks))
    return crossed, (smallest, largest)


def _crossed(values: Values, level: float) -> Cells:
    """Return the mask of the cells that have corners on both sides of the level.

    As in `block_surface`, a value equal to the level counts as above it.
    """
    above = values >= level
    i, j, k = (n - 1 for n in values.shape)
    corners = [above[a : a + i, b : b + j, c : c + k] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    crossed: Cells = np.logical_or.reduce(corners) & ~np.logical_and.reduce(corners)
    return crossed


def _dilate(mask: Cells) -> Cells:
    """Return the mask widened by one cell: it also contains all 26 neighbors of each of its cells."""
    for axis in range(3):
        shifted = mask.copy()
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        shifted[tuple(ahead)] |= mask[tuple(behind)]
        shifted[tuple(behind)] |= mask[tuple(ahead)]
        mask = shifted
    return mask


class NotCrossed(NoSurface):
    """Error for values that do not cross the level, because all of them lie between `low` and `high`."""

    def __init__(self, level: float, low: float, high: float):
        self.low, self.high = low, high
        super().__init__(
            f"no surface at level {level:g}: values lie between {low:.4g} and {high:.4g}", hint="Train longer"
        )


def extract(
    query: Query,
    low: Points,
    high: Points,
    resolution: int,
    *,
    level: float = 0.0,
    exhaustive: bool = False,
    chunk: int = POINTS_AT_ONCE,
    report: Report = lambda done, total: None,
) -> tuple[Values, Indices]:
    """Return the surface where `query` crosses `level` in the box [low, high].

    First, a coarse grid finds the cells that the surface passes through. A fine grid then covers the bounding box of
    these coarse cells. Only the blocks of the fine grid that are near these coarse cells are evaluated. A part of the
    surface can be missed if it is thinner than a coarse cell.

    Args:
        query: function that returns the values at points. Pass a negated density, so that values increase outwards.
        low: [3], lower corner of the box.
        high: [3], upper corner of the box.
        resolution: number of cells of the fine grid along its longest side.
        level: value at the surface.
        exhaustive: if True, also search the whole box with `resolution` cells along its longest side. This finds thin
            parts.
        chunk: number of points evaluated at once.
        report: progress callback.

    Returns:
        Vertices [V, 3] and faces [F, 3]. The normals of the faces point to larger values.

    Raises:
        NoSurface: the values do not cross the level in the box.
    """
    coarse = Grid.over(low, high, min(COARSE, resolution))
    crossed, span = crossed_cells(query, coarse, coarse, level, chunk, lambda done, total: None)
    if exhaustive and resolution > COARSE:
        more, wider = crossed_cells(query, Grid.over(low, high, resolution), coarse, level, chunk, report)
        crossed, span = crossed | more, (min(span[0], wider[0]), max(span[1], wider[1]))
    if not crossed.any():
        raise NotCrossed(level, *span)
    cells = np.argwhere(crossed)
    low, high = (
        np.maximum(low, coarse.origin + coarse.cell * (cells.min(0) - 2)),
        np.minimum(high, coarse.origin + coarse.cell * (cells.max(0) + 3)),
    )
    near_surface = _dilate(_dilate(crossed))
    grid = Grid.over(low, high, resolution)
    pieces: list[tuple[Values, Indices]] = []
    blocks = list(grid.blocks())
    for done, (first, last) in enumerate(blocks):
        if _touches(near_surface, coarse, grid, first, last):
            piece = block_surface(grid.values(query, first, last, chunk), first, level)
            if piece is not None:
                pieces.append(piece)
        report(done + 1, len(blocks))
    vertices, faces = join(pieces)
    if not len(faces):  # the coarse grid found a speck that lies between the points of the fine grid
        raise NotCrossed(level, *span)
    return (grid.origin + grid.cell * vertices).astype(np.float32), faces


def _touches(near: Cells, coarse: Grid, grid: Grid, first: Indices, last: Indices) -> bool:
    a = np.floor((grid.origin + grid.cell * first - coarse.origin) / coarse.cell).astype(int)
    b = np.ceil((grid.origin + grid.cell * last - coarse.origin) / coarse.cell).astype(int)
    return bool(near[tuple(slice(max(i, 0), j) for i, j in zip(a, b, strict=True))].any())


def block_surface(
    values: Values, first: Indices, level: float, known: Cells | None = None
) -> tuple[Values, Indices] | None:
    """Return the vertices, in units of cells of the whole grid, and the faces of one block.

    The result is None if the values in the block do not cross the level.

    Args:
        values: values at the grid points of the block.
        first: index (i, j, k) of the block's first grid point.
        level: value at the surface.
        known: mask of the grid points whose values are known. Cells with an unknown corner have no surface.
    """
    if not values.min() <= level < values.max():
        return None
    # A value equal to the level would give triangles with zero area, so it is replaced by the next larger number.
    values = np.where(values == level, np.nextafter(np.float32(level), np.float32(np.inf)), values)
    cells = None if known is None else _known_cells(known)
    if not values.min() < level or not (cells is None or (cells[1:, 1:, 1:] & _crossed(values, level)).any()):
        return None
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        values, level, gradient_direction="descent", mask=cells
    )
    return vertices + first.astype(np.float32), faces.astype(np.int64)


def _known_cells(known: Cells) -> Cells:
    """Return a mask in which scikit-image finds each cell at its last corner: True if all its corners are known."""
    cells = np.zeros_like(known)
    i, j, k = (n - 1 for n in known.shape)
    corners = [known[a : a + i, b : b + j, c : c + k] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    np.logical_and.reduce(corners, out=cells[1:, 1:, 1:])
    return cells


def join(pieces: list[tuple[Values, Indices]]) -> tuple[Values, Indices]:
    """Return one mesh from the surfaces of all blocks. Equal vertices on the borders of blocks are joined."""
    if not pieces:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64)
    counts = np.cumsum([0] + [len(vertices) for vertices, _ in pieces])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    faces = np.concatenate([faces + start for (_, faces), start in zip(pieces, counts[:-1], strict=True)])
    # Only vertices on the border of a block can occur twice. Their coordinates are then equal up to rounding.
    on_border = np.flatnonzero((np.abs(vertices / BLOCK - np.round(vertices / BLOCK)) * BLOCK < 1e-3).any(1))
    keys = np.round(vertices[on_border].astype(np.float64) * 2048).astype(np.int64)
    _, kept, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    target = np.arange(len(vertices))
    target[on_border] = on_border[kept][inverse.reshape(-1)]
    used, index = np.unique(target, return_inverse=True)
    faces = index.reshape(-1)[faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return vertices[used], faces[proper]
