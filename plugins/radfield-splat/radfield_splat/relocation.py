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
