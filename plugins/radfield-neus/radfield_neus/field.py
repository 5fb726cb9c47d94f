"""`field:neus`: a signed distance rendered as a volume (Wang et al. 2021)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radfield_core import Batch, BuildContext, Field, FieldOutputs, ModelOutputs, RaySamples, Step, UsageError
from radfield_core.ops import at_least_float32, derivatives, segments
from radfield_core.ops.networks import SkipMlp
from radfield_neus import schedule
from radfield_neus.alpha import annealed_cosine, interval_alpha
from radfield_neus.config import NeuSFieldConfig
from radfield_neus.networks import DistanceNetwork

EIKONAL_RADIUS = 1.2
"""The eikonal loss is taken where points lie within so many scene radii, as in the paper's code."""


class NeuSField(Field):
    """Distance f, features and sharpness 1/s; α of each interval from f at its middle and its slope along the ray."""

    center: Tensor
    anneal: Tensor
    fd_step: Tensor
    inside: Tensor

    def __init__(self, config: NeuSFieldConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius
        self.encoding = ctx.encoding(config.encoding, in_dim=3)
        self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        in_dim = 3 + self.encoding.out_dim
        _check(config, in_dim)
        self.distance = DistanceNetwork(
            in_dim, config.width, config.n_layers, config.skip_layer, 1 + config.n_features,
            init_radius=config.init_radius, beta=config.softplus_beta, normalize_weights=config.weight_norm,
        )  # fmt: skip
        color_dim = 3 + self.direction_encoding.out_dim + 3 + config.n_features
        self.color = SkipMlp(color_dim, config.color_width, config.color_layers, 3)
        if config.weight_norm:
            self.color.normalize_weights()
        self.sharpness_log = nn.Parameter(torch.tensor(config.init_sharpness))
        self.register_buffer("anneal", torch.tensor(1.0), persistent=False)
        self.register_buffer("fd_step", torch.tensor(schedule.at(config.fd_step, 0) * self.radius), persistent=False)
        self.register_buffer("inside", torch.tensor(0.0), persistent=False)

    def begin_step(self, step: Step) -> None:
        """Cosine annealing and the distance of the taps."""
        end = self.config.anneal_end
        self.anneal.fill_(min(1.0, step.index / end) if end else 1.0)
        self.fd_step.fill_(schedule.at(self.config.fd_step, step.index) * self.radius)

    @property
    def sharpness(self) -> Tensor:
        """1/s, 0-dim: exp(10 v), between 1e-6 and 1e6."""
        return (10.0 * self.sharpness_log).exp().clamp(1e-6, 1e6)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """alpha, rgb, sdf, its gradients, and unit normals of all samples."""
        x = samples.positions()
        sdf, gradients, features, laplacian = self._surface(x)
        normals = F.normalize(gradients, dim=-1)
        used = normals if self.config.unit_normals else gradients
        cosine = (samples.per_sample(samples.rays.directions) * used).sum(-1)
        slope = annealed_cosine(cosine, self.anneal)
        # The paper's networks know the scene as a unit sphere: their 1/s is per radius.
        alpha = interval_alpha(sdf, slope, samples.lengths, self.sharpness / self.radius)
        directions = samples.per_sample(self.direction_encoding(samples.rays.viewdirs))
        extras = {} if laplacian is None else {"neus.laplacian": laplacian}
        return FieldOutputs(
            rgb=self._color(x, directions, used, features), alpha=alpha, sdf=sdf, gradients=gradients, normals=normals,
            extras=extras,
        )  # fmt: skip

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Eikonal, sparsity and curvature losses, each a mean over all points of all levels given."""
        config, levels = self.config, outputs.levels
        if not levels:
            return {}
        if levels[-1].rendered is not None:
            self.inside.copy_(levels[-1].rendered.opacity.detach().mean())
        x = torch.cat([level.samples.positions() for level in levels])
        gradients = torch.cat([cast(Tensor, level.outputs.gradients) for level in levels])
        near = (x - self.center).norm(dim=-1) < EIKONAL_RADIUS * self.radius
        off_unit = torch.where(near, (gradients.norm(dim=-1) - 1.0).square(), 0.0)
        losses = {"eikonal": schedule.at(config.eikonal, step.index) * off_unit.sum() / near.sum().clamp_min(1)}
        if config.sparsity:
            sdf = torch.cat([cast(Tensor, level.outputs.sdf) for level in levels])
            weight = schedule.at(config.sparsity, step.index)
            losses["sparsity"] = weight * segments.mean((-config.sparsity_scale / self.radius * sdf.abs()).exp())
        if config.curvature and config.normals == "finite_differences":
            laplacian = torch.cat([level.outputs.extras["neus.laplacian"] for level in levels])
            losses["curvature"] = schedule.at(config.curvature, step.index) * segments.mean(laplacian.abs())
        return losses

    def scalars(self) -> dict[str, Tensor]:
        """1/s, and the mean weight inside the scene: when it falls to nothing the surface has vanished."""
        return {"sharpness": self.sharpness.detach(), "weight_inside": self.inside}

    def sdf(self, x: Tensor) -> Tensor:
        """Signed distance [M] at x [M, 3], in scene units, positive outside."""
        return self._distance(x)[0]

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient [M, 3] of the signed distance."""
        return self._surface(x)[1]

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Weight [M] of an interval of `length` on a ray that comes from outside and meets the level set head-on.

        Unlike its opacity, which is that of everything solid, it vanishes deep inside, where no ray arrives.
        """
        sdf, half, sharpness = self.sdf(x), 0.5 * length, self.sharpness / self.radius
        return torch.sigmoid((sdf + half) * sharpness) - torch.sigmoid((sdf - half) * sharpness)

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] at x [M, 3]; without a view direction, seen along the inward normal."""
        _, gradients, features, _ = self._surface(x)
        normals = F.normalize(gradients, dim=-1)
        directions = self.direction_encoding(-normals if viewdirs is None else viewdirs)
        return self._color(x, directions, normals if self.config.unit_normals else gradients, features)

    def _distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Distance [M] in scene units, and features [M, F]."""
        unit = (x - self.center) / self.radius
        out = at_least_float32(self.distance(torch.cat([unit, self.encoding(x)], dim=-1)))
        return out[:, 0] * self.radius, out[:, 1:]

    def _surface(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Distance, gradient, features, and the Laplacian where finite differences give it."""
        if self.config.normals == "analytic":
            (sdf, features), gradients = derivatives.gradient(self._distance, x)
            return sdf, gradients, features, None
        sdf, features = self._distance(x)
        gradients, laplacian = derivatives.central_differences(self.sdf, x, sdf, self.fd_step)
        return sdf, gradients, features, laplacian

    def _color(self, x: Tensor, directions: Tensor, normals: Tensor, features: Tensor) -> Tensor:
        unit = (x - self.center) / self.radius
        raw = self.color(torch.cat([unit, directions, normals, features], dim=-1))
        return torch.sigmoid(at_least_float32(raw))


def _check(config: NeuSFieldConfig, in_dim: int) -> None:
    skips = config.skip_layer is not None and config.skip_layer < config.n_layers
    if skips and config.width <= in_dim:
        raise UsageError(
            f"{config.width} units leave none beside the {in_dim} inputs that layer {config.skip_layer} sees again",
            path="field.width", hint=f"at least {in_dim + 1}, a smaller encoding, or field.skip_layer=none",
        )  # fmt: skip
