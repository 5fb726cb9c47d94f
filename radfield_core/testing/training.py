"""A fast training run for tests: a scene that shows a ball, a small field, a method and a trainer.

The field and the optimizer use every kind of state that a checkpoint must store: buffers, the global random generators
of Python, numpy and torch, and counters in the optimizer's parameter groups.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radfield_core.builtin.config import ImportanceConfig, VolumeConfig
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.cameras import Cameras, project, visible
from radfield_core.config.run import TrainerConfig
from radfield_core.data.images import MemoryImages
from radfield_core.data.observations import Observations
from radfield_core.data.scene import Scene
from radfield_core.interfaces import BuildContext, Field, Method, Model
from radfield_core.model import LevelLoop
from radfield_core.rays import RaySpace, view_rays
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs.folder import RunFolder
from radfield_core.testing.toys import toy_cameras
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.log import TrainingLog
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer
from radfield_core.types import Batch, FieldOutputs, ModelOutputs, RayBundle, RaySamples, SceneBox, Step


def toy_scene(n_views: int = 6, size: int = 16) -> Scene:
    """Make a scene that shows a ball of radius 1. The cameras stand on a circle around the ball.

    The colors of the ball encode its normals. The images are RGBA with straight alpha.

    Example:
        >>> scene = toy_scene(3, size=8)
        >>> len(scene.cameras), tuple(scene.images[0].shape), scene.near, scene.far
        (3, (8, 8, 4), 2.0, 6.0)
    """
    cameras, space = toy_cameras(n_views, size), RaySpace(2.0, 6.0)
    images = torch.stack([_ball(space, cameras, view, size) for view in range(n_views)])
    return Scene(cameras, MemoryImages(images), 2.0, 6.0, SceneBox(torch.zeros(3), 1.5))


def with_surface(scene: Scene, n_points: int = 40) -> Scene:
    """Return the toy scene with the exact depths and normals of the ball, and with points that its views observe.

    Example:
        >>> scene = with_surface(toy_scene(3, size=8))
        >>> float(scene.depths[0].min()) >= 3.0, int(scene.observations.views.max())
        (True, 2)
    """
    space, depths, normals = RaySpace.of(scene), [], []
    for view in range(len(scene.cameras)):
        rays = view_rays(space, scene.cameras.view(view))
        t, inside = _closest(rays)
        distance = torch.where(inside > 0, t - inside.clamp_min(0.0).sqrt(), torch.inf)
        surface = rays.origins + distance.nan_to_num(posinf=0.0)[:, None] * rays.directions
        width, height = scene.cameras.sizes[view].tolist()
        depths.append(distance.view(height, width))
        normals.append((surface * (inside > 0)[:, None]).view(height, width, 3))
    points = nn.functional.normalize(torch.randn(n_points, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    return replace(scene, depths=depths, normals=normals, points=points, observations=_seen(scene, points))


def _seen(scene: Scene, points: Tensor) -> Observations:
    """Return the observations of points of the ball that face the camera."""
    views, numbers, pixels = [], [], []
    for index in range(len(scene.cameras)):
        view = scene.cameras.view(index)
        facing = (points * (view.c2w[:, 3].to(points) - points)).sum(-1) > 0
        found = (facing & visible(view, points)).nonzero()[:, 0]
        views.append(torch.full_like(found, index))
        numbers.append(found)
        pixels.append(project(view, points[found])[0])
    seen = torch.cat(views)
    return Observations(seen, torch.cat(numbers), torch.cat(pixels), torch.full((len(seen),), 0.02).double())


def _closest(rays: RayBundle) -> tuple[Tensor, Tensor]:
    """Return t [R] of the point of each ray that is nearest to the center, and 1 − its squared distance [R]."""
    t = -(rays.origins * rays.directions).sum(-1)
    return t, 1.0 - (rays.origins + t[:, None] * rays.directions).square().sum(-1)


def _ball(space: RaySpace, cameras: Cameras, view: int, size: int) -> Tensor:
    """Return the image [size, size, 4] uint8 of the ball as seen from one view."""
    rays = view_rays(space, cameras.view(view))
    t_closest, inside = _closest(rays)
    closest = rays.origins + t_closest[:, None] * rays.directions
    normals = closest - inside.clamp_min(0.0).sqrt()[:, None] * rays.directions
    hit = (inside > 0).to(normals)[:, None]
    pixels = torch.cat([(0.5 + 0.5 * normals) * hit, hit], -1)
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).view(size, size, 4)


class ToyField(Field):
    """A small perceptron that computes density and color from positions.

    Args:
        noise: True to add noise in training. The noise depends on every global random generator and on a counter, which
            is a buffer.
    """

    calls: Tensor

    def __init__(self, noise: bool = True):
        super().__init__()
        self.noise = noise
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 4))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return density [N] and rgb [N, 3] for N samples."""
        raw = self.layers(samples.positions())
        if self.training and self.noise:
            self.calls += 1.0
            draws = torch.rand(()) + random.random() + float(np.random.rand())  # noqa: NPY002, S311
            raw = raw + 1e-2 * draws + 1e-3 * torch.sin(self.calls)
        return FieldOutputs(rgb=torch.sigmoid(raw[:, 1:]), density=nn.functional.softplus(raw[:, 0]))


