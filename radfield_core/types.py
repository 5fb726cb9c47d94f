"""The tensors that parts exchange.

All samples are stored in one list of N samples. The list is ordered by ray and then by t, the distance along the ray in
scene units. If every ray has S samples, the list can be viewed as [R, S] without a copy. If rays have different numbers
of samples, a `Packing` assigns samples to rays.

Symbols in shapes: R rays, N samples, S samples per ray, H × W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from radfield_core.cameras import View
from radfield_core.ops import frustum, segments
from radfield_core.ops.layout import Layout, LayoutError, Packing

__all__ = [
    "Batch", "FieldOutputs", "Layout", "LayoutError", "Level", "ModelOutputs", "Packing", "RayBundle", "RaySamples",
    "Rendered", "SceneBox", "Step", "View",
]  # fmt: skip


def _rows(x: Tensor | None, s: slice | Tensor) -> Tensor | None:
    return None if x is None else x[s]


@dataclass(frozen=True, eq=False)
class RayBundle:
    """R rays.

    Attributes:
        origins: origins [R, 3], in NDC if the scene uses NDC.
        directions: unit directions [R, 3], in NDC if the scene uses NDC.
        viewdirs: unit view directions [R, 3], always in scene coordinates.
        near: near limit along the ray [R].
        far: far limit along the ray [R].
        radii: radius [R] of the pixel's cone at t = 1 or, in NDC, radius of the pixel's cylinder.
        image_ids: index [R] int64 of each ray's image, for fields with one embedding per image. None stands for the
            mean over all images.

    Example:
        >>> rays = RayBundle(
        ...     origins=torch.zeros(4, 3), directions=torch.eye(3)[[0, 1, 2, 0]], viewdirs=torch.eye(3)[[0, 1, 2, 0]],
        ...     near=torch.zeros(4), far=torch.ones(4), radii=torch.full((4,), 1e-3),
        ... )
        >>> len(rays), len(rays[1:3])
        (4, 2)
    """

    origins: Tensor
    directions: Tensor
    viewdirs: Tensor
    near: Tensor
    far: Tensor
    radii: Tensor
    image_ids: Tensor | None = None

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, s: slice | Tensor) -> RayBundle:
        """Return the rays of a slice, or the rays with the given numbers [n] int64."""
        return RayBundle(
            self.origins[s], self.directions[s], self.viewdirs[s], self.near[s], self.far[s], self.radii[s],
            _rows(self.image_ids, s),
        )  # fmt: skip

    def to(self, device: torch.device | str) -> RayBundle:
        """Return the same rays on another device."""
        return RayBundle(
            self.origins.to(device), self.directions.to(device), self.viewdirs.to(device), self.near.to(device),
            self.far.to(device), self.radii.to(device), None if self.image_ids is None else self.image_ids.to(device),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RaySamples:
    """N intervals on rays. Fields are evaluated at one t per interval.

    Build samples with `from_edges`, `from_points` or `packed`. In a uniform layout, every ray has the same number of
    samples, and `samples_per_ray` is given. In a packed layout, the numbers may differ, and `packing` is given.

    Attributes:
        rays: the R rays.
        t_starts: starts of the intervals [N], finite, without gradient.
        t_ends: ends of the intervals [N], not before the starts.
        t_eval: the t in each interval at which fields are evaluated [N].
        samples_per_ray: number of samples S on every ray; None for a packed layout.
        packing: assignment of samples to rays; None for a uniform layout.
        footprint: shape that `gaussians()` approximates: "cone", or "cylinder" for pixels in NDC.

    Raises:
        ValueError: both or neither of samples_per_ray and packing are given.

    Example:
        >>> rays = RayBundle(*torch.ones(3, 2, 3).unbind(), *torch.ones(3, 2).unbind())
        >>> samples = RaySamples.from_edges(rays, torch.tensor([[0.0, 1.0, 4.0], [2.0, 3.0, 4.0]]))
        >>> samples.t_eval, samples.dense(samples.lengths)
        (tensor([0.5000, 2.5000, 2.5000, 3.5000]), tensor([[1., 3.],
                [1., 1.]]))
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
        """Build S contiguous intervals per ray from their edges [R, S+1]. Fields are evaluated at the midpoints."""
        starts, ends = edges[:, :-1].reshape(-1), edges[:, 1:].reshape(-1)
        return RaySamples(rays, starts, ends, 0.5 * (starts + ends), edges.shape[1] - 1, None, footprint)

    @staticmethod
    def from_points(rays: RayBundle, t: Tensor, far: Tensor) -> RaySamples:
        """Build S samples per ray from their distances t [R, S] (ascending). Fields are evaluated at these distances.

        The interval of a sample begins at the sample and ends at the next sample. The last interval of a ray ends at
        `far` [R].
        """
        last = torch.maximum(far[:, None], t[:, -1:])
        ends = torch.cat([t[:, 1:], last], dim=1)
        return RaySamples(rays, t.reshape(-1), ends.reshape(-1), t.reshape(-1), t.shape[1], None)

    @staticmethod
    def packed(
        rays: RayBundle,
        t_starts: Tensor,
        t_ends: Tensor,
        packing: Packing,
        footprint: Literal["cone", "cylinder"] = "cone",
    ) -> RaySamples:
        """Build samples with a packed layout from the starts and ends [N] of their intervals, ordered as in `packing`.

        Fields are evaluated at the midpoints.

        Example:
            >>> rays = RayBundle(*torch.ones(3, 2, 3).unbind(), *torch.ones(3, 2).unbind())
            >>> packing = Packing.from_counts(torch.tensor([2, 1]))
            >>> samples = RaySamples.packed(rays, torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, 4.0]), packing)
            >>> samples.t_eval, samples.ray_indices
            (tensor([0.5000, 1.5000, 2.0000]), tensor([0, 0, 1]))
        """
        return RaySamples(rays, t_starts, t_ends, 0.5 * (t_starts + t_ends), None, packing, footprint)

    @property
    def n(self) -> int:
        """The number of samples N, known without waiting for the device."""
        return self.t_starts.shape[0]

    @property
    def lengths(self) -> Tensor:
        """The lengths of the intervals [N]."""
        return self.t_ends - self.t_starts

    @property
    def layout(self) -> Layout:
        """The assignment of samples to rays, in the form that `ops.segments` takes."""
        return Layout(len(self.rays), self.samples_per_ray, self.packing)

    @property
    def ray_indices(self) -> Tensor:
        """For each sample, the index of its ray [N] int64."""
        if self.packing is not None:
            return self.packing.ray_indices
        rays = torch.arange(len(self.rays), device=self.t_starts.device)
        return segments.per_sample(rays, self.layout)

    def per_sample(self, x: Tensor) -> Tensor:
        """Repeat each ray's value, x [R, ...], for all samples of the ray. Return [N, ...]."""
        return segments.per_sample(x, self.layout)

    def positions(self) -> Tensor:
        """Return the points at `t_eval` [N, 3], with gradient to the origins and directions of the rays."""
        return self._points(self.t_eval)

    def _points(self, t: Tensor) -> Tensor:
        if self.samples_per_ray is not None:
            rays, dense = self.rays, t.view(len(self.rays), self.samples_per_ray, 1)
            return torch.addcmul(rays.origins[:, None], rays.directions[:, None], dense).view(-1, 3)
        return torch.addcmul(self.per_sample(self.rays.origins), self.per_sample(self.rays.directions), t[:, None])

    def gaussians(self) -> tuple[Tensor, Tensor]:
        """Approximate each interval's frustum by a Gaussian (mip-NeRF, equations 7, 8 and 16).

        Return the means [N, 3] and the diagonals of the covariances [N, 3].
        """
        moments = frustum.cone if self.footprint == "cone" else frustum.cylinder
        t_mean, t_var, r_var = moments(self.t_starts, self.t_ends, self.per_sample(self.rays.radii))
        directions = self.per_sample(self.rays.directions)
        return self._points(t_mean), frustum.diagonal_covariance(directions, t_var, r_var)

    def dense(self, x: Tensor) -> Tensor:
        """Return per-sample values x [N, ...] in the shape [R, S, ...]. Raises LayoutError for packed samples."""
        if self.samples_per_ray is None:
            raise LayoutError("dense() needs the same number of samples on every ray; these samples are packed")
        return x.view(len(self.rays), self.samples_per_ray, *x.shape[1:])

    def edges(self) -> Tensor:
        """Return the edges [R, S+1] of contiguous intervals. Raises LayoutError for packed samples."""
        starts, ends = self.dense(self.t_starts), self.dense(self.t_ends)
        return torch.cat([starts, ends[:, -1:]], dim=1)


