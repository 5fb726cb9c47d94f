"""Fusion of depth images to a truncated signed distance (Curless and Levoy 1996; Newcombe et al. 2011).

Each view observes, at a grid point, its projective distance: the depth of the point's pixel minus the distance from
the camera to the point. It is divided by the truncation and limited to 1. Points that lie behind the surface by more
than the truncation are hidden, so the view does not count there. The mean over the views is positive outside and
negative inside, and the surface is where it crosses 0.

Grid points are handled in blocks of `SIDE`³. Only blocks near a depth of some pixel are kept, so the memory grows with
the area of the surface.

Symbols in shapes: M grid points, B blocks, H×W pixels of a view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from radfield_core import RaySpace, View, project, view_rays
from radfield_core.ops import Op
from radfield_mesh.extraction import BLOCK, Grid, Indices, Points, Report, Values, block_surface, join

OP = Op("depth fusion", {"cpu": {"numba": "radfield_mesh.fusion_cpu"}})

SIDE = 8
"""Number of grid points along each side of a block."""

_SPAN = 1 << 20  # blocks along an axis, for packing three indices into one number


@dataclass(frozen=True, eq=False)
class DepthView:
    """A depth image with its camera and colors.

    Attributes:
        view: camera and pose.
        depths: distances from the camera along the rays [H, W] float32; infinite where a ray meets nothing, and NaN
            where the distance is unknown.
        rgb: colors [H, W, 3] uint8.
    """

    view: View
    depths: Tensor
    rgb: Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over views at M grid points, all float64.

    Attributes:
        distance: sum of the truncated distances [M]; 1 is the truncation.
        count: number of views that observe the point [M].
        color: sum of the colors [M, 3], in [0, 255], weighted by their nearness to the surface.
        weight: sum of these weights [M].
    """

    distance: Tensor
    count: Tensor
    color: Tensor
    weight: Tensor

    @staticmethod
    def zero(n: int) -> Sums:
        """Return the sums of n points over no view."""
        distance, count, weight = torch.zeros(3, n, dtype=torch.float64)
        return Sums(distance, count, torch.zeros(n, 3, dtype=torch.float64), weight)


def observe(points: Tensor, seen: DepthView, truncation: float, sums: Sums) -> None:
    """Add what one view observes at points [M, 3] float64 to the sums. This is the definition in plain torch."""
    pixels = seen_pixels(seen.view, points)
    distance = (points - seen.view.c2w[:, 3].to(points)).norm(dim=-1)
    depth, color = _sampled(seen, pixels)
    in_front = depth - distance
    observed = in_front >= -truncation  # also where the depth is infinite, and not where it is NaN
    share = torch.where(observed, (in_front / truncation).clamp_max(1.0), 0.0)
    nearness = torch.where(observed, 1.0 - share.abs(), 0.0)
    sums.distance.add_(share)
    sums.count.add_(observed)
    sums.weight.add_(nearness)
    sums.color.add_(torch.where((nearness > 0)[:, None], nearness[:, None] * color, 0.0))


def seen_pixels(view: View, points: Tensor) -> Tensor:
    """Return the columns and rows [M, 2] float64 of points [M, 3]; NaN for points that the lens cannot see."""
    pixels, ahead = project(view, points)
    return torch.where((ahead > 0)[:, None], pixels, torch.nan)


