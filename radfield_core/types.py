"""The tensors that parts hand to each other. R rays, N samples, S samples per ray, M any number of rows.

Samples are flat: N samples ordered by ray, then by t. When every ray has S samples a dense [R, S] view is free; when
rays differ a `Packing` says which sample belongs to which ray. t is distance along unit directions, in scene units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from radfield_core.cameras import View
from radfield_core.ops import frustum
from radfield_core.ops.layout import Layout, LayoutError, Packing
from radfield_core.ops.segments import per_sample as _per_sample

__all__ = [
    "Batch", "FieldOutputs", "Layout", "LayoutError", "Level", "ModelOutputs", "Packing", "RayBundle", "RaySamples",
    "Rendered", "SceneBox", "Step", "View",
]  # fmt: skip


def _rows(x: Tensor | None, s: slice) -> Tensor | None:
    return None if x is None else x[s]


@dataclass(frozen=True, eq=False)
class RayBundle:
    """R rays. `directions` are unit and, with `origins`, may be in NDC; `viewdirs` are unit and always in the scene.

    near, far [R]: the data's limits along the ray. radii [R]: radius of the pixel's cone at t = 1.
    image_ids [R] int64, or None for the mean appearance. extras: per-ray tensors [R, ...] with namespaced keys.
    """

    origins: Tensor
    directions: Tensor
    viewdirs: Tensor
    near: Tensor
    far: Tensor
    radii: Tensor
    image_ids: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, s: slice) -> RayBundle:
        """The rays of a slice, extras included."""
        return RayBundle(
            self.origins[s], self.directions[s], self.viewdirs[s], self.near[s], self.far[s], self.radii[s],
            _rows(self.image_ids, s), {key: value[s] for key, value in self.extras.items()},
        )  # fmt: skip

    def to(self, device: torch.device | str) -> RayBundle:
        """The same rays on a device."""
        return RayBundle(
            self.origins.to(device), self.directions.to(device), self.viewdirs.to(device), self.near.to(device),
            self.far.to(device), self.radii.to(device),
            None if self.image_ids is None else self.image_ids.to(device),
            {key: value.to(device) for key, value in self.extras.items()},
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RaySamples:
    """N intervals [t_starts, t_ends] on rays, each asked at `t_eval` [N]; no gradient, t_ends >= t_starts, all finite.

    Exactly one of samples_per_ray (uniform layout) and packing (packed layout) is set. `footprint` is the shape whose
    moments `gaussians()` returns: a cone that grows with t, or a cylinder (NDC).
    """

    rays: RayBundle
    t_starts: Tensor
    t_ends: Tensor
    t_eval: Tensor
    samples_per_ray: int | None
    packing: Packing | None
    footprint: Literal["cone", "cylinder"] = "cone"

    def __post_init__(self) -> None:
        if (self.samples_per_ray is None) == (self.packing is None):
            raise ValueError("RaySamples: exactly one of samples_per_ray and packing must be given")

    @staticmethod
    def from_edges(rays: RayBundle, edges: Tensor, footprint: Literal["cone", "cylinder"] = "cone") -> RaySamples:
        """S intervals per ray between S + 1 `edges` [R, S+1], asked at their middles."""
        starts, ends = edges[:, :-1].reshape(-1), edges[:, 1:].reshape(-1)
        return RaySamples(rays, starts, ends, 0.5 * (starts + ends), edges.shape[1] - 1, None, footprint)

    @staticmethod
    def from_points(rays: RayBundle, t: Tensor, far: Tensor) -> RaySamples:
        """S points `t` [R, S] per ray, sorted; each owns the interval up to the next one, the last up to `far` [R]."""
        last = torch.maximum(far[:, None], t[:, -1:])
        ends = torch.cat([t[:, 1:], last], dim=1)
        return RaySamples(rays, t.reshape(-1), ends.reshape(-1), t.reshape(-1), t.shape[1], None)

    @staticmethod
    def packed(
        rays: RayBundle, t_starts: Tensor, t_ends: Tensor, packing: Packing,
        footprint: Literal["cone", "cylinder"] = "cone",
    ) -> RaySamples:  # fmt: skip
        """Any number of intervals per ray: t_starts, t_ends [N] in the order of `packing`, asked at their middles."""
        return RaySamples(rays, t_starts, t_ends, 0.5 * (t_starts + t_ends), None, packing, footprint)

    @property
    def n(self) -> int:
        """Number of samples N; a shape, so reading it does not wait for the device."""
        return self.t_starts.shape[0]

    @property
    def lengths(self) -> Tensor:
        """Lengths of the intervals [N]."""
        return self.t_ends - self.t_starts

    @property
    def layout(self) -> Layout:
        """Which sample belongs to which ray, as `ops.segments` takes it."""
        return Layout(len(self.rays), self.samples_per_ray, self.packing)

    @property
    def ray_indices(self) -> Tensor:
        """Ray of each sample [N] int64."""
        if self.packing is not None:
            return self.packing.ray_indices
        rays = torch.arange(len(self.rays), device=self.t_starts.device)
        return _per_sample(rays, self.layout)

    def per_sample(self, x: Tensor) -> Tensor:
        """Per-ray values [R, ...] repeated for each sample [N, ...]."""
        return _per_sample(x, self.layout)

    def positions(self) -> Tensor:
        """Points at `t_eval` [N, 3]; carries gradient to the rays' origins and directions."""
        return self._along(self.t_eval)

    def _along(self, t: Tensor) -> Tensor:
        if self.samples_per_ray is not None:
            rays, dense = self.rays, t.view(len(self.rays), self.samples_per_ray, 1)
            return torch.addcmul(rays.origins[:, None], rays.directions[:, None], dense).view(-1, 3)
        return torch.addcmul(self.per_sample(self.rays.origins), self.per_sample(self.rays.directions), t[:, None])

    def gaussians(self) -> tuple[Tensor, Tensor]:
        """Mean [N, 3] and diagonal covariance [N, 3] of each interval's frustum (mip-NeRF, equations 7, 8, 16)."""
        moments = frustum.cone if self.footprint == "cone" else frustum.cylinder
        t_mean, t_var, r_var = moments(self.t_starts, self.t_ends, self.per_sample(self.rays.radii))
        directions = self.per_sample(self.rays.directions)
        return self._along(t_mean), frustum.diagonal_covariance(directions, t_var, r_var)

    def dense(self, x: Tensor) -> Tensor:
        """Per-sample values [N, ...] as [R, S, ...]. Raises LayoutError if packed."""
        if self.samples_per_ray is None:
            raise LayoutError("dense() needs the same number of samples on every ray; these samples are packed")
        return x.view(len(self.rays), self.samples_per_ray, *x.shape[1:])

    def edges(self) -> Tensor:
        """Edges [R, S+1] of contiguous intervals. Raises LayoutError if packed."""
        starts, ends = self.dense(self.t_starts), self.dense(self.t_ends)
        return torch.cat([starts, ends[:, -1:]], dim=1)


