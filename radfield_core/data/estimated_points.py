"""Points for the start of splats if a data set has none: from silhouettes, or from where the colors of views agree.

Symbols in shapes: C channels, D depths, G³ cells of a grid, M points, P points of the result, V views, h×w pixels of a
reduced image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, max_pool3d, normalize

from radfield_core.cameras import View, directions, project
from radfield_core.data.area_average import area_average
from radfield_core.data.scene import Scene
from radfield_core.names import plural

MAX_VIEWS = 60
"""At most this many views are used, evenly chosen."""

CELLS = 40
"""Cells along each side of the first grid, which finds where the object is."""

FINE_CELLS = 96
"""Cells along the longest side of the second grid, around the object."""

SILHOUETTE_SIDE = 200
"""Longer side of the reduced images in which silhouettes are looked up."""

SWEEP_SIDE = 72
"""Longer side of the reduced images in which colors are compared."""

DEPTHS = 64
"""Number of distances that are compared along a ray."""

SWEPT_VIEWS = 30
"""At most this many of the views, evenly chosen, are compared with others: one takes 0.08 s on a core."""

NEIGHBORS = 4
"""Number of other views that a view is compared with."""


@dataclass(frozen=True, eq=False)
class EstimatedPoints:
    """Points that lie near the surfaces of a scene.

    Attributes:
        points: [P, 3] float32 in scene coordinates.
        colors: [P, 3] uint8, sRGB.
        how: what they were estimated from, for a message.
    """

    points: Tensor
    colors: Tensor
    how: str


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A view with its image, reduced to h×w pixels with values from 0 to 1.

    Attributes:
        view: the view in its full size.
        image: [C, h, w]; C is 4 if there are silhouettes, and 3 otherwise.
    """

    view: View
    image: Tensor

    def located(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project points [M, 3]. Return positions from −1 to 1 across the image [M, 2], depths [M], and a mask [M] of
        the points inside the image."""
        pixels, depths = project(self.view, points)
        camera = self.view.camera
        size = pixels.new_tensor([camera.width, camera.height])
        places = ((pixels + 0.5) / size * 2 - 1).nan_to_num(9.0).clamp(-9.0, 9.0)
        return places.float(), depths.float(), (places.abs() <= 1).all(-1) & (depths > 0)

    def values(self, places: Tensor) -> Tensor:
        """Return the values [M, C] of the image at positions [M, 2], interpolated linearly."""
        found = grid_sample(self.image[None], places[None, None], align_corners=False, padding_mode="border")
        return found[0, :, 0].T


def estimated_points(scene: Scene, n: int, seed: int) -> EstimatedPoints | None:
    """Return at most n points near the surfaces of a scene, or None if there are too few to start from.

    If the images have alpha, or masks show the object, these are points on the visual hull: the part of space that no
    view sees outside its silhouettes. Otherwise, the distance along some rays is estimated: it is the one at which
    neighboring views have the most similar colors.

    Args:
        scene: the training split, not in NDC. Its images are decoded.
        n: largest number of points.
        seed: seed of the choice of points. The same seed gives the same points.
    """
    if scene.ndc:
        return None
    weights = scene.loss_weights
    used = torch.arange(len(scene.cameras)) if weights is None else (weights > 0).nonzero()[:, 0]
    if not len(used):
        return None
    rows = used[torch.linspace(0, len(used) - 1, min(len(used), MAX_VIEWS)).round().long()].tolist()
    has_silhouettes = scene.images.channels == 4 or (scene.masks is not None and scene.masks_mean == "object")
    side = SILHOUETTE_SIDE if has_silhouettes else SWEEP_SIDE
    views = [_reduced(scene, index, side, silhouettes=has_silhouettes) for index in rows]
    cut_out = has_silhouettes and any(bool((each.image[3] < 0.5).any()) for each in views)
    if cut_out:
        found = _hull(views, scene)
        how = f"on the visual hull of {plural(len(views), 'silhouette')}"
    else:
        found = _sweep([replace(each, image=each.image[:3]) for each in views], scene)
        how = f"where the colors of {plural(len(views), 'view')} agree"
    if found is None or len(found[0]) < 10:
        return None
    points, colors = found
    if scene.masks is not None and scene.masks_mean != "object":  # excluded pixels are black
        lit = (colors > 0).any(-1)
        points, colors = points[lit], colors[lit]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(points), generator=generator)[:n]
    return EstimatedPoints(points[chosen], (colors[chosen] * 255).round().clamp(0, 255).to(torch.uint8), how)


def _reduced(scene: Scene, index: int, side: int, *, silhouettes: bool) -> _Reduced:
    """Return a view, its longer side reduced to `side` pixels. Its fourth channel is the silhouette, if it has one."""
    image = scene.images[index]
    if scene.masks is not None and scene.masks_mean != "object":
        image = image * (scene.masks[index][..., -1:] >= 128)
    if image.shape[2] == 1:
        image = image.expand(-1, -1, 3)
    if silhouettes and image.shape[2] == 3:
        assert scene.masks is not None
        image = torch.cat([image, scene.masks[index]], -1)
    height, width = image.shape[:2]
    factor = max(1.0, max(height, width) / side)
    small = area_average(np.ascontiguousarray(image.numpy()), round(width / factor), round(height / factor))
    return _Reduced(scene.cameras.view(index), torch.from_numpy(small).permute(2, 0, 1).float() / 255)


def _grid(low: Tensor, high: Tensor, cells: int) -> tuple[Tensor, float]:
    """Return the centers [X, Y, Z, 3] of cubic cells between two corners [3], and the length of a cell's side."""
    side = float((high - low).max()) / cells
    counts = ((high - low) / side).ceil().long().clamp_min(1).tolist()
    axes = [low[i] + side * (torch.arange(counts[i]) + 0.5) for i in range(3)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1), side


def _inside(views: list[_Reduced], points: Tensor, threshold: float) -> Tensor:
    """Return a mask [M] of the points that are seen, and lie in the silhouettes of all views that see them."""
    inside, seen = torch.ones(len(points), dtype=torch.bool), torch.zeros(len(points), dtype=torch.bool)
    for each in views:
        left = inside.nonzero()[:, 0]
        places, _, visible = each.located(points[left])
        shown = each.values(places[visible])[:, 3] > threshold
        seen[left[visible]] = True
        inside[left[visible]] = shown
    return inside & seen


def _hull(views: list[_Reduced], scene: Scene) -> tuple[Tensor, Tensor] | None:
    """Return points on the surface of the visual hull [P, 3], and their colors [P, 3]."""
    center, radius = scene.box.center.float(), float(scene.box.radius)
    # A coarse cell may be partly inside, so a silhouette counts in a wide area around its center.
    coarse, side = _grid(center - radius, center + radius, CELLS)
    wide = [replace(each, image=_widened(each, side, center)) for each in views]
    inside = _inside(wide, coarse.reshape(-1, 3), 0.02)
    if not bool(inside.any()):
        return None
    kept = coarse.reshape(-1, 3)[inside]
    fine, side = _grid(kept.amin(0) - side, kept.amax(0) + side, FINE_CELLS)
    full = _inside(views, fine.reshape(-1, 3), 0.5).view(fine.shape[:3])
    empty_near = max_pool3d((~full).float()[None, None], 3, stride=1, padding=1)[0, 0] > 0
    border = torch.zeros_like(full)
    for axis in range(3):
        border.select(axis, 0).fill_(True)
        border.select(axis, -1).fill_(True)
    points = fine[full & (empty_near | border)]
    return points, _colors(views, points, side)


def _widened(each: _Reduced, side: float, center: Tensor) -> Tensor:
    """Return an image whose silhouette is spread by half the size that a cell has at the center of the scene."""
    camera = each.view.camera
    distance = float((each.view.c2w[:, 3].float() - center).norm())
    pixels = 0.5 * 1.8 * side * camera.fx / max(distance, 1e-6) * each.image.shape[2] / camera.width
    size = 2 * min(max(1, round(pixels)), 30) + 1
    spread = torch.nn.functional.max_pool2d(each.image[3:][None], size, stride=1, padding=size // 2)[0]
    return torch.cat([each.image[:3], spread])


def _colors(views: list[_Reduced], points: Tensor, side: float) -> Tensor:
    """Return the mean colors [M, 3] of surface points in the views in which no other point hides them."""
    total, weights = torch.zeros(len(points), 3), torch.zeros(len(points), 1)
    for each in views:
        places, depths, visible = each.located(points)
        rows = visible.nonzero()[:, 0]
        camera = each.view.camera
        # A pixel of the depth buffer is about as large as a cell.
        wide = max(
            4, min(256, int(camera.width * float(depths[rows].median() if len(rows) else 1.0) / camera.fx / side))
        )
        cells = ((places[rows] + 1) / 2 * wide).long().clamp(0, wide - 1)
        cells = cells[:, 1] * wide + cells[:, 0]
        nearest = torch.full((wide * wide,), torch.inf).scatter_reduce(0, cells, depths[rows], "amin")
        front = depths[rows] < nearest[cells] + 2 * side
        values = each.values(places[rows[front]])
        total.index_add_(0, rows[front], values[:, :3] * values[:, 3:])
        weights.index_add_(0, rows[front], values[:, 3:])
    return torch.where(weights > 0, total / weights.clamp_min(1e-6), torch.tensor(0.5))


def _sweep(views: list[_Reduced], scene: Scene) -> tuple[Tensor, Tensor] | None:
    """Return points [P, 3] at the most likely distance along the rays of all pixels, and the pixels' colors [P, 3].

    A plane sweep (Collins 1996) with the mean absolute difference of colors in windows of 5×5 pixels as the cost.
    """
    if len(views) < 2:
        return None
    near, far = scene.near, min(scene.far, 1000.0 * max(scene.near, 1e-3 * float(scene.box.radius)))
    near = max(near, 1e-3 * far)
    steps = (torch.arange(DEPTHS) + 0.5) / DEPTHS
    distances = 1.0 / (1.0 / near + (1.0 / far - 1.0 / near) * steps)
    centers = torch.stack([each.view.c2w[:, 3] for each in views]).double()
    axes = torch.stack([each.view.c2w[:, 2] for each in views]).double()
    apart = torch.cdist(centers, centers)
    scores = apart / apart.median().clamp_min(1e-12) + (axes @ axes.T).clamp(-1, 1).acos() + 1e6 * torch.eye(len(views))
    points, colors = [], []
    for index in torch.linspace(0, len(views) - 1, min(len(views), SWEPT_VIEWS)).round().long().tolist():
        each = views[index]
        others = [views[int(other)] for other in scores[index].argsort()[: min(NEIGHBORS, len(views) - 1)]]
        origin, along = _rays(each)
        cost = _costs(each, others, origin + distances[:, None, None, None] * along)
        best = cost.argmin(0)
        # Where no distance is better than others, it is unknown.
        known = cost.amin(0) < 0.75 * cost.median(0).values
        spots = (origin + distances[best][..., None] * along)[known]
        points.append(spots)
        colors.append(each.image.permute(1, 2, 0)[known])
    return torch.cat(points), torch.cat(colors)


def _rays(each: _Reduced) -> tuple[Tensor, Tensor]:
    """Return the camera's center [3] and the unit directions [h, w, 3] of the rays of the reduced pixels."""
    camera, (height, width) = each.view.camera, each.image.shape[1:]
    columns = (torch.arange(width) + 0.5) * camera.width / width - 0.5
    rows = (torch.arange(height) + 0.5) * camera.height / height - 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    lens = torch.tensor(camera.distortion, dtype=torch.float64) if camera.distortion else None
    local = directions(torch.stack([x, y], -1), camera.intrinsics.double(), camera.pixel_center, camera.model, lens)
    along = normalize(local @ each.view.c2w[:, :3].double().T, dim=-1)
    return each.view.c2w[:, 3].float(), along.float()


def _costs(each: _Reduced, others: list[_Reduced], points: Tensor) -> Tensor:
    """Return the cost [D, h, w] of points [D, h, w, 3]: the mean difference of the two most similar other views."""
    depths, height, width = points.shape[:3]
    costs = []
    for other in others:
        places, _, visible = other.located(points.reshape(-1, 3))
        shown = other.values(places).view(depths, height, width, 3)
        difference = (shown - each.image.permute(1, 2, 0)).abs().mean(-1)
        difference = torch.where(visible.view(depths, height, width), difference, torch.tensor(0.5))
        costs.append(avg_pool2d(difference[:, None], 5, stride=1, padding=2, count_include_pad=False)[:, 0])
    return torch.stack(costs).sort(0).values[:2].mean(0)
