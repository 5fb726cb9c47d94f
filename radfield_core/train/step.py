"""Losses and gradients of one training step. They are computed for the whole batch at once or in micro-batches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from radfield_core.config.schedules import Schedule
from radfield_core.interfaces import Method, Model
from radfield_core.model import added_losses, corrected_batch, map_colors
from radfield_core.ops import segments
from radfield_core.types import Batch, Step


class StepLosses(NamedTuple):
    """Losses of one training step.

    Attributes:
        terms: name -> loss, a scalar that is already multiplied by its weight.
        squared_error: mean squared error of the pixels. No gradient flows through it.
        n_rays: number of rays in the step, or number of pixels if the batch is a whole view.
        n_samples: number of samples on all these rays.
    """

    terms: dict[str, Tensor]
    squared_error: Tensor
    n_rays: int
    n_samples: int

    @property
    def total(self) -> Tensor:
        """The sum of the losses, as a scalar."""
        return torch.stack([term.reshape(()) for term in self.terms.values()]).sum()


class TrainStep(nn.Module):
    """Module that computes the losses of a batch.

    For data-parallel training, wrap this module, not the model. Some losses evaluate fields outside the model's
    `forward`, and a wrapper around the model would not notice these evaluations.

    Args:
        model: the model.
        method: the method of the run.
        weights: name -> weight of each loss that the run adds.
    """

    def __init__(self, model: Model, method: Method, weights: Mapping[str, Schedule] = MappingProxyType({})):
        super().__init__()
        self.model, self.method, self.weights = model, method, weights

    def forward(self, batch: Batch, step: Step) -> StepLosses:
        """Return the losses of a batch: those of the method, those of the model's parts, and those that the run
        adds."""
        batch = corrected_batch(self.model, batch)
        outputs = map_colors(self.model, self.method.forward(self.model, batch), batch)
        terms = dict(self.method.losses(outputs, batch, self.model, step))
        for name, loss in self.model.part_losses(outputs, batch, step).items():
            terms[name if name not in terms else f"part.{name}"] = loss
        for name, part in added_losses(self.model).items():
            values = part(outputs, batch, self.model, step)
            loss = self.weights[name].value(step) * (segments.mean(values.flatten()) if values.dim() else values)
            terms[name if name not in terms else f"losses.{name}"] = loss
        rgb = outputs.rendered.rgb
        assert rgb is not None  # the dry run has checked that the model renders a color
        squared_error = (rgb.detach() - batch.rgb).square().mean()
        return StepLosses(terms, squared_error, batch.rgb[..., 0].numel(), outputs.n_samples)


def backward(train_step: TrainStep, batch: Batch, step: Step, chunk: int | None = None) -> StepLosses:
    """Compute the losses of a batch, which are means over its rays, and accumulate their gradients.

    Args:
        train_step: the module that computes the losses, or a data-parallel wrapper around it.
        batch: rays or a whole view.
        step: the current step.
        chunk: number of rays per micro-batch; None computes the whole batch at once. Smaller micro-batches need less
            memory, but give the same losses and gradients.
    """
    n = len(batch.rays) if batch.rays is not None else 1
    if chunk is None or chunk >= n:
        losses: StepLosses = train_step(batch, step)
        torch.autograd.backward(losses.total)
        return losses._replace(terms={name: term.detach() for name, term in losses.terms.items()})
    sums: dict[str, Tensor] = {}
    squared_error, n_samples = torch.zeros((), device=batch.rgb.device), 0
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        share = (stop - start) / n
        part: StepLosses = train_step(batch[start:stop], step)
        torch.autograd.backward(part.total * share)
        for name, term in part.terms.items():
            sums[name] = sums.get(name, 0.0) + term.detach() * share
        squared_error += part.squared_error * share
        n_samples += part.n_samples
    return StepLosses(sums, squared_error, n, n_samples)
