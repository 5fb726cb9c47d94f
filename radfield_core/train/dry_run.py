"""The dry run: a check of the model before training, with a forward and a backward pass of a few rays.

The dry run finds faults of parts before any time is spent on training: wrong shapes, values that are not finite, and
parameters that never get a gradient. It also tries rays without samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from radfield_core.errors import PluginError, Problems
from radfield_core.interfaces import Method, Model, TrainedParameters
from radfield_core.model import LevelLoop, corrected_batch
from radfield_core.model.answers import check_answers
from radfield_core.runtime import randomness
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.blame import blamed
from radfield_core.train.groups import Groups
from radfield_core.train.output_checks import check_model_outputs, check_render, check_stack, fields_checked
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.step import StepLosses, TrainStep
from radfield_core.types import Batch, Step

FEW_RAYS = 32
MANY_RAYS = 1024


class Findings(NamedTuple):
    """Results of the dry run.

    Attributes:
        samples_per_ray: mean number of samples per ray, measured on the untrained model.
        warnings: one message for each field that may never start to learn.
    """

    samples_per_ray: float
    warnings: list[str]


def dry_run(setup: TrainingSetup) -> Findings:
    """Build a model, check it and discard it. This has no effect on the run.

    Raises:
        PluginError: outputs have the wrong shape or are not finite, or a trainable parameter gets no gradient. The
            error names every faulty part, or the method if it builds a model of its own class.
    """
    step = Step(0, setup.context.max_steps, setup.config.seed)
    with randomness.undisturbed():
        with blamed(setup, "building the model failed", on_method=type(setup.method).build is not Method.build):
            train_step = setup.build(setup.config.seed)
        if setup.context.run is not None:
            check_answers(train_step.model, setup.context.run.method.component)
        with blamed(setup, "the first step failed", on_method=not isinstance(train_step.model, LevelLoop)):
            return _check_model(train_step, setup, step)


def _check_model(train_step: TrainStep, setup: TrainingSetup, step: Step) -> Findings:
    """Take one training step without an optimizer, and check every result."""
    model, drawer = train_step.model, setup.drawer
    model.begin_step(step)
    model.refresh(step)
    batch = drawer.draw(step, FEW_RAYS)
    _check_outputs(model, setup, batch)
    if batch.rays is not None:
        _check_rays_without_samples(train_step, batch, step)
    losses = train_step(batch, step)
    _check_losses(losses)
    silent = _check_gradients(model, losses)
    optimizer = setup.optimizer(Groups(setup.method, model).tables)
    with torch.no_grad():
        model.adapt(step, TrainedParameters(model, optimizer))
    if silent and batch.rays is not None:
        silent = _still_silent(train_step, drawer, step, silent)
    warnings = [f"{name} got only zero gradients from {MANY_RAYS} rays; it may never start to learn" for name in silent]
    return Findings(losses.n_samples / losses.n_rays, warnings)


def _check_outputs(model: Model, setup: TrainingSetup, batch: Batch) -> None:
    """Check that all outputs of the model have the right shape and are finite.

    If the batch consists of rays, the model is called a second time with an empty batch.
    """
    problems = Problems()
    for part in (batch,) if batch.rays is None else (batch, batch[0:0]):
        with fields_checked(model):
            outputs = setup.method.forward(model, corrected_batch(model, part))
        if isinstance(model, LevelLoop):
            check_stack(model, outputs, len(part.rgb), problems)
        else:
            check_model_outputs(type(model).__name__, outputs, part.rgb.shape[:-1], problems)
    if not isinstance(model, LevelLoop):
        check_render(model, setup.drawer.scene.cameras.view(0), problems)
    problems.raise_as(PluginError)


def _check_rays_without_samples(train_step: TrainStep, batch: Batch, step: Step) -> None:
    """Check that losses and gradients are finite for rays without samples. A mean over zero samples must return 0."""
    assert batch.rays is not None
    empty = dataclasses.replace(batch.rays, far=batch.rays.near)
    losses = train_step(dataclasses.replace(batch, rays=empty), step)
    problems = Problems()
    for name, term in losses.terms.items():
        if not bool(torch.isfinite(term).all()):
            problems.add(
                f"loss {name}",
                "is not finite for rays without samples",
                "Take the mean with radfield_core.ops.segments.mean, which returns 0 if there are no samples",
            )
    problems.raise_as(PluginError)
    _backward(losses)
    for name, parameter in train_step.model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            problems.add(f"parameter {name}", "its gradient is not finite for rays without samples")
        parameter.grad = None
    problems.raise_as(PluginError)


def _check_losses(losses: StepLosses) -> None:
    """Check that there is at least one loss, and that every loss is a finite scalar."""
    problems = Problems()
    if not losses.terms:
        problems.add("method", "returns no losses", "Return at least one loss from Method.losses")
    for name, term in losses.terms.items():
        if term.numel() != 1:
            problems.add(f"loss {name}", f"has shape {list(term.shape)}, expected a scalar")
        elif not bool(torch.isfinite(term)):
            problems.add(f"loss {name}", "is not finite on the first rays")
    problems.raise_as(PluginError)


def _check_gradients(model: Model, losses: StepLosses) -> list[str]:
    """Check that every trainable parameter gets a finite gradient.

    Returns:
        The names of the fields whose gradients are all exactly zero.
    """
    problems = Problems()
    _backward(losses)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            part = type(model.get_submodule(name.rpartition(".")[0])).__name__
            problems.add(
                f"parameter {name}",
                f"gets no gradient: no loss depends on it ({part})",
                "In losses() of its part, return a loss that depends on the parameter, or set requires_grad=False",
            )
        elif parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            problems.add(f"parameter {name}", "its gradient is not finite on the first rays")
    problems.raise_as(PluginError)
    return [name for name, field in _fields(model) if _is_silent(field)]


def _still_silent(train_step: TrainStep, drawer: PixelDrawer, step: Step, silent: list[str]) -> list[str]:
    """Check the fields in `silent` again with `MANY_RAYS` rays. Return the fields that still get only zero gradients.

    This is needed because the few rays of the first check may all have missed the scene.
    """
    chunk = 4 * FEW_RAYS
    for start in range(0, MANY_RAYS, chunk):
        batch = drawer.draw(dataclasses.replace(step, seed=step.seed + start + 1), chunk)
        _backward(train_step(batch, step))
        fields = dict(_fields(train_step.model))
        silent = [name for name in silent if _is_silent(fields[name])]
        if not silent:
            break
    return silent


def _backward(losses: StepLosses) -> None:
    """Accumulate the gradients of the losses. If the losses do not depend on any parameter, do nothing."""
    if losses.total.requires_grad:
        torch.autograd.backward(losses.total)


def _fields(model: Model) -> Iterator[tuple[str, nn.Module]]:
    """Yield the name and the module of each field of a model and of its background model.

    A model of another class than LevelLoop counts as a single field.
    """
    if not isinstance(model, LevelLoop):
        yield f"model ({type(model).__name__})", model
        return
    for number, field in enumerate(model.fields):
        yield f"fields.{number} ({type(field).__name__})", field
    if model.background is not None:
        yield from ((f"background.{path}", field) for path, field in _fields(model.background))


def _is_silent(part: nn.Module) -> bool:
    """True if a module has gradients and all of them are exactly zero."""
    gradients = [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
    return bool(gradients) and not any(bool(gradient.any()) for gradient in gradients)
