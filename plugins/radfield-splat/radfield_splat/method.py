"""method:splat, the training of 3-D Gaussians (Kerbl et al. 2023, with the relocation of Kheradmand et al. 2024)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from radfield_core import Batch, BuildContext, Method, Model, ModelOutputs, Step, background_color
from radfield_splat.config import SplatConfig
from radfield_splat.dssim import dssim
from radfield_splat.model import SplatModel, pixel_size
from radfield_splat.surfel_model import SurfelModel

LR_PARTS = 1e-3
"""Learning rate of parts of a run, such as learned poses, that state none."""


class Splat(Method):
    """Training on whole images, first on reduced ones, with a number of Gaussians that grows."""

    batching: Literal["rays", "images"] = "images"
    config: SplatConfig

    def __init__(self, config: SplatConfig):
        super().__init__(config)
        self._pixel_size = 1.0

    def build(self, ctx: BuildContext) -> Model:
        """Build the Gaussians."""
        self._pixel_size = pixel_size(ctx)
        return (SurfelModel if self.config.shape == "disk" else SplatModel)(self.config, ctx)

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3], as set by the options."""
        return background_color(self.config.background, step, n, device)

    def reduction(self, step: Step) -> float:
        """Return the factor by which a step's image is reduced: one after the other of the option `reductions`."""
        factors = self.config.reductions
        share = step.index / max(1, step.max_steps) / self.config.reduce_until if self.config.reduce_until else 1.0
        return factors[int(share * len(factors))] if share < 1 and factors else 1.0

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Photometric losses (L1 and D-SSIM), and the mean opacity and the mean scale of all Gaussians."""
        rgb, weights, share = outputs.rendered.rgb, batch.loss_weights, self.config.dssim_weight
        assert rgb is not None and batch.view is not None and isinstance(model, SplatModel)
        losses = {}
        if share < 1:
            error = l1_loss(rgb, batch.rgb, reduction="mean" if weights is None else "none")  # keeps both, not more
            losses["rgb"] = (1 - share) * (error if weights is None else (error * weights[:, None]).mean())
        if share > 0:
            camera = batch.view.camera
            shape = camera.height, camera.width
            image, truth = rgb, batch.rgb
            if weights is not None:  # windows beside excluded pixels contain them, so both images are equal there
                counted = (weights > 0)[:, None]
                image, truth = (torch.where(counted, x, rgb.detach()) for x in (rgb, truth))
            images = image.view(*shape, 3), truth.view(*shape, 3)
            losses["dssim"] = share * dssim(*images, None if weights is None else weights.view(shape))
        if self.config.opacity_weight:
            losses["opacity"] = self.config.opacity_weight * model.opacity_logits.sigmoid().mean()
        if self.config.scale_weight:
            losses["scale"] = self.config.scale_weight / model.radius * model.log_scales.exp().mean()
        return losses

    def after_step(self, model: Model, optimizer: torch.optim.Optimizer, step: Step) -> None:
        """After the first step, log where the Gaussians started: once, not when a run is tried out or resumed."""
        if step.index == 0:
            assert isinstance(model, SplatModel)
            model.log_start()

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group for each kind of parameter, and one for the parts that the run adds to the model."""
        assert isinstance(model, SplatModel)
        config, eps = self.config, 1e-15
        rates = {
            "means": config.lr_means * self._pixel_size,
            "log_scales": config.lr_scales,
            "quaternions": config.lr_quaternions,
            "opacity_logits": config.lr_opacities,
            "base_colors": config.lr_colors,
            "harmonics": config.lr_colors / 20,
        }
        groups = [
            {"name": name, "params": [getattr(model, name)], "lr": lr, "eps": eps, "weight_decay": 0.0}
            for name, lr in rates.items()
            if getattr(model, name).numel()
        ]
        others = [parameter for name, parameter in model.named_parameters() if name not in rates]
        return [*groups, {"name": "parts", "params": others, "lr": LR_PARTS, "weight_decay": 0.0}] if others else groups

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor of a group's rate. That of the means follows the size of the pixels of reduced images."""
        if group == "means":
            return float(self.reduction(step) * self.config.lr_means_final**step.progress)
        return float(self.config.lr_final**step.progress)
