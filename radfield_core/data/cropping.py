"""Render only the part of a model inside a box. The box is parallel to the axes of the data's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from radfield_core.data.similarity import transform_points
from radfield_core.types import FieldOutputs, RayBundle

if TYPE_CHECKING:
    from radfield_core.data.scene import Scene
    from radfield_core.ops.ndc import Ndc


@dataclass(frozen=True, eq=False)
class Crop:
    """A box outside which nothing is rendered.

    Attributes:
        low: [3] float64, the corner with the smallest coordinates, in the data's own coordinates.
        high: [3] float64, the opposite corner.
        to_data: [4, 4], the similarity that maps scene coordinates to the data's own coordinates.
        warp: transform to normalized device coordinates (NDC), if the scene uses NDC.

    Example:
        >>> crop = Crop(torch.zeros(3).double(), torch.ones(3).double(), torch.eye(4).double())
        >>> crop.inside(torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 1.5]]))
        tensor([ True, False])
    """

    low: Tensor
    high: Tensor
    to_data: Tensor
    warp: Ndc | None = None

    @staticmethod
    def of(scene: Scene, corners: tuple[float, ...]) -> Crop:
        """Return the crop of a scene. `corners` has the smallest x, y and z, followed by the largest x, y and z."""
        low, high = torch.tensor(corners, dtype=torch.float64).view(2, 3)
        return Crop(low, high, scene.to_data, scene.warp)

    def inside(self, x: Tensor) -> Tensor:
        """Return a mask [...] that is True for points [..., 3] inside the box.

        The points are in the coordinates in which a field is evaluated.
        """
        points = transform_points(self.to_data, (x if self.warp is None else self.warp.unwarp(x)).double())
        return ((points >= self.low.to(points)) & (points <= self.high.to(points))).all(-1)

    def limited(self, rays: RayBundle) -> RayBundle:
        """Return the rays, limited to the box. A ray that misses the box gets the length 0.

        Rays in NDC are returned unchanged.
        """
        if self.warp is not None:
            return rays
        origins = transform_points(self.to_data, rays.origins.double())
        directions = rays.directions.double() @ self.to_data[:3, :3].to(origins).T
        inverse = 1.0 / torch.where(directions == 0, torch.full_like(directions, 1e-30), directions)
        ends = torch.stack([(corner.to(origins) - origins) * inverse for corner in (self.low, self.high)])
        enter, leave = ends.amin(0).amax(-1), ends.amax(0).amin(-1)
        near = torch.maximum(rays.near, torch.minimum(enter.to(rays.near), rays.far))
        return replace(rays, near=near, far=torch.maximum(torch.minimum(rays.far, leave.to(rays.far)), near))

    def applied(self, outputs: FieldOutputs, x: Tensor) -> FieldOutputs:
        """Return a field's outputs at points x [N, 3], with density and opacity set to 0 outside the box."""
        kept = self.inside(x)
        if outputs.density is not None:
            return replace(outputs, density=outputs.density * kept)
        assert outputs.alpha is not None, "a field gives a density or an opacity"
        return replace(outputs, alpha=outputs.alpha * kept)
