"""Checks that a model's outputs have the right shapes and are finite. The errors name the faulty part."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.errors import PluginError, Problems
from radfield_core.interfaces import Field, Model
from radfield_core.model import LevelLoop
from radfield_core.ops.backend import device_of
from radfield_core.render.views import scaled
from radfield_core.types import FieldOutputs, Level, ModelOutputs, RaySamples, Rendered

RENDERED_PIXELS = 8  # longer side of the picture that is rendered as a check


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
    if isinstance(outputs.rendered, Rendered) and outputs.rendered.rgb is None:
        problems.add(name, "forward rendered no color (rendered.rgb is None)")


def check_render(model: Model, view: View, problems: Problems) -> None:
    """Check that a model can render a small picture of a view. Evaluations render pictures too."""
    camera = scaled(view.camera, min(1.0, RENDERED_PIXELS / max(view.camera.width, view.camera.height)))
    model.eval()
    with torch.no_grad():
        rendered = model.render(
            dataclasses.replace(view, camera=camera), torch.ones(3, device=device_of(model)), 16, None
        )
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
    if not isinstance(rendered, Rendered):
        problems.add(name, f"{prefix}rendered is {type(rendered).__name__}, expected Rendered")
        return
    for quantity in ("depth", "opacity"):
        if getattr(rendered, quantity) is None:
            problems.add(name, f"{prefix}{quantity} is None, expected one number for each pixel")
    shapes = {"rgb": (*pixels, 3), "depth": pixels, "opacity": pixels, "normals": (*pixels, 3)}
    for quantity, shape in shapes.items():
        _check_tensor(name, prefix + quantity, getattr(rendered, quantity), shape, problems)


def _check_tensor(name: str, quantity: str, value: Tensor | None, shape: tuple[int, ...], problems: Problems) -> None:
    if value is None:
        return
    if not isinstance(value, Tensor):
        problems.add(name, f"{quantity} is {type(value).__name__}, expected Tensor")
    elif not value.is_floating_point():
        problems.add(name, f"{quantity} has dtype {value.dtype}, expected a floating-point dtype such as torch.float32")
    elif tuple(value.shape) != shape:
        problems.add(name, f"{quantity} has shape {list(value.shape)}, expected {list(shape)}")
    elif not bool(torch.isfinite(value).all()):
        problems.add(name, f"{quantity} is not finite on the first rays")