class CountingAdam(torch.optim.Adam):
    """Adam with a learning rate that shrinks as a step counter grows.

    The counter is stored in the parameter groups. Schedule-free optimizers store their counters there too.
    """

    def __init__(self, groups: list[dict[str, Any]]):
        super().__init__([{"count": 0, **group} for group in groups], betas=(0.9, 0.99))

    def step(self, closure: Any = None) -> Any:
        """Update the parameters once."""
        for group in self.param_groups:
            group["count"] += 1
            group["lr"] /= 1.0 + 1e-3 * group["count"]
        return super().step(closure)


class ToyMethod(Method):
    """A method that trains a toy field with the squared error of pixels on a random background.

    Args:
        noise: True to build the field with noise and to jitter the samples.
        spoil: function that returns True for each step whose loss shall be NaN.
    """

    def __init__(self, noise: bool = True, spoil: Callable[[Step], bool] = lambda step: False):
        super().__init__(None)
        self.noise, self.spoil = noise, spoil

    def build(self, ctx: BuildContext) -> Model:
        """Build a model from a `ToyField`, a sampler with stratified samples and the volume renderer."""
        sampler = Importance(ImportanceConfig(n_samples=8, n_importance=0, perturb=self.noise), ctx)
        return LevelLoop([ToyField(self.noise)], sampler, Volume(VolumeConfig(), ctx), space=ctx.space)

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        """Return background colors [n, 3]: random colors in training, and white in evaluation."""
        if step is None:
            return torch.ones(n, 3, device=device)
        return torch.rand(n, 3, generator=step.generator("background", device), device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Return the mean squared error of the pixels. In a step for which `spoil` returns True, return NaN instead."""
        assert outputs.rendered.rgb is not None
        squared = (outputs.rendered.rgb - batch.rgb).square().mean(-1)
        loss = squared.sum() / max(len(squared), 1)
        return {"rgb": loss * torch.nan if self.spoil(step) else loss}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group that contains all parameters."""
        return [{"name": "all", "params": list(model.parameters()), "lr": 1e-2}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return a `CountingAdam` for the given parameter groups."""
        return CountingAdam(groups)

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which the learning rate is multiplied. It decays from 1 at the start to 0.5 at the
        end."""
        return float(0.5**step.progress)


def toy_setup(method: ToyMethod | None = None, **options: Any) -> TrainingSetup:
    """Make the setup for training a method on the toy scene.

    Args:
        method: the method; by default, a `ToyMethod`.
        options: options of the table `[trainer]` of a config file.
    """
    config = TrainerConfig(**{"max_steps": 200, "n_rays": 64, "save_every": 50, "log_every": 50, **options})
    scene, method = toy_scene(), method or ToyMethod()
    context = BuildContext(scene.box, len(scene.cameras), max_steps=config.max_steps, space=RaySpace.of(scene))
    return TrainingSetup(config, method, context, PixelDrawer(scene, method, torch.device("cpu")))


def toy_trainer(
    folder: Path, method: ToyMethod | None = None, *, evaluation: QuickEvaluation | None = None, **options: Any
) -> Trainer:
    """Make a trainer for the toy scene. One training step takes about 2 ms.

    Args:
        folder: the run folder.
        method: the method; by default, a `ToyMethod`.
        evaluation: the evaluation of a few views that runs during training; by default, there is no evaluation.
        options: options of the table `[trainer]` of a config file.
    """
    setup, run = toy_setup(method, **options), RunFolder(folder)
    run.check_writable()
    return Trainer(setup, run, TrainingLog(run, setup.config, quiet=True), evaluation)
