"""sampler:proposal, the sampler of mip-NeRF 360 (Barron et al. 2022, section 3).

Small density networks are evaluated first, one on each proposal level. Their weights tell where the samples of the next
level must be. The networks learn from the weights of the last level, by the interlevel loss, and not from the images.

Shapes: R rays, N samples, S intervals of the last level, B intervals of a proposal level.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from radfield_capture.proposal_config import ProposalConfig
from radfield_capture.spacing import Warp
from radfield_core import (
    Batch,
    BuildContext,
    Field,
    FieldOutputs,
    Level,
    ModelOutputs,
    ParameterGroup,
    RayBundle,
    RaySamples,
    Sampler,
    SceneBox,
    Step,
)
from radfield_core.ops import at_least_float32, segments, stepfun
from radfield_core.ops.activation import truncated_exp
from radfield_core.ops.contraction import contract
from radfield_core.ops.mlp import mlp


def contracts(config: ProposalConfig, ctx: BuildContext) -> bool:
    """Return True if space is contracted. Normalized device coordinates (NDC) are bounded already."""
    return config.contraction == "sphere" and not ctx.ndc


class ProposalField(Field):
    """Density of one proposal level: an encoding and a network with one hidden layer, without color.

    No gradient flows to the rays, because the interlevel loss must not move cameras.

    Args:
        config: options of the sampler.
        ctx: context with the scene's bounds; builds the encoding.

    Attributes:
        trains: False in steps that do not train the field. It then keeps no activations for a backward pass.
    """

    center: Tensor

    def __init__(self, config: ProposalConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.trains = True
        self.register_buffer("center", ctx.bounds.center.to(torch.float32).clone(), persistent=False)
        self.radius = ctx.bounds.radius
        self.contracted = contracts(config, ctx)
        bounds = SceneBox(torch.zeros(3), 2.0) if self.contracted else ctx.bounds
        self.encoding = replace(ctx, bounds=bounds).encoding(config.encoding, in_dim=3)
        sizes = [(config.width, self.encoding.out_dim), (1, config.width)]
        self.weights = nn.ParameterList([nn.init.xavier_uniform_(torch.empty(size)) for size in sizes])

    def begin_step(self, step: Step) -> None:
        """Decide whether this step trains the field. With usual options, it does where the log writes an entry."""
        due = (step.index + 1) % self.config.update_every == 0
        self.trains = due or step.index < max(1, self.config.update_warmup_steps)  # checks before a run use step 0

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Density [N] of all samples."""
        return FieldOutputs(density=self.density(samples.positions().detach()))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Density [M] at x [M, 3]. Covariances are ignored."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and (self.trains or not self.training)):
            if self.contracted:
                x = contract(x, self.center, self.radius)
            raw = mlp(self.encoding(x), list(self.weights))[:, 0]
            return truncated_exp(at_least_float32(raw) + self.config.density_bias)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The network's parameters, with the learning rate that the options set."""
        return [ParameterGroup("proposals", list(self.weights), lr=self.config.lr)]


