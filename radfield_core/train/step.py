"""One step's losses and gradients: from a batch, whole or in micro-batches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from radfield_core.interfaces import Method, Model
from radfield_core.types import Batch, Step


class StepLosses(NamedTuple):
    """Weighted losses by name, the mean squared error of the pixels (no gradient), and the rays and samples it took."""

    terms: dict[str, Tensor]
    squared_error: Tensor
    n_rays: int
    n_samples: int

    @property
    def total(self) -> Tensor:
        """The sum of the losses."""
        return torch.stack([term.reshape(()) for term in self.terms.values()]).sum()


class TrainStep(nn.Module):
    """Batch -> losses: what a data-parallel wrapper wraps, so that field queries inside losses are seen."""

    def __init__(self, model: Model, method: Method):
        super().__init__()
        self.model, self.method = model, method

    def forward(self, batch: Batch, step: Step) -> StepLosses:
        """The method's losses, and those that the parts bring for their own parameters."""
        outputs = self.method.forward(self.model, batch)
        terms = dict(self.method.losses(outputs, batch, self.model, step))
        for name, loss in self.model.part_losses(outputs, batch, step).items():
            terms[name if name not in terms else f"part.{name}"] = loss
        rgb = outputs.rendered.rgb
        assert rgb is not None  # the model saw to it
        squared_error = (rgb.detach() - batch.rgb).square().mean()
        return StepLosses(terms, squared_error, batch.rgb[..., 0].numel(), outputs.n_samples)


def backward(train_step: TrainStep, batch: Batch, step: Step, chunk: int | None = None) -> StepLosses:
    """Losses and gradients of a batch as means over its rays, `chunk` rays at a time; None takes all at once."""
    n = len(batch.rays) if batch.rays is not None else 1
    if chunk is None or chunk >= n:
        losses: StepLosses = train_step(batch, step)
        losses.total.backward()
        return losses._replace(terms={name: term.detach() for name, term in losses.terms.items()})
    sums: dict[str, Tensor] = {}
    squared_error, n_samples = torch.zeros((), device=batch.rgb.device), 0
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        share = (stop - start) / n
        part: StepLosses = train_step(batch[start:stop], step)
        (part.total * share).backward()
        for name, term in part.terms.items():
            sums[name] = sums.get(name, 0.0) + term.detach() * share
        squared_error += part.squared_error * share
        n_samples += part.n_samples
    return StepLosses(sums, squared_error, n, n_samples)
