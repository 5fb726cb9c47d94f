"""Small parts for tests: simple fields, samplers for the dense and the packed layout, a renderer, and rays.

The constructors take numbers instead of option objects, so that a test can build a part in one line.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.cameras import Cameras
from radfield_core.config.run import RunConfig
from radfield_core.interfaces import BuildContext, Field, Sampler
from radfield_core.model import level_loop
from radfield_core.ops import segments
from radfield_core.ops.derivatives import gradient
from radfield_core.ops.layout import Packing
from radfield_core.rays import RaySpace
from radfield_core.render.camera_paths import look_at
from radfield_core.types import (
    Batch,
    FieldOutputs,
    Level,
    ModelOutputs,
    RayBundle,
    RaySamples,
    SceneBox,
    Step,
)

N_TOY_VIEWS = 6
"""Number of views of the toy scene."""


def toy_cameras(n_views: int = N_TOY_VIEWS, size: int = 16) -> Cameras:
    """Make cameras on a circle around the origin, which look at the origin.

    Example:
        >>> toy_cameras(3).c2w.shape
        torch.Size([3, 3, 4])
    """
    angles = torch.arange(n_views, dtype=torch.float64) * (2 * torch.pi / n_views)
    centers = 4.0 * torch.stack([angles.cos(), angles.sin(), torch.full_like(angles, 0.4)], -1)
    c2w = look_at(centers, torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    return Cameras.pinhole(c2w, 1.4 * size, size, size)


def toy_context(run: RunConfig | None = None, bounds: SceneBox | None = None) -> BuildContext:
    """Make a build context with the cameras of `toy_cameras()`.

    Args:
        run: config of a run. A method needs the config to build a model. Other parts do not need it.
        bounds: the region of the scene; by default, a cube around the origin with sides of length 3.
    """
    box = bounds or SceneBox(torch.zeros(3), 1.5)
    space = RaySpace(2.0, 6.0, limits_along="axis")
    return BuildContext(box, N_TOY_VIEWS, run=run, space=space, cameras=toy_cameras(), make_loop=level_loop)


def toy_rays(
    n: int, *, seed: int = 0, near: float = 2.0, far: float = 6.0, dtype: torch.dtype = torch.float32
) -> RayBundle:
    """Make n rays. They start at a distance of 4 from the origin, and pass the origin at a distance of about 1 or less.

    Example:
        >>> rays = toy_rays(5)
        >>> len(rays), rays.origins.shape
        (5, torch.Size([5, 3]))
    """
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    origins = 4.0 * nn.functional.normalize(origins, dim=-1)
    targets = 0.5 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    directions = nn.functional.normalize(targets - origins, dim=-1).to(dtype)
    one = torch.ones(n, dtype=dtype)
    return RayBundle(origins.to(dtype), directions, directions, near * one, far * one, 0.002 * one)


def importance_sampler(n_samples: int = 16, n_importance: int = 0, perturb: bool = True) -> Importance:
    """Make the part sampler:importance with few samples per ray."""
    config = ImportanceConfig(n_samples=n_samples, n_importance=n_importance, perturb=perturb)
    return Importance(config, toy_context())


def volume_renderer(opaque_far: bool = False) -> Volume:
    """Make the part renderer:volume."""
    return Volume(VolumeConfig(opaque_far=opaque_far), toy_context())


class ConstantField(Field):
    """A field with the same density σ and color everywhere. An interval of length L has the opacity 1 − exp(−σ L)."""

    def __init__(self, density: float = 0.5, color: tuple[float, float, float] = (0.2, 0.4, 0.6)):
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor(density))
        self.color = nn.Parameter(torch.tensor(color))

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return density [N] and rgb [N, 3] for N samples."""
        t = samples.t_eval
        return FieldOutputs(rgb=self.color.to(t).expand(samples.n, 3), density=self.sigma.to(t).expand(samples.n))