def _sampled(seen: DepthView, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return depths [M] and colors [M, 3] at columns and rows [M, 2], by bilinear interpolation.

    The depth is NaN outside the image and beside an unknown depth. It is infinite if all four neighbors are.
    """
    height, width = seen.depths.shape
    inside = ((pixels >= 0) & (pixels <= pixels.new_tensor([width - 1, height - 1]))).all(-1)
    pixels = torch.where(inside[:, None], pixels, 0.0)
    corner = torch.minimum(pixels.floor(), pixels.new_tensor([max(width - 2, 0), max(height - 2, 0)]))
    x, y = (pixels - corner).unbind(-1)
    column, row = corner.long().unbind(-1)
    depth, color = torch.zeros_like(x), torch.zeros(len(x), 3, dtype=x.dtype)
    empty = inside.clone()
    for down, right, weight in ((0, 0, (1 - x) * (1 - y)), (0, 1, x * (1 - y)), (1, 0, (1 - x) * y), (1, 1, x * y)):
        at = (row + down).clamp_max(height - 1), (column + right).clamp_max(width - 1)
        depth += weight * seen.depths[at]
        color += weight[:, None] * seen.rgb[at]
        empty &= seen.depths[at].isinf()
    return torch.where(empty, torch.inf, torch.where(inside & depth.isfinite(), depth, torch.nan)), color


def without_jumps(depths: Tensor, jump: float) -> Tensor:
    """Return depths [H, W] that are NaN at both pixels wherever neighbors differ by more than `jump`.

    Such a jump is the edge of an object, and no pixel shows the surface between the two depths.
    """
    apart = torch.zeros_like(depths, dtype=torch.bool)
    for axis in (0, 1):
        n = depths.shape[axis] - 1
        a, b = depths.narrow(axis, 0, n), depths.narrow(axis, 1, n)
        differs = ((a - b).abs() > jump) | (a.isinf() != b.isinf())
        apart.narrow(axis, 0, n).logical_or_(differs)
        apart.narrow(axis, 1, n).logical_or_(differs)
    return torch.where(apart, torch.nan, depths)


def surface_points(seen: DepthView) -> Points:
    """Return the points [P, 3] at which the rays of a view end."""
    rays = view_rays(RaySpace(0.0, 1.0), seen.view, dtype=torch.float64)
    depth = seen.depths.reshape(-1).double()
    hit = depth.isfinite()
    points: Points = (rays.origins[hit] + rays.directions[hit] * depth[hit][:, None]).numpy()
    return points


class Volume:
    """The fused distances over a grid.

    Args:
        views: depths and colors of all views.
        low: lower corner [3] of the box whose surface is wanted.
        high: upper corner [3] of this box.
        resolution: number of cells along the longest side of the bounding box of the points that the views show.
        truncation: the truncation in cells.
        min_views: smallest number of views that must observe all corners of a cell that has a surface.
    """

    def __init__(
        self, views: Sequence[DepthView], low: Points, high: Points, resolution: int,
        truncation: float, min_views: int,
    ) -> None:  # fmt: skip
        self.min_views, self.views, self.blocks = min_views, list(views), np.zeros((0, 3), np.int64)
        ends = [box for seen in views if (box := _box_of(_points_in(seen, low, high))) is not None]
        if not ends:
            return
        self.grid = _grid_around(np.min(ends, axis=0)[0], np.max(ends, axis=0)[1], resolution, truncation)
        self.truncation = truncation * self.grid.cell
        self.views = [replace(seen, depths=without_jumps(seen.depths, self.truncation)) for seen in views]
        self.blocks = _blocks_near((_points_in(seen, low, high) for seen in views), self.grid, truncation)

    def regions(self) -> Indices:
        """Return the indices of the first grid points [.., 3] of all regions of `BLOCK`³ cells that hold blocks."""
        first = self.blocks * SIDE
        # A region has one more grid point than cells, so its last points lie in the next blocks.
        offsets = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        begins = np.concatenate([(first - offset) // BLOCK * BLOCK for offset in offsets])
        return np.unique(begins[(begins >= 0).all(1)], axis=0)

    def points_of(self, first: Indices, size: int = BLOCK) -> Indices:
        """Return the indices [M, 3] of the grid points in all blocks of a region of `size`³ cells, from `first` on."""
        inside = ((self.blocks * SIDE + SIDE > first) & (self.blocks * SIDE <= first + size)).all(1)
        local = np.stack(np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"), -1).reshape(-1, 3)
        points = (self.blocks[inside, None] * SIDE + local).reshape(-1, 3)
        return points[((points >= first) & (points <= first + size)).all(1)]

    def fused(self, indices: Indices) -> Sums:
        """Return the sums over all views at the grid points with the indices [M, 3]."""
        points = torch.from_numpy(self.grid.origin + self.grid.cell * indices)
        sums, module = Sums.zero(len(points)), OP.pick(torch.device("cpu"))
        for seen in self.views:
            (observe if module is None else module.observe)(points, seen, self.truncation, sums)
        return sums

    def surface_in(self, first: Indices, size: int = BLOCK) -> tuple[Values, Indices] | None:
        """Return vertices with colors [V, 6], in units of cells, and faces of a region of `size`³ cells."""
        indices = self.points_of(first, size)
        if not len(indices):
            return None
        sums, at = self.fused(indices), tuple((indices - first).T)
        values, known = np.ones([size + 1] * 3, np.float32), np.zeros([size + 1] * 3, bool)
        values[at] = (sums.distance / sums.count.clamp_min(1)).numpy()
        known[at] = (sums.count >= self.min_views).numpy()
        piece = block_surface(values, first, 0.0, known)
        if piece is None:
            return None
        colors, weights = np.zeros([size + 1] * 3 + [3]), np.zeros([size + 1] * 3)
        colors[at], weights[at] = sums.color.numpy(), sums.weight.numpy()
        vertices, faces = piece
        return np.concatenate([vertices, _colors_at(vertices - first, colors, weights)], 1).astype(np.float32), faces

    def surface(self, report: Report = lambda done, total: None) -> tuple[Values, Indices]:
        """Return the surface: vertices and their colors in [0, 255] [V, 6], and faces [F, 3]; without any if none."""
        regions = self.regions()
        found = []
        for done, first in enumerate(regions):
            found.append(self.surface_in(first))
            report(done + 1, len(regions))
        vertices, faces = join([piece for piece in found if piece is not None])
        if not len(faces):
            return np.zeros((0, 6), np.float32), faces
        vertices[:, :3] = self.grid.origin + self.grid.cell * vertices[:, :3].astype(np.float64)
        return vertices, faces


def _points_in(seen: DepthView, low: Points, high: Points) -> Points:
    points = surface_points(seen)
    return points[((points >= low) & (points <= high)).all(1)]


def _box_of(points: Points) -> Points | None:
    return np.stack([points.min(0), points.max(0)]) if len(points) else None


def _grid_around(low: Points, high: Points, resolution: int, truncation: float) -> Grid:
    """Return a grid with `resolution` cells along the longest side of a box, and a margin around it."""
    tight = Grid.over(low, np.maximum(high, low + 1e-9 * (1 + np.abs(low).max())), resolution)
    margin = int(np.ceil(truncation)) + 1
    i, j, k = (n + 2 * margin for n in tight.shape)
    return Grid(low - margin * tight.cell, tight.cell, (i, j, k))


def _blocks_near(points: Iterable[Points], grid: Grid, reach: float) -> Indices:
    """Return the indices [B, 3] of all blocks with a point that is at most `reach` cells from a point, on each axis."""
    keys = np.zeros(0, np.int64)
    steps = np.linspace(-reach, reach, int(np.ceil(2 * reach / SIDE)) + 1)
    offsets = [np.array([i, j, k]) for i in steps for j in steps for k in steps]
    for part in points:
        cells = np.unique(np.round((part - grid.origin) / grid.cell).astype(np.int64), axis=0)
        near = [np.floor((cells + offset) / SIDE).astype(np.int64).clip(0, _SPAN - 1) for offset in offsets]
        packed = [(block[:, 0] * _SPAN + block[:, 1]) * _SPAN + block[:, 2] for block in near]
        keys = np.unique(np.concatenate([keys, *packed]))
    return np.stack([keys // _SPAN**2, keys // _SPAN % _SPAN, keys % _SPAN], 1)


def _colors_at(vertices: Values, colors: Points, weights: Points) -> Points:
    """Return the colors [V, 3] of vertices [V, 3] on the edges of cells, weighted by nearness along the edge."""
    low = np.floor(vertices).astype(int)
    total, mixed = np.zeros(len(vertices)), np.zeros((len(vertices), 3))
    share = (vertices - low).max(1)
    for end, part in ((low, 1 - share), (np.ceil(vertices).astype(int), share)):
        at = tuple(end.T)
        total += part * weights[at]
        mixed += part[:, None] * colors[at]
    return mixed / np.maximum(total, 1e-12)[:, None]
