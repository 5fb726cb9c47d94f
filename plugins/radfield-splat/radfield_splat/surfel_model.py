"""The model of method:splat with shape = "disk": Gaussians drawn as flat disks, which form a surface."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import Batch, BuildContext, ModelOutputs, Rendered, Step, View
from radfield_splat.config import SplatConfig
from radfield_splat.model import SplatModel
from radfield_splat.surfel_losses import normal_consistency
from radfield_splat.surfels import rasterize_disks

DISTORTION = "splat.distortion"
"""Name of the rendered distortion."""

_FLATNESS = 0.01  # the third scale has no effect here, but is in exported files


class SurfelModel(SplatModel):
    """Trainable disks. They start with random normals.

    Args:
        config: options.
        ctx: the context of the run.
    """

    def __init__(self, config: SplatConfig, ctx: BuildContext):
        super().__init__(config, ctx)
        with torch.no_grad():
            self.quaternions.copy_(torch.randn_like(self.quaternions))
            self.log_scales[:, 2] += math.log(_FLATNESS)

    def _rendered(self, view: View, background: Tensor | None, degree: int, *, normals: bool) -> Rendered:
        image = rasterize_disks(
            self.gaussians(), view, background, degree=degree, near=self.config.near * self.radius,
            low_pass=self.config.low_pass, size=self.radius,
        )  # fmt: skip
        return Rendered(
            image.rgb.flatten(0, 1), image.depth.flatten(), image.opacity.flatten(), image.normals.flatten(0, 1),
            {DISTORTION: image.distortion.flatten()}, image.median_depth.flatten(),
        )  # fmt: skip

    def part_losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the normal consistency and the distortion, with those of the parts that the run adds."""
        losses, config, image = super().part_losses(outputs, batch, step), self.config, outputs.rendered
        assert batch.view is not None and image.normals is not None
        shape = batch.view.camera.height, batch.view.camera.width
        if config.distortion_weight and step.progress >= config.distortion_from:
            losses["distortion"] = config.distortion_weight * image.extras[DISTORTION].mean()
        if config.normal_weight and step.progress >= config.normal_from and min(shape) > 2:
            images = image.normals.view(*shape, 3), image.depth.view(shape), image.opacity.view(shape)
            losses["normal"] = config.normal_weight * normal_consistency(*images, batch.view)
        return losses
