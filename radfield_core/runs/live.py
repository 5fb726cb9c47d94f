"""A model as an observer sees it, during training or afterward."""

from __future__ import annotations

import torch

from radfield_core.cameras import View
from radfield_core.data.scene import Scene
from radfield_core.interfaces import LiveRun, Method, Model, ObservedRun
from radfield_core.render.look import Look
from radfield_core.render.views import render_view
from radfield_core.runs.trained import Trained
from radfield_core.types import Rendered


def live_run(model: Model, method: Method, scene: Scene, chunk: int, step: int, max_steps: int) -> LiveRun:
    """Return what an observer may do with a model. The model must be in evaluation mode when it is rendered.

    Args:
        model: the model.
        method: the method that chooses the background.
        scene: the training split.
        chunk: number of rays that are rendered at a time.
        step: number of training steps done.
        max_steps: number of training steps of the run.
    """

    def render(
        view: View, background: tuple[float, float, float] | None = None, box: tuple[float, ...] | None = None
    ) -> Rendered:
        with torch.no_grad():
            return render_view(model, method, scene, view, chunk, None, Look(background=background, box=box))

    return LiveRun(step, max_steps, render)


def observed(trained: Trained) -> tuple[ObservedRun, LiveRun]:
    """Return a trained run as an observer sees it."""
    scene = trained.scenes.views("train")
    chunk, steps = trained.run.eval.rays_per_chunk, trained.run.trainer.max_steps
    live = live_run(trained.model, trained.method, scene, chunk, trained.step, steps)
    return ObservedRun(trained.run, trained.folder.path, scene, trained.step), live
