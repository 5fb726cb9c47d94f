"""The check after building: a few rays and no samples at all, forwards and backwards, before any time is spent.

Mistakes of parts are found here and said in words: wrong shapes, values that are not finite, parameters that never
get a gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from radfield_core.errors import PluginError, Problems
from radfield_core.interfaces import BuildContext, Field, Method, Model
from radfield_core.model import LevelLoop
from radfield_core.runtime import randomness
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.step import StepLosses, TrainStep
from radfield_core.types import Batch, FieldOutputs, Level, ModelOutputs, RaySamples, Step

FEW_RAYS = 32
MANY_RAYS = 1024


class Findings(NamedTuple):
    """What the check found out: samples per ray of the untrained model, and warnings."""

    samples_per_ray: float
    warnings: list[str]


def dry_run(method: Method, context: BuildContext, drawer: PixelDrawer, seed: int) -> Findings:
    """Check a model of a method, built for the purpose and thrown away, so that nothing of the run is touched.

    Raises PluginError naming every part whose outputs have the wrong shape or are not finite, and every trainable
    parameter that gets no gradient.
    """
    step = Step(0, context.max_steps, seed)
    with randomness.undisturbed():
        randomness.seed_everything(seed)
        model = method.build(context).to(drawer.device).train()
        train_step = TrainStep(model, method)
        model.begin_step(step)
        model.refresh(step)
        batch = drawer.draw(step, FEW_RAYS)
        if batch.rays is not None:
            if isinstance(model, LevelLoop):
                _check_outputs(model, method, batch)
            _check_emptiness(train_step, batch, step)
        losses = train_step(batch, step)
        silent = _check_gradients(model, losses)
        if silent and batch.rays is not None:
            silent = _still_silent(train_step, drawer, step, silent)
    return Findings(
        losses.n_samples / losses.n_rays,
        [f"{name} got only zero gradients from {MANY_RAYS} rays; it may never start to learn" for name in silent],
    )


def _check_outputs(model: LevelLoop, method: Method, batch: Batch) -> None:
    """Shapes and finiteness of every level's samples, outputs, weights and pixels; also for no rays at all."""
    problems = Problems()
    fields = [part for part in model.modules() if isinstance(part, Field)]
    hooks = [field.register_forward_hook(_check_field) for field in fields]
    for rays in (batch, batch[0:0]):
        _check_stack(model, method.forward(model, rays), len(rays.rgb), problems)
    for hook in hooks:
        hook.remove()
    problems.raise_as(PluginError)


def _check_field(field: nn.Module, inputs: tuple[RaySamples], outputs: FieldOutputs) -> None:
    """Raise PluginError before what follows stumbles over a field's outputs."""
    problems, n = Problems(), inputs[0].n
    shapes = {"density": (n,), "alpha": (n,), "sdf": (n,), "rgb": (n, 3), "gradients": (n, 3), "normals": (n, 3)}
    for quantity, shape in shapes.items():
        _check_tensor(_name(field), quantity, getattr(outputs, quantity), shape, problems)
    problems.raise_as(PluginError)


def _check_tensor(part: str, quantity: str, value: Tensor | None, shape: tuple[int, ...], problems: Problems) -> None:
    if value is None:
        return
    if tuple(value.shape) != shape:
        problems.add(part, f"{quantity} has shape {list(value.shape)}, expected {list(shape)}")
    elif not bool(torch.isfinite(value).all()):
        problems.add(part, f"{quantity} is not finite on the first rays")


def _check_stack(model: LevelLoop, outputs: ModelOutputs, n_rays: int, problems: Problems) -> None:
    for number, level in enumerate(outputs.levels):
        _check_level(model, level, number, n_rays, problems)
    if outputs.background is not None and model.background is not None:
        _check_stack(model.background, outputs.background, n_rays, problems)


