"""Checks that a model's outputs have the right shapes and are finite. The errors name the faulty part."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.errors import PluginError, Problems, RadfieldError
from radfield_core.interfaces import Field, Model
from radfield_core.model import LevelLoop
from radfield_core.render.views import scaled
from radfield_core.runtime.interrupts import signals_unwrapped
from radfield_core.runtime.memory import is_out_of_memory
from radfield_core.train.setup import TrainingSetup
from radfield_core.types import FieldOutputs, Level, ModelOutputs, RaySamples, Rendered

RENDERED_PIXELS = 8  # longer side of the picture that is rendered as a check


@contextlib.contextmanager
def blamed_on(setup: TrainingSetup, message: str, *, when: bool) -> Iterator[None]:
    """Turn exceptions raised in the block into a PluginError that names the method and its distribution.

    Out-of-memory errors and errors about options are raised unchanged. With RADFIELD_DEBUG=1, unexpected exceptions are
    raised unchanged too, so that the user sees their traceback.

    Args:
        setup: the training setup, which contains the method.
        message: the first words of the error's message.
        when: if this is False, every exception is raised unchanged.
    """
    try:
        with signals_unwrapped():
            yield
    except PluginError as error:
        if not when:
            raise
        name = _method_name(setup)
        raise type(error)(
            problems=[each._replace(path=f"{name}: {each.path}" if each.path else name) for each in error.problems]
        ) from error
    except RadfieldError:
        raise
    except Exception as error:
        if not when or is_out_of_memory(error) or os.environ.get("RADFIELD_DEBUG") == "1":
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "Set RADFIELD_DEBUG=1 to see the traceback"
        raise PluginError(f"{message}: {text}", path=_method_name(setup), hint=hint) from error


def _method_name(setup: TrainingSetup) -> str:
    """Return the name of the method as `method:name (distribution)`. Without a run, return the method's class name."""
    if setup.context.run is None:
        return f"method {type(setup.method).__name__}"
    component = setup.context.run.method.component
    return f"{component.key} ({component.distribution})"


@contextlib.contextmanager
def fields_checked(model: nn.Module) -> Iterator[None]:
    """Inside the block, check the outputs of every field that is called.

    This reports faulty outputs before later code fails on them with a less helpful error.
    """
    hooks = [part.register_forward_hook(_check_field) for part in model.modules() if isinstance(part, Field)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_field(field: nn.Module, inputs: tuple[RaySamples], outputs: FieldOutputs) -> None:
    """Raise PluginError if outputs of a field have the wrong shape or are not finite."""
    problems, n = Problems(), inputs[0].n
    shapes = {"density": (n,), "alpha": (n,), "sdf": (n,), "rgb": (n, 3), "gradients": (n, 3), "normals": (n, 3)}
    for quantity, shape in shapes.items():
        _check_tensor(type(field).__name__, quantity, getattr(outputs, quantity), shape, problems)
    problems.raise_as(PluginError)


def check_stack(model: LevelLoop, outputs: ModelOutputs, n_rays: int, problems: Problems) -> None:
    """Check the samples, weights and pixels in each level of a model, and in each level of its background model."""
    for number, level in enumerate(outputs.levels):
        _check_level(model, level, number, n_rays, problems)
    if outputs.background is not None and model.background is not None:
        check_stack(model.background, outputs.background, n_rays, problems)


def _check_level(model: LevelLoop, level: Level, number: int, n_rays: int, problems: Problems) -> None:
    samples, n, prefix = level.samples, level.samples.n, f"level {number}: "
    sampler, renderer = type(model.sampler).__name__, type(model.renderer).__name__
    for quantity in ("t_starts", "t_ends", "t_eval"):
        _check_tensor(sampler, prefix + quantity, getattr(samples, quantity), (n,), problems)
    _check_tensor(renderer, f"{prefix}weights", level.weights, (n,), problems)
    if level.rendered is not None:
        _check_rendered(renderer, level.rendered, (n_rays,), problems, prefix)
    if samples.t_starts.shape == samples.t_ends.shape and bool((samples.t_ends < samples.t_starts).any()):
        problems.add(sampler, f"{prefix}an interval ends before it starts")


def check_model_outputs(name: str, outputs: object, pixels: Sequence[int], problems: Problems) -> None:
    """Check that a model, of any class, has returned ModelOutputs with one color for each pixel of the batch.

    Args:
        name: name of the model's class.
        outputs: the value that the model returned for a batch.
        pixels: shape of the batch's pixels, [R].
        problems: collection to which faults are added.
    """
    if not isinstance(outputs, ModelOutputs):
        problems.add(name, f"forward returned {type(outputs).__name__}, expected ModelOutputs")
        return
    if not isinstance(outputs.n_samples, int):
        problems.add(name, f"n_samples is {type(outputs.n_samples).__name__}, expected int")
    _check_rendered(name, outputs.rendered, tuple(pixels), problems)
    if outputs.rendered.rgb is None:
        problems.add(name, "forward rendered no color (rendered.rgb is None)")


def check_render(model: Model, view: View, problems: Problems) -> None:
    """Check that a model can render a small picture of a view. Evaluations render pictures too."""
    camera = scaled(view.camera, min(1.0, RENDERED_PIXELS / max(view.camera.width, view.camera.height)))
    model.eval()
    with torch.no_grad():
        rendered = model.render(dataclasses.replace(view, camera=camera))
    model.train()
    name = f"{type(model).__name__}.render"
    if not isinstance(rendered, Rendered):
        problems.add(name, f"returned {type(rendered).__name__}, expected Rendered")
        return
    _check_rendered(name, rendered, (camera.width * camera.height,), problems)
    if rendered.rgb is None:
        problems.add(name, "rendered no color (rgb is None)")


def _check_rendered(
    name: str, rendered: Rendered, pixels: tuple[int, ...], problems: Problems, prefix: str = ""
) -> None:
    shapes = {"rgb": (*pixels, 3), "depth": pixels, "opacity": pixels, "normals": (*pixels, 3)}
    for quantity, shape in shapes.items():
        _check_tensor(name, prefix + quantity, getattr(rendered, quantity), shape, problems)


def _check_tensor(name: str, quantity: str, value: Tensor | None, shape: tuple[int, ...], problems: Problems) -> None:
    if value is None:
        return
    if tuple(value.shape) != shape:
        problems.add(name, f"{quantity} has shape {list(value.shape)}, expected {list(shape)}")
    elif not bool(torch.isfinite(value).all()):
        problems.add(name, f"{quantity} is not finite on the first rays")
