"""Observations of surface points in images: which view sees which point, at which pixel, and how exact its depth is.

Symbols in shapes: M observations, P points, V views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


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
