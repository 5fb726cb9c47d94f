"""loss:depth — the distance along each ray, compared with sparse points or depth images.

Symbols: t is the distance along a ray, w the weight of an interval, z a measured depth, σ its standard deviation, and p
the probability that a normal distribution N(z, σ) gives to an interval. Shapes: R rays, N samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from radfield_capture.supervision import DepthConfig
from radfield_core import Batch, BuildContext, Loss, Model, ModelOutputs, RaySamples, Step, UsageError
from radfield_core.ops import segments

EPSILON = 1e-4
"""Added to weights and probabilities before their logarithm is taken. A weight of 0 then has a finite gradient."""


class Depth(Loss):
    """The error of the depth along each ray, as a mean over the rays whose depth is known.

    The option `form` chooses the error. For "kl" and "line_of_sight", the model must march along rays. The others need
    only a rendered depth.
    """

    def __init__(self, config: DepthConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.n_images = max(ctx.n_images, 1)

    @staticmethod
    def ray_shares(config: Any) -> Mapping[str, float]:
        """Return the share of the rays of a step that are drawn through sparse points."""
        return {} if config.source == "images" else {"observations": config.share, "sparse_points": config.share}

    def forward(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> Tensor:
        """Return the errors [R], or [H·W] for a whole view, times their weights, which are 0 where no depth is known.

        Raises:
            UsageError: the form needs samples on rays, and the model has none.
        """
        config = self.config
        points = config.source == "points" or (config.source == "auto" and "depth" not in batch.extras)
        kind = "point" if points else "depth"
        if f"{kind}_weights" not in batch.extras:
            return batch.rgb.new_zeros(batch.rgb[..., 0].numel())
        weights = batch.extras[f"{kind}_weights"].flatten()
        known = weights > 0
        depth = torch.where(known, batch.extras["point_depth" if points else "depth"].flatten(), 1.0)
        least = config.min_sigma * depth
        sigma = torch.maximum(batch.extras["point_sigma"].flatten().nan_to_num(), least) if points else least
        form = config.form if config.form != "auto" else "kl" if outputs.levels else "absolute"
        if form in ("kl", "line_of_sight"):
            return weights * self._along_rays(outputs, form, depth, sigma)
        mean = mean_distance(outputs)
        if form == "scale_shift":
            return weights * self._scale_shift(mean, depth, batch, known)
        error = (mean - depth) / depth * (least / sigma)
        return weights * (error.square() if form == "squared" else error.abs())

    def _along_rays(self, outputs: ModelOutputs, form: str, depth: Tensor, sigma: Tensor) -> Tensor:
        if not outputs.levels:
            raise UsageError(
                f"loss 'depth' with form={form!r} needs samples on rays, and the model of this method has none",
                path="losses",
                hint="Set form=absolute for the loss",
            )
        level = outputs.levels[-1]
        error = weights_divergence if form == "kl" else line_of_sight
        return error(level.samples, level.weights, depth, sigma)

    def _scale_shift(self, mean: Tensor, depth: Tensor, batch: Batch, known: Tensor) -> Tensor:
        """Return the squared errors along the optical axis, in which estimated depths have an unknown shift."""
        cosines = batch.extras["depth_cosines"].flatten() if "depth_cosines" in batch.extras else torch.ones_like(mean)
        if batch.rays is not None and batch.rays.image_ids is not None:
            images, n_images = batch.rays.image_ids, self.n_images
        else:
            images, n_images = torch.zeros(len(mean), dtype=torch.int64, device=mean.device), 1
        return fitted_error(mean * cosines, depth * cosines, known, images, n_images)


def mean_distance(outputs: ModelOutputs) -> Tensor:
    """Return the mean distance Σ w t / Σ w [R] of a rendered model."""
    rendered = outputs.rendered
    return (rendered.depth / rendered.opacity.clamp_min(0.01)).flatten()


def probabilities(samples: RaySamples, depth: Tensor, sigma: Tensor) -> Tensor:
    """Return the probability p [N] that N(z, σ) gives to each interval, for z and σ [R].

    Example:
        >>> import torch
        >>> from radfield_core import RayBundle
        >>> rays = RayBundle(*torch.ones(3, 1, 3).unbind(), *torch.ones(3, 1).unbind())
        >>> samples = RaySamples.from_edges(rays, torch.tensor([[0.0, 3.0, 5.0]]))
        >>> probabilities(samples, torch.tensor([4.0]), torch.tensor([1.0]))
        tensor([0.1586, 0.6827])
    """
    z, scale = samples.per_sample(depth), samples.per_sample(sigma) * math.sqrt(2.0)
    before, after = torch.erf((samples.t_starts - z) / scale), torch.erf((samples.t_ends - z) / scale)
    return 0.5 * (after - before)


def weights_divergence(samples: RaySamples, weights: Tensor, depth: Tensor, sigma: Tensor) -> Tensor:
    """Return (Σ p)² Σ [p log(p / w) − p + w] [R], the divergence of the weights from the distribution N(z, σ).

    If the weights and the probabilities of a ray both have the sum 1, this is the Kullback-Leibler divergence (DS-NeRF,
    equation 6, where the constant entropy of N is left out). It is at least 0, and 0 if w = p. The factor (Σ p)² is the
    squared share of N that the samples cover. Without it, a ray would lose all its density if an occupancy grid takes
    its surface for empty and leaves it out.

    Args:
        samples: N samples on R rays.
        weights: w [N].
        depth: z [R].
        sigma: σ [R].
    """
    p = probabilities(samples, depth, sigma)
    ratio = torch.log((p + EPSILON) / (weights + EPSILON))
    divergence = segments.sum((p + EPSILON) * ratio - p + weights, samples.layout).clamp_min(0.0)
    return segments.sum(p, samples.layout).square() * divergence


def line_of_sight(samples: RaySamples, weights: Tensor, depth: Tensor, sigma: Tensor) -> Tensor:
    """Return Σ (w − p)² [R] over the intervals that begin before z + 3 σ (Urban Radiance Fields, equations 12 and 13).

    Before the surface, p is 0, so the weights of empty space must vanish. Behind the surface, nothing is demanded. The
    arguments are those of `weights_divergence`.
    """
    p = probabilities(samples, depth, sigma)
    counted = samples.t_starts < samples.per_sample(depth + 3.0 * sigma)
    return segments.sum((weights - p).square() * counted, samples.layout)


def fitted_error(mean: Tensor, depth: Tensor, known: Tensor, images: Tensor, n_images: int) -> Tensor:
    """Return squared errors (a t + b − z)² / var(z) [R], with the best a and b for each image (MonoSDF, equation 11).

    a and b minimize the sum of the squared errors over the known rays of the image that are given. Dividing by the
    variance of z makes the error independent of the unit of z. An image with fewer than three known rays has no error.

    Args:
        mean: distances t of the model [R].
        depth: depths z [R], of unknown scale and shift.
        known: mask [R] of the rays whose z is known.
        images: number of the image of each ray [R] int64.
        n_images: number of images.
    """
    count = _sums(known.to(mean), images, n_images)
    weight = known.to(mean)

    def centered(x: Tensor) -> Tensor:
        return (x - (_sums(x * weight, images, n_images) / count.clamp_min(1.0))[images]) * weight

    t, z = centered(mean), centered(depth)
    with torch.no_grad():  # at the minimum, the derivatives with respect to a and b are 0
        spread = _sums(t.square(), images, n_images)
        slope = _sums(t * z, images, n_images) / spread.clamp_min(1e-12)
        variance = _sums(z.square(), images, n_images) / count.clamp_min(1.0)
        usable = (count >= 3) & (variance > 0)
        factor = torch.where(usable, 1.0 / variance.clamp_min(1e-12), 0.0)
    return (slope[images] * t - z).square() * factor[images]


def _sums(x: Tensor, images: Tensor, n_images: int) -> Tensor:
    return x.new_zeros(n_images).index_add(0, images, x)