class ProposalSampler(Sampler):
    """Intervals on several levels, of which all but the last are evaluated by small density networks.

    The first level has evenly spaced intervals. Each later level draws its edges from the weights of the level before
    it. In training, edges are random.

    Args:
        config: options.
        ctx: context of the run.
    """

    power: Tensor

    def __init__(self, config: ProposalConfig, ctx: BuildContext):
        super().__init__()
        self.config = config
        self.sizes = (*config.n_proposals, config.n_samples)
        self.n_levels = len(self.sizes)
        fields = [ProposalField(config, ctx) for _ in config.n_proposals]
        self.fields, self.own_fields = nn.ModuleList(fields), dict(enumerate(fields))
        self.bounds = None if contracts(config, ctx) else ctx.bounds
        self.footprint: Literal["cone", "cylinder"] = "cylinder" if ctx.ndc else "cone"
        self.spacing = Warp("linear" if ctx.ndc else config.spacing, ctx.bounds.radius)
        self.register_buffer("power", torch.ones(()), persistent=False)

    def begin_step(self, step: Step) -> None:
        """Set the power to which weights are raised before edges are drawn from them (mip-NeRF 360, equation 18)."""
        super().begin_step(step)
        slope, share = self.config.annealing, min(1.0, step.progress / self.config.annealing_end)
        self.power.fill_(1.0 if slope == 0 else slope * share / ((slope - 1.0) * share + 1.0))

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Near and far limits [R] of the rays. Without a contraction, they are clipped to the scene's bounds."""
        if self.bounds is None:
            return rays.near, rays.far
        enter, leave = self.bounds.intersect(rays)
        near = torch.maximum(rays.near, enter)
        return near, torch.maximum(torch.minimum(rays.far, leave), near)

    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return the intervals of one level. Their edges are random in training, and deterministic otherwise."""
        near, far = self.extent(rays)
        n = self.sizes[level] + 1
        if prev is None:
            s = torch.linspace(0.0, 1.0, n, dtype=near.dtype, device=near.device).expand(len(rays), -1)
            s = stepfun.stratify(s, self.generator(f"proposal/{level}", near.device)) if self.training else s
        else:
            s = self._resampled(self.spacing.shares(prev.samples.edges(), near, far), prev, n, level)
        return RaySamples.from_edges(rays, self.spacing.distances(s, near, far), self.footprint)

    def _resampled(self, s: Tensor, prev: Level, n: int, level: int) -> Tensor:
        """Draw n edges from the weights of the previous level, whose edges are s [R, B+1]. Return [R, n], ascending."""
        weights = prev.samples.dense(prev.weights).pow(self.power.to(s))
        weights = stepfun.blur_pool(weights, 0.0) if self.config.blur else weights
        if self.training:
            u = stepfun.stratified_u(s, n, self.generator(f"proposal/{level}", s.device))
        else:
            u = stepfun.even_u(s, n, end=1.0 - torch.finfo(s.dtype).eps)
        drawn = stepfun.invert_cdf(u, s, stepfun.mip_cdf(weights + self.config.padding))
        return drawn.cummax(-1).values  # rounding may exchange neighbors

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The interlevel loss of all proposal levels, a mean over rays. Empty in steps that do not train them."""
        *proposals, last = outputs.levels
        if not proposals or not self.own_fields[0].trains:
            return {}
        target, edges = last.samples.dense(last.weights).detach(), last.samples.edges()
        per_level = [interlevel(edges, target, p.samples.edges(), p.samples.dense(p.weights)) for p in proposals]
        per_ray = torch.stack(per_level).sum(0)
        return {"interlevel": self.config.loss.value(step) * segments.mean(per_ray)}


def interlevel(edges: Tensor, weights: Tensor, proposed_edges: Tensor, proposed: Tensor) -> Tensor:
    """Return the loss of proposed weights that are too small to cover the weights of the last level, for each ray.

    Where the last level has the weight w in an interval, the proposed intervals that overlap it must have at least the
    same weight together. The loss is Σ max(0, w − bound)² / w (mip-NeRF 360, equations 12 and 13).

    Args:
        edges: edges [R, S+1] of the last level.
        weights: weights [R, S] of the last level, which the proposals must cover. No gradient flows to them.
        proposed_edges: edges [R, B+1] of the proposal level.
        proposed: weights [R, B] of the proposal level.

    Returns:
        [R].

    Example:
        >>> edges, proposed_edges = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.0, 2.0]])
        >>> interlevel(edges, torch.tensor([[0.5, 0.25]]), proposed_edges, torch.tensor([[0.25]]))
        tensor([0.1250])
    """
    cumulative = torch.cat([torch.zeros_like(proposed[:, :1]), proposed.cumsum(-1)], -1)
    last = proposed_edges.shape[1] - 1
    proposed_edges = proposed_edges.contiguous()
    first = (torch.searchsorted(proposed_edges, edges[:, :-1].contiguous(), right=True) - 1).clamp(0, last)
    end = torch.searchsorted(proposed_edges, edges[:, 1:].contiguous()).clamp(0, last)
    bound = cumulative.gather(1, torch.maximum(end, first)) - cumulative.gather(1, first)
    missing = (weights - bound).clamp_min(0.0)
    return (missing.square() / (weights + torch.finfo(weights.dtype).eps)).sum(-1)