@dataclass(frozen=True, eq=False)
class FieldOutputs:
    """The outputs of a field for N samples. Exactly one of density and alpha is given.

    Attributes:
        rgb: colors [N, 3] in [0, 1]; None for a field without color.
        density: density per unit length [N].
        alpha: opacity of each interval [N] in [0, 1].
        sdf: signed distance [N].
        gradients: gradient of the signed distance with respect to position [N, 3].
        normals: unit normals [N, 3].
        extras: other values [N, ...] by name. The renderer composites the values that have a floating-point type.

    Raises:
        ValueError: both or neither of density and alpha are given.

    Example:
        >>> outputs = FieldOutputs(rgb=torch.zeros(5, 3), density=torch.ones(5))
        >>> outputs.alpha is None
        True
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
    """R rendered pixels.

    Attributes:
        rgb: colors [R, 3], composited on the background; None if the field gives no color.
        depth: Σ w t [R]. The depth divided by the opacity is the mean distance.
        opacity: Σ w [R], in [0, 1]. It is the opacity of the foreground alone, without a background model.
        normals: Σ w n [R, 3]; None if the field gives no normals.
        extras: for each extra output x of the field, Σ w x [R, ...] by name.
        median_depth: distance [R] from the camera at which the opacity in front reaches ½; infinite if it never does.
            Unlike the mean, it lies on a surface even where a ray passes two of them. None if the model does not give
            it, as in training.
    """

    rgb: Tensor | None
    depth: Tensor
    opacity: Tensor
    normals: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    median_depth: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Level:
    """The results of one pass of sampler, field and renderer.

    Attributes:
        samples: the samples that the sampler proposed.
        outputs: outputs of the field at the samples.
        weights: weights of the samples [N].
        rendered: pixels, with the color composited on the background; None if the level's field gives no color.
    """

    samples: RaySamples
    outputs: FieldOutputs
    weights: Tensor
    rendered: Rendered | None


@dataclass(frozen=True, eq=False)
class ModelOutputs:
    """The results of one forward pass of a model.

    Attributes:
        rendered: pixels of the last level.
        levels: all levels in order; empty for a model that has no levels.
        background: results of the background model; None if there is none.
        n_samples: number of samples that were evaluated, in all levels and in the background model together.
    """

    rendered: Rendered
    levels: tuple[Level, ...]
    background: ModelOutputs | None
    n_samples: int

    @property
    def hit_rays(self) -> Tensor:
        """Return a mask [R] that is True for rays whose opacity, or opacity in the background model, is above 0."""
        hit = self.rendered.opacity > 0
        return hit if self.background is None else hit | self.background.hit_rays


@dataclass(frozen=True, eq=False)
class Batch:
    """The pixels that a training step renders, with the ground truth: R rays, or all R = H·W pixels of an image.

    The pixels of an image are in one row, as in `Rendered`: row by row from the top. `view` has its width and height.

    Attributes:
        rays: the rays; None for a batch that is a whole image.
        view: camera and pose of a whole image; None for rays.
        rgb: ground-truth colors [R, 3], composited on `background`.
        mask: share of each pixel that the object covers [R], in [0, 1]; None without masks.
        background: colors behind the pixels [R, 3]; None if the method uses no background.
        loss_weights: weights of the pixels in the loss [R] (mip-NeRF's "lossmult"); None for equal weights. The weights
            of rays have a mean of 1 over the whole step, even if the step is split into micro-batches.
        extras: other data of the pixels by name, [R, ...]. They hold only the data that parts of the run require, such
            as "depth", or "pixels" for color maps. `radfield_core.train.extras` lists them.
    """

    rays: RayBundle | None
    view: View | None
    rgb: Tensor
    mask: Tensor | None = None
    background: Tensor | None = None
    loss_weights: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, s: slice | Tensor) -> Batch:
        """Return the batch of a slice of the rays, or of the rays with the given numbers [n] int64.

        Raises:
            TypeError: the batch is a whole image.
        """
        if self.rays is None:
            raise TypeError("a batch of whole images cannot be sliced by rays")
        return replace(
            self,
            rays=self.rays[s],
            rgb=self.rgb[s],
            mask=_rows(self.mask, s),
            background=_rows(self.background, s),
            loss_weights=_rows(self.loss_weights, s),
            extras={name: values[s] for name, values in self.extras.items()},
        )


@dataclass(frozen=True, eq=False)
class Step:
    """One training step. Schedules and random numbers depend only on it, so a resumed run repeats them exactly.

    Attributes:
        index: number of the step, from 0.
        max_steps: number of steps of the whole run.
        seed: seed of the run.

    Example:
        >>> step = Step(index=250, max_steps=1000, seed=0)
        >>> step.progress
        0.25
        >>> torch.equal(*(torch.rand(3, generator=step.generator("sampler")) for _ in range(2)))
        True
    """

    index: int
    max_steps: int
    seed: int

    @property
    def progress(self) -> float:
        """The share of the run's steps that are already done, in [0, 1]."""
        return min(1.0, self.index / self.max_steps)

    def generator(self, salt: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the random generator of this step for one purpose. `salt` is the name of the purpose.

        The generator gives the same numbers in every process of a distributed run, and after the run is resumed.
        """
        digest = hashlib.blake2b(f"{self.seed}/{self.index}/{salt}".encode(), digest_size=8).digest()
        generator = torch.Generator(device=device)
        generator.manual_seed(int.from_bytes(digest, "little") >> 1)
        return generator


@dataclass(frozen=True, eq=False)
class SceneBox:
    """The region that contains a scene, in scene coordinates.

    Attributes:
        center: center of the region [3].
        radius: half the side of a box, or the radius of a sphere.
        shape: "box" or "sphere".
        measured: True if the region comes from the data, False if it was estimated from the cameras.
        usual_radius: radius that the region has in the units of the format's published scenes; None if the format has
            no such units. Training takes place in these units.

    Example:
        >>> box = SceneBox(torch.zeros(3), radius=1.0)
        >>> forward = torch.tensor([[0.0, 0.0, -1.0]])
        >>> rays = RayBundle(torch.tensor([[0.0, 0.0, 4.0]]), forward, forward, *torch.ones(3, 1).unbind())
        >>> box.intersect(rays)
        (tensor([3.]), tensor([5.]))
    """

    center: Tensor
    radius: float
    shape: Literal["box", "sphere"] = "box"
    measured: bool = True
    usual_radius: float | None = None

    def intersect(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Return two tensors [R]: the distances t >= 0 at which rays enter the region, and at which they leave it.

        For a ray that misses a box, both are 0. For a ray that misses a sphere, both are the t of the ray's point
        nearest to the center, or 0 if this point lies behind the ray's origin.
        """
        origins = rays.origins - self.center.to(rays.origins)
        if self.shape == "sphere":
            enter, leave = _intersect_sphere(origins, rays.directions, self.radius)
        else:
            enter, leave = _intersect_box(origins, rays.directions, self.radius)
        enter = enter.clamp_min(0.0)
        return enter, torch.maximum(leave, enter)


def _intersect_sphere(origins: Tensor, directions: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    nearest = -(origins * directions).sum(-1)
    half_squared = radius**2 - (origins + nearest[:, None] * directions).square().sum(-1)
    half = half_squared.clamp_min(0.0).sqrt()
    return nearest - half, nearest + half


def _intersect_box(origins: Tensor, directions: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    inverse = 1.0 / torch.where(directions == 0, torch.full_like(directions, 1e-30), directions)
    t0, t1 = (-radius - origins) * inverse, (radius - origins) * inverse
    enter, leave = torch.minimum(t0, t1).amax(-1), torch.maximum(t0, t1).amin(-1)
    missed = leave < enter
    return enter.masked_fill(missed, 0.0), leave.masked_fill(missed, 0.0)
