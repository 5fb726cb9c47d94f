"""What the backends for GPUs share, in torch: the list of the Gaussians of each tile, and the image of the results.

A pair is a Gaussian and a tile of 16 × 16 pixels that it may reach. Symbols in shapes: M drawn Gaussians, P pairs, T
tiles, H×W image. Projection is that of the definition, so all lenses and all gradients are too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core import Camera, View
from radfield_splat import reference
from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import ALPHA_MIN, Projected, Raster

TILE = 16
"""Side of a tile in pixels."""

_MARGIN = 0.01


class Pairs(NamedTuple):
    """The pairs, by tile and, within a tile, by distance.

    Attributes:
        ids: the drawn Gaussian of each pair [P] int32.
        places: for each pair, its place in a list of all pairs by Gaussian [P] int32.
        starts: the first pair of each tile, and P [T + 1] int32. Tiles are numbered row by row.
        counts: number of pairs of each Gaussian [M] int64.
    """

    ids: Tensor
    places: Tensor
    starts: Tensor
    counts: Tensor


def listed(drawn: Projected, width: int, height: int) -> Pairs:
    """Return the pairs of Gaussians and tiles of an image. The CPU waits for the GPU once, to read their number."""
    with torch.no_grad():
        across, down = -(-width // TILE), -(-height // TILE)
        # α = o exp(−½ s) reaches ALPHA_MIN at s = 2 ln(o / ALPHA_MIN). The ellipse's half sides are √(s σ).
        reach = 2 * (drawn.opacities / ALPHA_MIN).clamp_min(1.0).log()
        sides = (reach[:, None] * drawn.covariances[:, [0, 2]]).sqrt() * (1 + 1e-5) + _MARGIN
        limits = drawn.centers.new_tensor([across, down])
        first = ((drawn.centers - sides) / TILE).floor().clamp_min(0).minimum(limits).long()
        last = ((drawn.centers + sides) / TILE).floor().clamp_min(-1).minimum(limits - 1).long() + 1
        sizes = (last - first).clamp_min(0)
        counts = sizes.prod(-1)
        total = int(counts.sum())
        owners = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts, output_size=total)
        local = torch.arange(total, device=counts.device) - (counts.cumsum(0) - counts)[owners]
        columns = sizes[owners, 0].clamp_min(1)
        tiles = (first[owners, 1] + local // columns) * across + first[owners, 0] + local % columns
        places = tiles.argsort(stable=True)
        numbers = torch.arange(across * down + 1, device=counts.device)
        starts = torch.searchsorted(tiles[places], numbers)
        return Pairs(owners[places].int(), places.int(), starts.int(), counts)


def conics(covariances: Tensor) -> Tensor:
    """Return (a, b, c) [M, 3] such that the squared distance from a mean is a dx² + 2 b dx dy + c dy².

    Args:
        covariances: (σ_xx, σ_xy, σ_yy) [M, 3].

    Example:
        >>> conics(torch.tensor([[2.0, 0.0, 4.0]]))
        tensor([[0.5000, 0.0000, 0.2500]])
    """
    xx, xy, yy = covariances.to(torch.float64).unbind(-1)
    return (torch.stack([yy, 0 - xy, xx], -1) / (xx * yy - xy * xy)[:, None]).to(covariances)


def image_of(sums: Tensor, median: Tensor | None, background: Tensor | None, height: int, width: int) -> Raster:
    """Return the image of Σ w (red, green, blue, distance, 1) [H·W, 5] and of the median distance [H·W]."""
    rgb, depth, opacity = sums[:, :3], sums[:, 3], sums[:, 4]
    if background is not None:
        rgb = rgb + (1 - opacity)[:, None] * background.reshape(-1, 3).to(rgb)
    rest = (None if x is None else x.reshape(height, width) for x in (depth, opacity, median))
    return Raster(rgb.reshape(height, width, 3), *rest)  # type: ignore[arg-type]


def check(rasterize: Callable[..., Raster], device: str) -> None:
    """Compare a backend with the definition, on three Gaussians, for images and gradients.

    Raises:
        RuntimeError: they differ.
    """
    found, expected = (_tried(run, device) for run in (rasterize, reference.rasterize))
    for name, one, other in zip(("rgb", "depth", "opacity", "gradients"), found, expected, strict=True):
        error = float((one - other).abs().max())
        if not error <= 1e-3 * float(other.abs().max()):
            raise RuntimeError(f"{name} of three Gaussians differ from their definition by {error:.3g}")


def _tried(rasterize: Callable[..., Raster], device: str) -> tuple[Tensor, ...]:
    """Return colors, depths and opacities of a small image, and the gradients of a sum of their squares."""
    view = View(torch.eye(4, device=device)[:3], Camera(20, 18, 20.0, 20.0, 10.0, 9.0))
    means = torch.tensor([[0.0, 0.0, -2.0], [0.3, 0.1, -3.0], [-0.5, -0.2, -2.5]], device=device)
    leaf = means.requires_grad_()
    scales, turns = torch.full_like(means, math.log(0.2)), torch.ones(3, 4, device=device)
    harmonics = torch.full((3, 1, 3), 0.5, device=device)
    gaussians = Gaussians(leaf, scales, turns, torch.zeros(3, device=device), harmonics)
    image = rasterize(gaussians, view, None, 0, 0.01, 0.1)
    (gradient,) = torch.autograd.grad(image.rgb.square().sum() + image.depth.square().sum(), leaf)
    return image.rgb.detach(), image.depth.detach(), image.opacity.detach(), gradient
