"""Relocation of Gaussians (Kheradmand et al. 2024, 3D Gaussian Splatting as Markov Chain Monte Carlo).

A Gaussian becomes n copies, which together look like it. So a Gaussian of no use can move to one that is of use.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import BuildContext, Step
from radfield_splat.config import SplatConfig
from radfield_splat.gaussians import Gaussians

MAX_COPIES = 51
"""Gaussians that are copied more often are treated as if they were copied this often, as in the paper's code."""

_SPREAD = 0.5
_FEW = 5  # A Gaussian that fewer steps show is treated as if it had this many, so that one view does not decide.


def most_gaussians(config: SplatConfig, ctx: BuildContext) -> int:
    """Return the largest number of Gaussians: the option's, or fewer if the training images are small."""
    if ctx.cameras is None or not config.max_per_pixel:
        return config.max_gaussians
    pixels = float(ctx.cameras.sizes.prod(-1).median())
    return max(1, min(config.max_gaussians, int(config.max_per_pixel * pixels)))


def number_of_gaussians(config: SplatConfig, step: Step, most: int | None = None) -> int:
    """Return the number of Gaussians after a step. It grows by a constant factor per step.

    Args:
        config: the options.
        step: the step.
        most: number of Gaussians after the growth; None takes that of the options.

    Example:
        >>> config = SplatConfig(start_gaussians=100, max_gaussians=400, grow_until=0.5)
        >>> [number_of_gaussians(config, Step(index, 100, 0)) for index in (0, 24, 49, 99)]
        [102, 200, 400, 400]
    """
    last = config.grow_until * step.max_steps
    share = min(1.0, (step.index + 1) / last) if last else 1.0
    end = config.max_gaussians if most is None else most
    start = min(config.start_gaussians, end)
    return int(start * (end / start) ** share + 1e-6)


def noted(pulls: Tensor, gradient: Tensor, means: Tensor, camera: Tensor) -> Tensor:
    """Return `pulls` after a step: the sum of the gradients' lengths in the image, and the number of steps [N, 2].

    An image changes with the direction to a Gaussian, so the gradient for its place in the image is the one for its
    mean, times its distance. The focal length is left out. Only steps count whose view shows the Gaussian.

    Args:
        pulls: [N, 2] before the step.
        gradient: gradients of the loss for the means [N, 3].
        means: [N, 3].
        camera: position of the camera [3].

    Example:
        >>> gradient = torch.tensor([[0.0, 3.0, 4.0], [0.0, 0.0, 0.0]])
        >>> noted(torch.zeros(2, 2), gradient, torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), torch.zeros(3))
        tensor([[10.,  1.],
                [ 0.,  0.]])
    """
    distances = (means - camera.to(means)).norm(dim=-1)
    return pulls + torch.stack([gradient.norm(dim=-1) * distances, (gradient != 0).any(-1).to(pulls)], -1)


def mean_pulls(pulls: Tensor) -> Tensor:
    """Return the mean gradient of each Gaussian's place in the image [N]. Gaussians that few steps show get less.

    Args:
        pulls: what `noted` returns [N, 2].
    """
    return pulls[:, 0] / pulls[:, 1].clamp_min(_FEW)


def far_factors(means: Tensor, center: Tensor, distance: float) -> Tensor:
    """Return by how much a pixel is larger at the means than at the middle of the scene [N, 1], and at least 1.

    Args:
        means: [N, 3].
        center: the middle of the scene [3].
        distance: distance of the cameras from the middle.

    Example:
        >>> far_factors(torch.tensor([[1.0, 0.0, 0.0], [0.0, 6.0, 0.0]]), torch.zeros(3), 2.0)
        tensor([[1.],
                [3.]])
    """
    factors: Tensor = (means - center.to(means)).norm(dim=-1, keepdim=True) / distance
    return factors.clamp_min(1.0)


def divided(logits: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Return opacity logits [N], and the logarithms [N] of the factors of the scales, for Gaussians that become copies.

    With n copies, the opacity o becomes o' = 1 − (1 − o)^(1/n), and the scales are multiplied by
    o / Σ_{i=1..n} Σ_{k=0..i−1} C(i−1, k) (−1)^k o'^(k+1) / √(k+1)     (eq. 9 of the paper).

    Args:
        logits: opacity logits [N].
        copies: number of copies that a Gaussian becomes [N]; 1 changes nothing.
    """
    n = copies.clamp_max(MAX_COPIES)
    opacity = logits.to(torch.float64).sigmoid()
    each = -torch.expm1(torch.log1p(-opacity) / n)
    # Σ_{i=k+1..n} C(i−1, k) = C(n, k+1), so one sum remains.
    k = torch.arange(1, MAX_COPIES + 1, dtype=torch.float64, device=logits.device)
    table = torch.tensor(
        [
            [math.comb(n, j) * (-1) ** (j + 1) / math.sqrt(j) for j in range(1, MAX_COPIES + 1)]
            for n in range(MAX_COPIES + 1)
        ],
        dtype=torch.float64,
        device=logits.device,
    )
    total = torch.zeros_like(opacity)
    several = (n > 1).nonzero()[:, 0]
    total[several] = (table[n[several]] * each[several, None] ** k).sum(-1)
    shrink = torch.where(n > 1, (opacity / total.clamp_min(1e-12)).log(), 0.0)
    new = torch.where(n > 1, each.clamp(0.005, 1 - 1e-6).logit(), opacity.logit())
    return torch.where(n > 1, new.to(logits), logits), shrink.to(logits)


def offsets(gaussians: Gaussians, generator: torch.Generator) -> Tensor:
    """Return random offsets [N, 3], drawn from the Gaussians themselves at half their size, to separate copies."""
    noise = torch.randn(gaussians.means.shape, generator=generator, device=gaussians.means.device)
    local = _SPREAD * gaussians.log_scales.exp() * noise
    w, xyz = gaussians.quaternions[:, :1], gaussians.quaternions[:, 1:]
    length = gaussians.quaternions.norm(dim=-1, keepdim=True)
    w, xyz = w / length, xyz / length
    turned: Tensor = torch.linalg.cross(xyz, local)
    twice: Tensor = torch.linalg.cross(xyz, turned)
    result: Tensor = local + 2 * (w * turned + twice)
    return result
