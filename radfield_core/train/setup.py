"""Everything that training needs: options, method, build context and batches, and the model built from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from radfield_core.config.run import RunConfig, TrainerConfig
from radfield_core.data.scene import Scene
from radfield_core.interfaces import BuildContext, Method
from radfield_core.model import build_context
from radfield_core.runtime import randomness
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.step import TrainStep


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Everything that decides how a model is trained.

    Attributes:
        config: the `[trainer]` options.
        method: the run's method.
        context: passed to the constructors of the model's parts.
        drawer: draws the batches; its device is the model's device.
    """

    config: TrainerConfig
    method: Method
    context: BuildContext
    drawer: PixelDrawer

    @staticmethod
    def of(run: RunConfig, scene: Scene, device: torch.device) -> TrainingSetup:
        """The setup of a run whose training split is `scene`."""
        method: Method = run.method.load()(run.method.config)
        return TrainingSetup(run.trainer, method, build_context(scene, run), PixelDrawer(scene, method, device))

    def build(self, seed: int) -> TrainStep:
        """Seed the global generators and build a new model, on the drawer's device and in training mode."""
        randomness.seed_everything(seed)
        model = self.method.build(self.context).to(self.drawer.device).train()
        return TrainStep(model, self.method)
