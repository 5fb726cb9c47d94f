"""Observations of surface points in images: which view sees which point, at which pixel, and how exact its depth is.

Symbols in shapes: M observations, P points, V views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from radfield_core.cameras import Cameras, project, visible

MOST_POINTS = 20_000
"""Largest number of points for which it is estimated which views see them."""

NEARLY = 1.1
"""Largest ratio between the distance of a point that is taken as visible and that of the nearest point around it."""

USUAL_SIGMA = 0.02
"""Standard deviation of the distance of a point whose accuracy is unknown, as a share of the distance."""


@dataclass(frozen=True, eq=False)
class Observations:
    """M observations of the known points of a scene.

    Attributes:
        views: number of the view that sees the point [M] int64.
        points: number of the point in `Scene.points` [M] int64.
        pixels: column and row of the point in the image [M, 2] float64, as `project` returns them. The ray of the first
            pixel is at (0, 0).
        sigmas: standard deviation of the distance from the camera to the point [M] float64, in scene units.
        measured: True if the views were matched with the points. False if points were projected into the views, so that
            some observations are of points that other surfaces hide.

    Example:
        >>> one = torch.zeros(1, dtype=torch.int64)
        >>> seen = Observations(one, one, torch.tensor([[3.5, 1.5]]), torch.ones(1))
        >>> len(seen), seen.resized(torch.tensor([[8, 4]]), torch.tensor([[4, 2]])).pixels.tolist()
        (1, [[1.5, 0.5]])
    """

    views: Tensor
    points: Tensor
    pixels: Tensor
    sigmas: Tensor
    measured: bool = True

    def __len__(self) -> int:
        """Return the number of observations M."""
        return len(self.views)

    def __getitem__(self, chosen: Tensor) -> Observations:
        """Return only the chosen observations: a mask [M] or indices."""
        return replace(
            self,
            views=self.views[chosen],
            points=self.points[chosen],
            pixels=self.pixels[chosen],
            sigmas=self.sigmas[chosen],
        )

    def only(self, kept: Sequence[int]) -> Observations:
        """Return the observations in the views with the numbers `kept`, for a scene of these views in this order.

        A view that is listed twice keeps its observations at both places.
        """
        rows = [(self.views == old).nonzero()[:, 0] for old in kept]
        views = [torch.full_like(chosen, new) for new, chosen in enumerate(rows)]
        none = torch.zeros(0, dtype=torch.int64)
        return replace(self[torch.cat([none, *rows])], views=torch.cat([none, *views]))

    def resized(self, old: Tensor, new: Tensor, pixel_center: float = 0.5) -> Observations:
        """Return the observations in images that were resized from the sizes `old` to `new`, both [V, 2].

        `pixel_center` is that of the cameras.
        """
        factors = (new / old.clamp_min(1)).to(self.pixels)[self.views]
        return replace(self, pixels=(self.pixels + pixel_center) * factors - pixel_center)

    def scaled(self, factor: float) -> Observations:
        """Return the observations in a scene whose lengths are multiplied by `factor`."""
        return replace(self, sigmas=self.sigmas * factor)


def depth_sigmas(
    views: Tensor, points: Tensor, positions: Tensor, centers: Tensor, focals: Tensor, errors: Tensor
) -> Tensor:
    """Return the standard deviation [M] of the distance of each observation, in the unit of the positions.

    A point that is triangulated from the pixels of several views is uncertain. If each pixel has an independent error
    of e in both directions, the covariance of the point follows from linear error propagation: C = (Σ (f / t e)² (I − d
    dᵀ))⁻¹, where the sum is over the views of the point, t is its distance, f the focal length and d the unit direction
    of the ray. The variance of the distance seen by a view is dᵀ C d. It is large if the rays are nearly parallel, and
    infinite if only one view sees the point.

    Args:
        views: number of the view [M] int64.
        points: number of the point [M] int64.
        positions: positions of the points [P, 3].
        centers: centers of the cameras [V, 3].
        focals: focal lengths in pixels [V].
        errors: standard deviation of the pixels of each point [P], along one axis.

    Example:
        >>> centers = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
        >>> point = torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64)  # the two rays are perpendicular
        >>> zero, one = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.float64)
        >>> depth_sigmas(torch.tensor([0, 1]), zero, point, centers, 100.0 * one, one[:1])
        tensor([0.0141, 0.0141], dtype=torch.float64)
    """
    offsets = positions.double()[points] - centers.double()[views]
    distances = offsets.norm(dim=-1).clamp_min(1e-12)
    along = offsets / distances[:, None]
    across = torch.eye(3, dtype=torch.float64) - along[:, :, None] * along[:, None, :]
    precision = (focals.double()[views] / (distances * errors.double()[points].clamp_min(1e-6))).square()
    information = torch.zeros(len(positions), 3, 3, dtype=torch.float64)
    information.index_add_(0, points, precision[:, None, None] * across)
    values, vectors = torch.linalg.eigh(information)
    usable = values[:, :1] > 1e-12 * values[:, 2:]
    variances = torch.where(usable, 1.0 / values, torch.inf)
    shares = (vectors[points].mT @ along[:, :, None])[..., 0].square()
    return torch.where(shares > 1e-12, shares * variances[points], torch.zeros_like(shares)).sum(-1).sqrt()


def estimated(cameras: Cameras, points: Tensor) -> Observations:
    """Return likely observations of points of which it is not known which views see them.

    A point is projected into every view. In each view, the image is divided into cells, whose size is such that a cell
    contains two or three points on average. A view is taken to see a point if it is at most `NEARLY` times as far away
    as the nearest point in its cell and in the eight cells around it. This leaves out points that other surfaces
    hide, if these surfaces have points too. The standard deviation of a distance is `USUAL_SIGMA` of it.

    Args:
        cameras: V cameras.
        points: [P, 3]. If there are more than `MOST_POINTS`, some of them are used, evenly chosen.
    """
    step = -(-len(points) // MOST_POINTS) if len(points) else 1
    numbers = torch.arange(0, len(points), step)
    parts = [_estimated_view(cameras, view, points[numbers].double()) for view in range(len(cameras))]
    views = [torch.full_like(seen, view) for view, (seen, _, _) in enumerate(parts)]
    seen, pixels, distances = (torch.cat(each) for each in zip(*parts, strict=True))
    return Observations(torch.cat(views), numbers[seen], pixels, USUAL_SIGMA * distances, measured=False)


def _estimated_view(cameras: Cameras, index: int, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the numbers of the points that a view is taken to see, their pixels and their distances."""
    view = cameras.view(index)
    inside = visible(view, points).nonzero()[:, 0]
    pixels, _ = project(view, points[inside])
    distances = (points[inside] - view.c2w[:, 3].to(points)).norm(dim=-1)
    width, height = view.camera.width, view.camera.height
    side = max(1.0, (2.5 * width * height / max(1, len(inside))) ** 0.5)
    columns, rows = ((pixels + 0.5) / side).long().unbind(-1)
    across, down = int(width / side) + 1, int(height / side) + 1
    nearest = torch.full((down * across,), torch.inf, dtype=distances.dtype)
    nearest.scatter_reduce_(0, rows * across + columns, distances, "amin")
    around = -torch.nn.functional.max_pool2d(-nearest.view(1, 1, down, across), 3, stride=1, padding=1)
    seen = distances <= NEARLY * around[0, 0, rows, columns]
    return inside[seen], pixels[seen], distances[seen]