@dataclass(frozen=True, eq=False)
class FieldOutputs:
    """What a field says about N samples; exactly one of density [N] and alpha [N].

    rgb [N, 3] in [0, 1]. sdf [N], its `gradients` by position [N, 3], unit `normals` [N, 3].
    """

    rgb: Tensor | None = None
    density: Tensor | None = None
    alpha: Tensor | None = None
    sdf: Tensor | None = None
    gradients: Tensor | None = None
    normals: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.density is None) == (self.alpha is None):
            raise ValueError("FieldOutputs: exactly one of density and alpha must be given")


@dataclass(frozen=True, eq=False)
class Rendered:
    """Pixels [R, ...]. rgb [R, 3] is on the background; the rest is this stack's alone.

    opacity [R] is Σ w; depth [R] is Σ w t and normals [R, 3] is Σ w n (divide by opacity for a mean).
    """

    rgb: Tensor | None
    depth: Tensor
    opacity: Tensor
    normals: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Level:
    """One pass of sampler, field and renderer.

    rendered: its pixels, with the color already on the background; None for a level whose field gives no color.
    """

    samples: RaySamples
    outputs: FieldOutputs
    weights: Tensor
    rendered: Rendered | None


@dataclass(frozen=True, eq=False)
class ModelOutputs:
    """The last level's pixels, all levels, the background stack's own outputs, and how many samples they all took."""

    rendered: Rendered
    levels: tuple[Level, ...]
    background: ModelOutputs | None
    n_samples: int


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step trains on; `rgb` [R, 3] (or [H, W, 3] for image batches) is already on `background`.

    background: [R, 3], or None when the method has none. mask [R] float in [0, 1]. loss_weights [R]: of
    mean one over the step's rays, also where micro-batches split them (mip-NeRF's "lossmult").
    """

    rays: RayBundle | None
    view: View | None
    rgb: Tensor
    mask: Tensor | None = None
    background: Tensor | None = None
    loss_weights: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, s: slice) -> Batch:
        """The rays of a slice with everything that belongs to them."""
        if self.rays is None:
            raise TypeError("a batch of whole images cannot be sliced by rays")
        return replace(
            self, rays=self.rays[s], rgb=self.rgb[s], mask=_rows(self.mask, s), background=_rows(self.background, s),
            loss_weights=_rows(self.loss_weights, s), extras={key: value[s] for key, value in self.extras.items()},
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Step:
    """Which optimizer step it is. Whatever changes with time is a pure function of this, so that resuming is exact."""

    index: int
    max_steps: int
    seed: int

    @property
    def progress(self) -> float:
        """Share of the steps done, in [0, 1]."""
        return min(1.0, self.index / self.max_steps)

    def generator(self, salt: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Random numbers for one purpose in this step: the same on every rank and after resuming."""
        digest = hashlib.blake2b(f"{self.seed}/{self.index}/{salt}".encode(), digest_size=8).digest()
        generator = torch.Generator(device=device)
        generator.manual_seed(int.from_bytes(digest, "little") >> 1)
        return generator


@dataclass(frozen=True, eq=False)
class SceneBox:
    """The region that a scene's content fills, in scene coordinates: center [3] and half the side, or the radius.

    measured: whether the data said so; False means that it was guessed from the cameras.
    """

    center: Tensor
    radius: float
    shape: Literal["box", "sphere"] = "box"
    measured: bool = True

    def intersect(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Where rays enter and leave: t [R], t [R]. A ray that misses a box has 0 and 0, one that misses a sphere twice
        the t at which it comes nearest, or 0 where that lies behind it."""
        origins = rays.origins - self.center.to(rays.origins)
        if self.shape == "sphere":
            middle = -(origins * rays.directions).sum(-1)
            half_squared = self.radius**2 - (origins + middle[:, None] * rays.directions).square().sum(-1)
            half = half_squared.clamp_min(0.0).sqrt()
            enter, leave = middle - half, middle + half
        else:
            inverse = 1.0 / torch.where(rays.directions == 0, torch.full_like(rays.directions, 1e-30), rays.directions)
            t0, t1 = (-self.radius - origins) * inverse, (self.radius - origins) * inverse
            enter, leave = torch.minimum(t0, t1).amax(-1), torch.maximum(t0, t1).amin(-1)
            missed = leave < enter
            enter, leave = enter.masked_fill(missed, 0.0), leave.masked_fill(missed, 0.0)
        enter = enter.clamp_min(0.0)
        return enter, torch.maximum(leave, enter)