class BlobField(Field):
    """A field with the density a exp(−|x − c|² / 2 s²), where a is the peak, c the center and s the size.

    The color varies smoothly with position and view direction.
    """

    def __init__(self, peak: float = 3.0, size: float = 0.5, colored: bool = True):
        super().__init__()
        self.peak = nn.Parameter(torch.tensor(peak))
        self.center = nn.Parameter(torch.tensor([0.1, -0.2, 0.05]))
        self.size = size
        self.tint = nn.Parameter(torch.tensor([0.3, -0.1, 0.2])) if colored else None

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return density [N] for N samples. If the field is colored, also return rgb [N, 3]."""
        x = samples.positions()
        if self.tint is None:
            return FieldOutputs(density=self.density(x))
        return FieldOutputs(rgb=self.point_color(x, samples.per_sample(samples.rays.viewdirs)), density=self.density(x))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the density [M] at x [M, 3]."""
        squared = (x - self.center.to(x)).square().sum(-1)
        return self.peak.to(x) * torch.exp(-squared / (2.0 * self.size**2))

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the color [M, 3] at x [M, 3]."""
        assert self.tint is not None
        shade = x if viewdirs is None else x + 0.3 * viewdirs
        return torch.sigmoid(shade + self.tint.to(x))


class SphereField(Field):
    """A field with the signed distance |x| − r of a sphere of radius r.

    The opacity of an interval is computed as in NeuS (Wang et al. 2021, equation 13). The signed distance is multiplied
    by a trainable scale, which is initially 1.1. The Eikonal loss of the field pulls this scale to 1.
    """

    def __init__(self, radius: float = 1.0, sharpness: float = 20.0):
        super().__init__()
        self.radius = nn.Parameter(torch.tensor(radius))
        self.stretch = nn.Parameter(torch.tensor(1.1))
        self.sharpness = sharpness

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return alpha [N], rgb [N, 3], sdf [N], gradients [N, 3] and normals [N, 3] for N samples.

        The colors encode the normals.
        """
        x = samples.positions()
        (sdf,), slope = gradient(lambda x: (self.sdf(x),), x)
        normals = nn.functional.normalize(slope, dim=-1)
        cosine = (slope * samples.per_sample(samples.rays.directions)).sum(-1).clamp_max(0.0)
        half = 0.5 * cosine * samples.lengths
        before, after = torch.sigmoid((sdf - half) * self.sharpness), torch.sigmoid((sdf + half) * self.sharpness)
        alpha = ((before - after) / before.clamp_min(1e-6)).clamp(0.0, 1.0)
        return FieldOutputs(rgb=0.5 + 0.5 * normals, alpha=alpha, sdf=sdf, gradients=slope, normals=normals)

    def sdf(self, x: Tensor) -> Tensor:
        """Return the signed distance [M] at x [M, 3], multiplied by the trainable scale."""
        distance: Tensor = x.norm(dim=-1) - self.radius.to(x)
        return self.stretch.to(x) * distance

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient [M, 3] of the scaled signed distance at x [M, 3]."""
        return gradient(lambda x: (self.sdf(x),), x)[1]

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the Eikonal loss, which is the mean of (|∇f| − 1)² over all samples. Here f is the signed distance."""
        slopes = [level.outputs.gradients for level in outputs.levels if level.outputs.gradients is not None]
        return {"eikonal": segments.mean((torch.cat(slopes).norm(dim=-1) - 1.0).square())}


class RaggedSampler(Sampler):
    """A sampler with the packed layout. Ray r has `counts[r % len(counts)]` intervals of equal length."""

    def __init__(self, counts: tuple[int, ...] = (5, 0, 8, 3)):
        super().__init__()
        self.counts = counts

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return intervals that divide each ray from near to far. They are the same in every step."""
        counts = torch.tensor([self.counts[r % len(self.counts)] for r in range(len(rays))], dtype=torch.int64)
        packing = Packing.from_counts(counts, max(self.counts))
        near, far = self.extent(rays)
        local = torch.arange(packing.ray_indices.shape[0]) - packing.offsets[packing.ray_indices]
        width = ((far - near) / counts.clamp_min(1))[packing.ray_indices]
        starts = near[packing.ray_indices] + width * local
        return RaySamples.packed(rays, starts, starts + width, packing)


class ProposalSampler(Sampler):
    """A sampler with two levels. It owns the field of the first level, and has a loss that trains this field."""

    def __init__(self, n_samples: int = 12):
        super().__init__()
        self.proposal = BlobField(peak=1.0, colored=False)
        self.own_fields = {0: self.proposal}
        self.n_levels = 2
        self.n_samples = n_samples

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return intervals of equal length. The second level has twice as many intervals as the first."""
        n, near = self.n_samples * (level + 1), rays.near
        shares = torch.linspace(0.0, 1.0, n + 1, dtype=near.dtype, device=near.device)
        return RaySamples.from_edges(rays, rays.near[:, None] + (rays.far - rays.near)[:, None] * shares)

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the mean squared difference between the opacities of the two levels."""
        first, last = (level.samples.dense(level.weights).sum(1) for level in outputs.levels)
        return {"proposal": segments.mean((first - last.detach()).square())}