def _check_level(model: LevelLoop, level: Level, number: int, n_rays: int, problems: Problems) -> None:
    samples, n = level.samples, level.samples.n
    sampler, renderer = _name(model.sampler), _name(model.renderer)
    expected: list[tuple[str, str, Tensor | None, tuple[int, ...]]] = [
        (sampler, "t_starts", samples.t_starts, (n,)),
        (sampler, "t_ends", samples.t_ends, (n,)),
        (sampler, "t_eval", samples.t_eval, (n,)),
        (renderer, "weights", level.weights, (n,)),
    ]
    if level.rendered is not None:
        expected += [
            (renderer, "rgb", level.rendered.rgb, (n_rays, 3)),
            (renderer, "depth", level.rendered.depth, (n_rays,)),
            (renderer, "opacity", level.rendered.opacity, (n_rays,)),
            (renderer, "normals", level.rendered.normals, (n_rays, 3)),
        ]
    for part, quantity, value, shape in expected:
        _check_tensor(part, f"level {number}: {quantity}", value, shape, problems)
    if samples.t_starts.shape == samples.t_ends.shape and bool((samples.t_ends < samples.t_starts).any()):
        problems.add(sampler, f"level {number}: an interval ends before it starts")


def _check_emptiness(train_step: TrainStep, batch: Batch, step: Step) -> None:
    """Rays along which there is nothing to sample give finite losses and gradients: the mean of nothing is zero."""
    assert batch.rays is not None
    empty = dataclasses.replace(batch.rays, far=batch.rays.near)
    losses = train_step(dataclasses.replace(batch, rays=empty), step)
    problems = Problems()
    for name, term in losses.terms.items():
        if not bool(torch.isfinite(term)):
            problems.add(f"loss {name}", "is not finite for rays without samples", "radfield_core.ops.segments.mean")
    problems.raise_as(PluginError)
    if losses.total.requires_grad:
        losses.total.backward()
    for name, parameter in train_step.model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            problems.add(f"parameter {name}", "its gradient is not finite for rays without samples")
        parameter.grad = None
    problems.raise_as(PluginError)


def _check_gradients(model: Model, losses: StepLosses) -> list[str]:
    """Parts all of whose gradients are exactly zero. Raises PluginError for parameters that get none, or a bad one."""
    problems = Problems()
    if losses.total.requires_grad:
        losses.total.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            part = _name(model.get_submodule(name.rpartition(".")[0]))
            problems.add(
                f"parameter {name}", f"gets no gradient: no loss depends on it ({part})",
                "Part.losses of the part that brings it, or requires_grad=False",
            )  # fmt: skip
        elif parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            problems.add(f"parameter {name}", "its gradient is not finite on the first rays")
    problems.raise_as(PluginError)
    return [place for place, part in _fields(model) if _silent(part)]


def _still_silent(train_step: TrainStep, drawer: PixelDrawer, step: Step, silent: list[str]) -> list[str]:
    """Those of the fields that many more rays do not wake either; a few rays may all miss the scene."""
    for start in range(0, MANY_RAYS, FEW_RAYS * 4):
        batch = drawer.draw(dataclasses.replace(step, seed=step.seed + start + 1), FEW_RAYS * 4)
        losses = train_step(batch, step)
        if losses.total.requires_grad:
            losses.total.backward()
        fields = dict(_fields(train_step.model))
        silent = [place for place in silent if _silent(fields[place])]
        if not silent:
            break
    return silent


def _fields(model: Model) -> Iterator[tuple[str, nn.Module]]:
    if not isinstance(model, LevelLoop):
        return
    for number, field in enumerate(model.fields):
        yield f"fields.{number} ({_name(field)})", field
    if model.background is not None:
        yield from ((f"background.{place}", field) for place, field in _fields(model.background))


def _silent(part: nn.Module) -> bool:
    gradients = [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
    return bool(gradients) and not any(bool(gradient.any()) for gradient in gradients)


def _name(part: nn.Module) -> str:
    return type(part).__name__
