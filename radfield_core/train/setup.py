"""The training setup: the options, the method, the build context and the source of batches. It can build the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch

from radfield_core.config.run import RunConfig, TrainerConfig
from radfield_core.data.estimated_points import estimated_points
from radfield_core.data.scene import Scene
from radfield_core.interfaces import BuildContext, LiveRun, Method, Model, method_of
from radfield_core.model import build_context, build_model
from radfield_core.runs.live import live_run
from radfield_core.runtime import randomness
from radfield_core.train.batches import Draw, PixelDrawer
from radfield_core.train.extras import Extras
from radfield_core.train.first_weights import FirstFile, FirstWeights
from radfield_core.train.optimizers import make_optimizer
from radfield_core.train.step import TrainStep

RAYS_PER_CHUNK = 4096
"""Number of rays that are rendered at a time if the setup has no options of a run."""


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Everything that decides how a model is trained.

    Attributes:
        config: the `[trainer]` options.
        method: the run's method.
        context: the build context, which is passed to the constructors of the model's parts.
        drawer: the object that draws the batches. The model is placed on the same device as the batches.
        weights: weights of another run, or a file, that a new model starts with; None for random weights.
    """

    config: TrainerConfig
    method: Method
    context: BuildContext
    drawer: PixelDrawer
    weights: FirstWeights | FirstFile | None = None

    @staticmethod
    def of(run: RunConfig, scene: Scene, device: torch.device) -> TrainingSetup:
        """Return the setup of a run. `scene` is the training split."""
        method = method_of(run.method)
        drawer = PixelDrawer(scene, method, device, Extras.of(run, scene), Draw.of(run.trainer))
        context = replace(build_context(scene, run), estimate_points=cache(partial(estimated_points, scene)))
        return TrainingSetup(run.trainer, method, context, drawer)

    def live(self, model: Model, step: int) -> LiveRun:
        """Return what observers may do with a model of this setup after a number of training steps."""
        run = self.context.run
        chunk = RAYS_PER_CHUNK if run is None else run.eval.rays_per_chunk
        return live_run(model, self.method, self.drawer.scene, chunk, step, self.config.max_steps)

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimizer of the run for parameter groups."""
        return make_optimizer(self.config, self.method, groups)

    def build(self, seed: int) -> TrainStep:
        """Seed the global generators. Build a new model on the drawer's device, in training mode."""
        randomness.seed_everything(seed)
        model = build_model(self.method, self.context).to(self.drawer.device).train()
        if self.weights is not None:
            self.weights.set_in(model, self.drawer.scene.to_data)
        losses = {} if self.context.run is None else self.context.run.losses
        return TrainStep(model, self.method, {name: choice.config.weight for name, choice in losses.items()})
