"""The model: isotropic Gaussians in space. A ray sees each of them at the point where it passes the center closest."""

import math

import torch
from torch import Tensor, nn

from acme_splats.config import SplatsConfig
from radfield_core import (
    Batch,
    BuildContext,
    Model,
    ModelOutputs,
    ProgressCallback,
    RayBundle,
    Rendered,
    Step,
    TrainedParameters,
    UsageError,
    View,
    view_rays,
)


class Splats(Model):
    """N Gaussians with a center, a size, an opacity and a color each. N grows from n_start to n_splats."""

    growing = ("centers", "log_sizes", "logits", "raw_colors", "pulls")
    pulls: Tensor  # sum of the gradients of each center since the last round of growth

    def __init__(self, config: SplatsConfig, ctx: BuildContext):
        super().__init__()
        if ctx.ndc or ctx.space is None:
            raise UsageError("the Gaussians need rays that are not warped", path="data.ndc", hint="data.ndc=false")
        self.config, self.space, n = config, ctx.space, config.n_start
        self.centers = nn.Parameter(ctx.bounds.center.float() + ctx.bounds.radius * (torch.rand(n, 3) - 0.5))
        self.log_sizes = nn.Parameter(torch.full((n,), math.log(0.1 * ctx.bounds.radius)))
        self.logits = nn.Parameter(torch.full((n,), -1.0))
        self.raw_colors = nn.Parameter(torch.zeros(n, 3))
        self.register_buffer("pulls", torch.zeros(n))

    def draw(self, rays: RayBundle, background: Tensor | None) -> Rendered:
        """Pixels of R rays that start at one camera, on a background [3] or [R, 3]."""
        offsets = self.centers - rays.origins[0]
        nearest_first = offsets.norm(dim=-1).argsort()
        offsets = offsets[nearest_first]
        t = rays.directions @ offsets.t()  # [R, N]: where the ray passes each center
        squared_distances = offsets.square().sum(-1) - t.square()
        falloff = torch.exp(-0.5 * squared_distances / torch.exp(2.0 * self.log_sizes[nearest_first]))
        alphas = torch.sigmoid(self.logits[nearest_first]) * falloff * (t > 0)
        transmitted = torch.cumprod(1.0 - alphas, dim=-1)
        weights = alphas * torch.cat([torch.ones_like(t[:, :1]), transmitted[:, :-1]], dim=-1)
        opacity = weights.sum(-1)
        rgb = weights @ torch.sigmoid(self.raw_colors[nearest_first])
        if background is not None:
            rgb = rgb + (1.0 - opacity)[:, None] * background.to(rgb)
        return Rendered(rgb, (weights * t).sum(-1), opacity)

    def forward(self, batch: Batch) -> ModelOutputs:
        """Draw the whole view of a batch."""
        assert batch.view is not None
        rays = view_rays(self.space, batch.view, device=self.centers.device)
        return ModelOutputs(self.draw(rays, batch.background), (), None, len(rays) * len(self.centers))

    @torch.no_grad()
    def render(
        self, view: View, background: Tensor | None = None, chunk: int = 4096, progress: ProgressCallback | None = None
    ) -> Rendered:
        """Draw a view, `chunk` rays at a time."""
        rays = view_rays(self.space, view, device=self.centers.device)
        behind = None if background is None else background.to(rays.origins).expand(len(rays), 3)
        drawn = []
        for start in range(0, len(rays), chunk):
            some = slice(start, start + chunk)
            drawn.append(self.draw(rays[some], None if behind is None else behind[some]))
            if progress is not None:
                progress(min(start + chunk, len(rays)), len(rays))
        rgb = torch.cat([each.rgb for each in drawn if each.rgb is not None])
        return Rendered(rgb, torch.cat([each.depth for each in drawn]), torch.cat([each.opacity for each in drawn]))

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """In each round of growth, drop transparent Gaussians and split those whose centers are pulled the most."""
        super().adapt(step, parameters)
        assert self.centers.grad is not None
        self.pulls += self.centers.grad.norm(dim=-1)
        rounds = self.config.n_rounds
        before, now = ((step.index + taken) * (rounds + 1) // step.max_steps for taken in (0, 1))
        if now == before or now > rounds:
            return
        kept = (torch.sigmoid(self.logits) > 0.02).nonzero()[:, 0]
        n = self.config.n_start + (self.config.n_splats - self.config.n_start) * now // rounds
        split = kept[self.pulls[kept].topk(min(max(n - len(kept), 0), len(kept))).indices]
        rows = torch.cat([kept, split])  # the old Gaussian that each new one comes from
        new = {name: getattr(self, name)[rows] for name in self.growing}
        sizes, noise = torch.exp(new["log_sizes"][len(kept) :, None]), step.generator("splits", rows.device)
        new["centers"][len(kept) :] += sizes * torch.randn(len(split), 3, generator=noise, device=rows.device)
        new["log_sizes"] -= math.log(1.6) * torch.isin(rows, split)
        new["pulls"].zero_()
        for name, value in new.items():
            parameters.replace(self, name, value, state=torch.cat([kept, torch.full_like(split, -1)]))

    def part_scalars(self) -> dict[str, Tensor]:
        """The number of Gaussians, for the log."""
        return {**super().part_scalars(), "splats": torch.tensor(len(self.centers))}
