"""The model of method:splat: Gaussians whose number grows, and which are relocated where they are of no use.

Symbols in shapes: N Gaussians, H×W pixels of an image, R = H·W.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from radfield_core import (
    Batch,
    BuildContext,
    Model,
    ModelOutputs,
    ProgressCallback,
    Rendered,
    Step,
    TrainedParameters,
    UsageError,
    View,
)
from radfield_splat.config import SplatConfig
from radfield_splat.first_gaussians import first_gaussians
from radfield_splat.gaussians import Gaussians
from radfield_splat.normals import render_normals
from radfield_splat.rasterizer import rasterize
from radfield_splat.relocation import (
    divided,
    far_factors,
    mean_pulls,
    most_gaussians,
    noted,
    number_of_gaussians,
    offsets,
)
from radfield_splat.start import harmonics_of, start_points, start_scales

logger = logging.getLogger(__name__)

PARAMETERS = ("means", "log_scales", "quaternions", "opacity_logits", "base_colors", "harmonics")
"""Names of the model's parameters."""


class SplatModel(Model):
    """Trainable Gaussians.

    Args:
        config: options.
        ctx: the context of the run.

    Raises:
        UsageError: the rays are in NDC.
    """

    growing = (*PARAMETERS, "unseen", "pulls")
    unseen: Tensor
    pulls: Tensor
    first_degree: Tensor

    def __init__(self, config: SplatConfig, ctx: BuildContext):
        super().__init__()
        if ctx.ndc:
            message = "Gaussians live in the space of the cameras, and the rays of these data are in NDC"
            raise UsageError(message, path="data.ndc", hint="Set data.ndc=false")
        self.config, self.bounds, self.radius, self.degree = config, ctx.bounds, ctx.bounds.radius, 0
        self.most, self.camera_distance = most_gaussians(config, ctx), camera_distance(ctx)
        self._before: Tensor | None = None
        self._camera: Tensor | None = None
        means, colors, self.start_log = start_points(config.start_gaussians, ctx)
        n = len(means)
        self.means = nn.Parameter(means)
        self.log_scales = nn.Parameter(start_scales(means).log()[:, None].repeat(1, 3))
        self.quaternions = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1))
        self.opacity_logits = nn.Parameter(torch.full((n,), config.start_opacity).logit())
        self.base_colors = nn.Parameter(harmonics_of(colors))
        self.harmonics = nn.Parameter(torch.zeros(n, (config.degree + 1) ** 2 - 1, 3))
        self.register_buffer("unseen", torch.zeros(n, dtype=torch.int32))
        self.register_buffer("pulls", torch.zeros(n, 2))
        self.register_buffer("first_degree", torch.zeros((), dtype=torch.int64))

    def queries(self) -> SplatModel:
        """Return this model, whose Gaussians exporters read."""
        return self

    def gaussians(self) -> Gaussians:
        """Return the N Gaussians in scene coordinates."""
        harmonics = torch.cat([self.base_colors, self.harmonics], 1) if self.config.degree else self.base_colors
        return Gaussians(self.means, self.log_scales, self.quaternions, self.opacity_logits, harmonics)

    def start_from(self, path: Path, to_data: Tensor) -> None:
        """Start from the Gaussians of a .ply, .splat or .spz file, with their harmonics from the first step on."""
        found = first_gaussians(path, to_data, self.config, self.bounds)
        tensors = (*found.tensors()[:4], found.harmonics[:, :1], found.harmonics[:, 1:])
        for name, tensor in zip(PARAMETERS, tensors, strict=True):
            parameter: nn.Parameter = getattr(self, name)
            parameter.data = tensor.to(parameter).contiguous()
        self.unseen, self.pulls = self.unseen.new_zeros(len(found)), self.pulls.new_zeros(len(found), 2)
        self.first_degree.fill_(self.config.degree)
        self.start_log = None

    def log_start(self) -> None:
        """Log where the Gaussians started, unless the data has points."""
        if self.start_log is not None:
            logger.log(*self.start_log)

    def begin_step(self, step: Step) -> None:
        """Set the degree of the harmonics, and note the means before the step."""
        super().begin_step(step)
        if self.config.lr_means_by_distance:
            self._before = self.means.detach().clone()
        interval = self.config.degree_interval * step.max_steps
        reached = int(step.index / interval) if interval else self.config.degree
        self.degree = min(self.config.degree, max(reached, int(self.first_degree)))

    def forward(self, batch: Batch) -> ModelOutputs:
        """Render the view of a batch over its background. Normals are rendered if the batch has some to compare."""
        assert batch.view is not None
        normals = "normals" in batch.extras
        self._camera = batch.view.c2w[:, 3].detach()
        return ModelOutputs(self._rendered(batch.view, batch.background, self.degree, normals=normals), (), None, 0)

    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        """Render a view, with normals and median depths."""
        with torch.no_grad():
            rendered = self._rendered(view, background, self.config.degree, normals=True)
        if progress is not None:
            progress(len(rendered.depth), len(rendered.depth))
        return rendered

    def _rendered(self, view: View, background: Tensor | None, degree: int, *, normals: bool) -> Rendered:
        limits = {"near": self.config.near * self.radius, "low_pass": self.config.low_pass}
        image = rasterize(self.gaussians(), view, background, degree=degree, **limits)
        return Rendered(
            image.rgb.flatten(0, 1),
            image.depth.flatten(),
            image.opacity.flatten(),
            render_normals(self.gaussians(), view, **limits).flatten(0, 1) if normals else None,
            median_depth=None if image.median is None else image.median.flatten(),
        )

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """Note which Gaussians were seen. At some steps, relocate those of no use and add new ones."""
        super().adapt(step, parameters)
        if self._before is not None:
            factors = far_factors(self._before, self.bounds.center, self.camera_distance)
            self.means.data.add_((factors - 1) * (self.means.data - self._before))
        gradient = self.means.grad  # the opacities have a gradient of a loss that does not depend on the view, too
        if gradient is not None:
            self.unseen = torch.where((gradient != 0).any(-1), 0, self.unseen + 1)
            if self.config.copies == "gradient" and self._camera is not None:
                self.pulls = noted(self.pulls, gradient, self.means, self._camera)
        config, taken = self.config, step.index + 1
        if taken % config.relocate_every or taken > config.relocate_until * step.max_steps:
            return
        opacities = self.opacity_logits.sigmoid()
        useless = (opacities < config.min_opacity) | ((self.unseen >= config.unseen_steps) & (config.unseen_steps > 0))
        n_new = max(0, number_of_gaussians(config, step, self.most) - len(opacities))
        if not bool(useless.all()):
            self._move(step, parameters, useless, n_new)

    def _move(self, step: Step, parameters: TrainedParameters, useless: Tensor, n_new: int) -> None:
        """Make the useless Gaussians, and `n_new` new ones, copies of others, which are drawn as the options say."""
        generator = step.generator("relocation", self.means.device)
        targets = torch.cat([useless.nonzero()[:, 0], torch.arange(n_new, device=useless.device) + len(useless)])
        if not len(targets):
            return
        sources = torch.multinomial(self._weights(useless), len(targets), replacement=True, generator=generator)
        rows = torch.arange(len(useless) + n_new, device=useless.device)
        rows[targets] = sources
        values = {name: getattr(self, name).detach()[rows] for name in PARAMETERS}
        copies = torch.bincount(sources, minlength=len(useless))[rows] + 1
        values["opacity_logits"], shrink = divided(values["opacity_logits"], copies)
        values["log_scales"] = values["log_scales"] + shrink[:, None]
        moved = Gaussians(*(values[name][targets] for name in PARAMETERS[:5]))
        values["means"][targets] += offsets(moved, generator)
        # Adam's moments belong to what a Gaussian was, so copies and those that were copied start without them.
        origins = torch.where(copies > 1, -1, rows)
        for name in PARAMETERS:
            parameters.replace(self, name, values[name], origins)
        parameters.replace(self, "unseen", torch.where(copies > 1, 0, self.unseen[rows]))
        parameters.replace(self, "pulls", self.pulls.new_zeros(len(rows), 2))

    def _weights(self, useless: Tensor) -> Tensor:
        """Return how likely each Gaussian is to be copied, up to a factor. Useless ones are not."""
        opacities = self.opacity_logits.sigmoid().masked_fill(useless, 0.0)
        if self.config.copies == "opacity":
            return opacities
        pulls = mean_pulls(self.pulls).masked_fill(useless, 0.0)
        return torch.where(pulls.sum() > 0, pulls, opacities)  # right after a start, no step has been noted

    def part_scalars(self) -> dict[str, Tensor]:
        """Return the number of Gaussians."""
        return {"gaussians": torch.tensor(float(len(self.means)))} | super().part_scalars()


def camera_distance(ctx: BuildContext) -> float:
    """Return the median distance of the training cameras from the middle of the scene, in scene units."""
    if ctx.cameras is None:
        return ctx.bounds.radius
    distances = (ctx.cameras.c2w[:, :, 3] - ctx.bounds.center.to(ctx.cameras.c2w)).norm(dim=-1)
    return max(float(distances.median()), math.ulp(1.0))


def pixel_size(ctx: BuildContext) -> float:
    """Return the median size of a pixel of the training images at the middle of the scene, in scene units."""
    if ctx.cameras is None:
        return ctx.bounds.radius / 100
    distances = (ctx.cameras.c2w[:, :, 3] - ctx.bounds.center.to(ctx.cameras.c2w)).norm(dim=-1)
    sizes = distances / ctx.cameras.intrinsics[:, 0]
    return max(float(sizes.median()), math.ulp(1.0))
