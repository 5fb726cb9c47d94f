"""A world: the solids of a scene with their paint, and the functions of space that follow from them.

Points x are [..., 3] of any floating dtype; M is a number of points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from radfield_synthetic import materials, surface
from radfield_synthetic.shapes import Distance

Layout = Literal["round", "forward", "inside"]
"""Placements of the cameras: all around an object, in front of it, or inside a room."""


@dataclass(frozen=True)
class Solid:
    """A solid of a world.

    Attributes:
        distance: signed distance of the solid.
        paint: function from surface points [M, 3] to their albedo [M, 3], linear RGB.
        mirror: True if the solid reflects its surroundings.
    """

    distance: Distance
    paint: Callable[[Tensor], Tensor]
    mirror: bool = False


@dataclass(frozen=True)
class World:
    """A scene of solids. All of its surface lies in the ball with the radius `bound` around the origin.

    Attributes:
        solids: the solids. Where two of them are equally near, the first one's paint is seen.
        layout: where its cameras stand.
        bound: radius of a ball around the origin that contains the surface.
        cells: number of cells along each side of the grid from which its mesh is made.
        joined: signed distance of all solids together; None for the smallest of their distances.
    """

    solids: tuple[Solid, ...]
    layout: Layout = "round"
    bound: float = 1.0
    cells: int = 160
    joined: Distance | None = None

    def sdf_of(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Return the same as `sdf`, but from separate coordinates, which is faster."""
        if self.joined is not None:
            return self.joined(x, y, z)
        result = self.solids[0].distance(x, y, z)
        for solid in self.solids[1:]:
            result = torch.minimum(result, solid.distance(x, y, z))
        return result

    def sdf(self, x: Tensor) -> Tensor:
        """Return the signed distance [...], positive outside. Its slope is at most 1."""
        return self.sdf_of(*x.movedim(-1, 0).contiguous().unbind(0))

    def solid(self, x: Tensor) -> Tensor:
        """Return the index of the nearest solid, as int64 [...]."""
        parts = x.unbind(-1)
        return torch.stack([solid.distance(*parts) for solid in self.solids], -1).argmin(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient [..., 3] of `sdf`."""
        with torch.enable_grad():
            at = x.detach().requires_grad_(True)
            (result,) = torch.autograd.grad(self.sdf(at).sum(), at)
        return result

    def normal(self, x: Tensor) -> Tensor:
        """Return outward unit normals [..., 3] at points x."""
        return torch.nn.functional.normalize(self.gradient(x), dim=-1)

    def albedo(self, x: Tensor) -> Tensor:
        """Return the albedo of surface points x [M, 3] as linear RGB [M, 3]."""
        which, result = self.solid(x), torch.empty_like(x)
        for index, solid in enumerate(self.solids):
            chosen = (which == index).nonzero()[:, 0]
            if len(chosen):
                result[chosen] = solid.paint(x[chosen])
        return result

    def mirrors(self, x: Tensor) -> Tensor:
        """Return True [M] for surface points x [M, 3] that reflect their surroundings."""
        return torch.tensor([solid.mirror for solid in self.solids], device=x.device)[self.solid(x)]


STILL_LIFE = World(
    tuple(
        Solid(distance, paint, mirror=name == "ring")
        for name, distance, paint in zip(surface.SOLIDS, surface.DISTANCES, materials.PAINTS, strict=True)
    ),
    joined=surface.sdf_of,
)
"""The plinth with six solids on it: the scene unless another one is chosen."""
