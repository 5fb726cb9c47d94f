"""field:neus, a signed distance that is rendered as a volume (Wang et al. 2021).

Shapes: N samples, M points, F features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radfield_core import (
    Batch,
    BuildContext,
    Encoding,
    Field,
    FieldOutputs,
    ModelOutputs,
    ParameterGroup,
    RaySamples,
    Step,
    UsageError,
    with_appearance,
)
from radfield_core.ops import at_least_float32, derivatives, segments
from radfield_core.ops.networks import SkipMlp, layer_indices
from radfield_neus.alpha import annealed_cosine, interval_alpha
from radfield_neus.config import NeuSFieldConfig
from radfield_neus.networks import DistanceNetwork

MAX_SHARPNESS = 1e6
"""Largest sharpness, in inverse scene radii, as in the paper's code."""

EIKONAL_RADIUS = 1.2
"""Radius of the ball in which the eikonal loss applies, in scene radii. The value is from the paper's code."""


class NeuSField(Field):
    """Signed distance, color and a learned sharpness 1/s.

    The opacity of an interval is computed from the distance at its center and the slope of the distance along the ray
    (see module `alpha`). The color network reads the position, the view direction, and the gradient and features of the
    distance network.

    The encoding and the networks read positions (x − center) / radius, for which the scene is the unit sphere. So the
    field does not depend on the scale of the scene.

    Args:
        config: options.
        ctx: context with the scene's bounds; builds the encodings.

    Raises:
        UsageError: a distance network of these sizes cannot be built or initialized.
    """

    center: Tensor
    anneal: Tensor
    fd_step: Tensor
    sharpness_limit: Tensor
    inside: Tensor

    def __init__(self, config: NeuSFieldConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius
        # The networks and the encoding see the scene in the unit sphere, as in the paper's code.
        ctx = replace(ctx, bounds=replace(ctx.bounds, center=torch.zeros(3), radius=1.0))
        self.encoding = ctx.encoding(config.encoding, in_dim=3)
        self.direction_encoding: Encoding | None = None
        if config.direction_encoding is not None:
            self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        self.appearance_encoding: Encoding | None = None
        if config.appearance_encoding is not None:
            self.appearance_encoding = ctx.encoding(config.appearance_encoding, in_dim=1)
        in_dim = 3 + self.encoding.out_dim
        _check(config, self.encoding)
        self.distance = DistanceNetwork(
            in_dim,
            config.width,
            config.n_layers,
            config.skip_layer,
            1 + config.n_features,
            init_radius=config.init_radius,
            beta=config.softplus_beta,
            normalize_weights=config.weight_norm,
            inside_out=config.inside_out,
        )
        seen = (self.direction_encoding, self.appearance_encoding)
        color_dim = 3 + sum(encoding.out_dim for encoding in seen if encoding is not None) + 3 + config.n_features
        self.color = SkipMlp(color_dim, config.color_width, config.color_layers, 3)
        if config.weight_norm:
            self.color.normalize_weights()
        self.sharpness_log = nn.Parameter(torch.tensor(config.init_sharpness))
        self.register_buffer("anneal", torch.tensor(1.0), persistent=False)
        self.register_buffer("fd_step", torch.tensor(0.0), persistent=False)
        self.register_buffer("sharpness_limit", torch.tensor(MAX_SHARPNESS), persistent=False)
        self.begin_step(Step(0, 1, 0))
        self.register_buffer("inside", torch.tensor(0.0), persistent=False)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the groups "sharpness" and "color", for which the method may set separate learning rates."""
        color = list(self.color.parameters())
        return [ParameterGroup("sharpness", [self.sharpness_log]), ParameterGroup("color", color)]

    def begin_step(self, step: Step) -> None:
        """Update the ratio of the cosine annealing, the step of finite differences, and the limit of the sharpness."""
        config = self.config
        self.anneal.fill_(min(1.0, step.index / config.anneal_end) if config.anneal_end else 1.0)
        cell = self.encoding.cell_size() if config.fd_step == "progressive" else None
        if cell is not None:
            self.fd_step.copy_(cell * self.radius)  # the encoding reads positions in radii
        elif not isinstance(config.fd_step, str):
            self.fd_step.fill_(config.fd_step.value(step) * self.radius)
        if config.max_sharpness is not None:
            self.sharpness_limit.fill_(config.max_sharpness.value(step))

    @property
    def sharpness(self) -> Tensor:
        """Sharpness 1/s = exp(10 v), a tensor with one number. It is at least 1e-6, and at most 1e6 or the limit."""
        return (10.0 * self.sharpness_log).exp().clamp(1e-6, MAX_SHARPNESS).minimum(self.sharpness_limit)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Opacity, color, signed distance, gradient and unit normal of all samples."""
        x = samples.positions()
        sdf, gradients, features, laplacian = self._surface(x)
        normals = F.normalize(gradients, dim=-1)
        used = normals if self.config.unit_normals else gradients
        cosine = (samples.per_sample(samples.rays.directions) * used).sum(-1)
        slope = annealed_cosine(cosine, self.anneal)
        # The paper scales the scene to a unit sphere, so its 1/s is in units of 1/radius.
        alpha = interval_alpha(sdf, slope, samples.lengths, self.sharpness / self.radius)
        seen = samples.per_sample(self._seen(samples.rays.viewdirs, samples.rays.image_ids))
        extras = {} if laplacian is None else {"neus.laplacian": laplacian}
        return FieldOutputs(
            rgb=self._color(x, seen, used, features),
            alpha=alpha,
            sdf=sdf,
            gradients=gradients,
            normals=normals,
            extras=extras,
        )

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Eikonal, sparsity and curvature losses. Each loss is a mean over the sample points of all levels.

        The eikonal loss uses only the points within `EIKONAL_RADIUS` of the center.
        """
        config, levels = self.config, outputs.levels
        if not levels:
            return {}
        if levels[-1].rendered is not None:
            self.inside.copy_(levels[-1].rendered.opacity.detach().mean())
        x = torch.cat([level.samples.positions() for level in levels])
        gradients = torch.cat([cast(Tensor, level.outputs.gradients) for level in levels])
        near = (x - self.center).norm(dim=-1) < EIKONAL_RADIUS * self.radius
        off_unit = torch.where(near, (gradients.norm(dim=-1) - 1.0).square(), 0.0)
        losses = {"eikonal": config.eikonal.value(step) * off_unit.sum() / near.sum().clamp_min(1)}
        if config.sparsity.constant != 0:
            sdf = torch.cat([cast(Tensor, level.outputs.sdf) for level in levels])
            weight = config.sparsity.value(step)
            losses["sparsity"] = weight * segments.mean((-config.sparsity_scale / self.radius * sdf.abs()).exp())
        if config.curvature.constant != 0 and config.normals == "finite_differences":
            laplacian = torch.cat([level.outputs.extras["neus.laplacian"] for level in levels])
            curvature = self.radius * segments.mean(laplacian.abs())  # a Laplacian is an inverse length
            losses["curvature"] = config.curvature.value(step) * curvature
        return losses

    def scalars(self) -> dict[str, Tensor]:
        """Sharpness 1/s, and the mean rendering weight inside the scene.

        A mean weight near 0 means that the surface has vanished.
        """
        return {"sharpness": self.sharpness.detach(), "weight_inside": self.inside}

    def sdf(self, x: Tensor) -> Tensor:
        """Signed distance [M] at x [M, 3], in scene units. It is positive outside the surface."""
        return self._distance(x)[0]

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient [M, 3] of the signed distance at x [M, 3]."""
        return self._surface(x)[1]

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Rendering weight [M] of an interval at x [M, 3], for a ray that hits the surface at a right angle.

        The interval is `length` long. Deep inside a solid object, the interval is opaque, but its rendering weight is
        0, because a ray is blocked before it gets there. So an occupancy grid treats the deep interior as empty.
        """
        sdf, half, sharpness = self.sdf(x), 0.5 * length, self.sharpness / self.radius
        return torch.sigmoid((sdf + half) * sharpness) - torch.sigmoid((sdf - half) * sharpness)

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Color [M, 3] at x [M, 3].

        If no view directions are given, each point is viewed at a right angle to the surface, from outside.
        """
        _, gradients, features, _ = self._surface(x)
        normals = F.normalize(gradients, dim=-1)
        seen = self._seen(-normals if viewdirs is None else viewdirs, image_ids)
        return self._color(x, seen, normals if self.config.unit_normals else gradients, features)

    def _distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance [M] in scene units, and features [M, F], at x [M, 3]."""
        unit = (x - self.center) / self.radius
        out = at_least_float32(self.distance(torch.cat([unit, self.encoding(unit)], dim=-1)))
        return out[:, 0] * self.radius, out[:, 1:]

    def _surface(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Signed distance, gradient, features and Laplacian at x [M, 3].

        The Laplacian is None with analytic gradients. Only finite differences give it.
        """
        if self.config.normals == "analytic":
            (sdf, features), gradients = derivatives.gradient(self._distance, x)
            return sdf, gradients, features, None
        sdf, features = self._distance(x)
        gradients, laplacian = derivatives.central_differences(self.sdf, x, sdf, self.fd_step)
        return sdf, gradients, features, laplacian

    def _seen(self, viewdirs: Tensor, image_ids: Tensor | None) -> Tensor:
        """Encoded view directions [R, D], followed by the features of the images, if there are any."""
        encoded = viewdirs[:, :0] if self.direction_encoding is None else self.direction_encoding(viewdirs)
        return with_appearance(encoded, self.appearance_encoding, image_ids)

    def _color(self, x: Tensor, seen: Tensor, normals: Tensor, features: Tensor) -> Tensor:
        unit = (x - self.center) / self.radius
        raw = self.color(torch.cat([unit, seen, normals, features], dim=-1))
        return torch.sigmoid(at_least_float32(raw))


def _check(config: NeuSFieldConfig, encoding: Encoding) -> None:
    if config.fd_step == "progressive" and encoding.cell_size() is None:
        raise UsageError(
            f"encoding:{config.encoding.name} has no grid, so finite differences have no progressive step",
            path="field.fd_step",
            hint="Set field.fd_step=0.005, or field.encoding=hash",
        )
    in_dim = 3 + encoding.out_dim
    skips = [skip for skip in layer_indices(config.skip_layer) if skip < config.n_layers]
    if skips and config.width <= in_dim:
        raise UsageError(
            f"hidden layer {skips[0]} reads the {in_dim} inputs again, so width {config.width} leaves no "
            "units for the output of the previous layer",
            path="field.width",
            hint=f"Set field.width={in_dim + 1} or more, or field.skip_layer=none",
        )
