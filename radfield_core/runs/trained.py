"""From options to what runs: device, scenes, method and model; for training and for what comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import StorageError
from radfield_core.interfaces import Method, Model
from radfield_core.model import build_context
from radfield_core.ops.backend import choose_device
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.checkpoint import State
from radfield_core.runs.folder import RunFolder, find_run, load_state
from radfield_core.runs.scenes import Scenes
from radfield_core.types import Step


@dataclass(frozen=True, eq=False)
class Trained:
    """A run read back: its options, folder, data, method, model in evaluation mode, and the step it is at."""

    run: RunConfig
    folder: RunFolder
    scenes: Scenes
    method: Method
    model: Model
    device: torch.device
    step: int
    checkpoint: Path
    remarks: tuple[str, ...]


def stored_run(folder: RunFolder) -> RunConfig:
    """The options that a run was stored with."""
    run = compose(get_registry(), file=folder.config).run
    check(run, get_registry())
    return run


def open_run(path: Path, device: str | None = None) -> Trained:
    """The model of a run folder or checkpoint, ready to be evaluated, rendered or exported.

    Raises UsageError if the path is no run, StorageError if it holds no checkpoint that can be read.
    """
    folder, chosen = find_run(path)
    run = stored_run(folder)
    state, checkpoint, skipped = load_state(folder, chosen)
    target = choose_device(device or run.trainer.device, "--device" if device else "trainer.device")
    scenes = Scenes(run, folder.left_out())
    method: Method = run.method.load()(run.method.config)
    model = method.build(build_context(scenes.get("train"), run)).to(target)
    load_weights(model, state, folder)
    last = max(state.step - 1, 0)  # what is scheduled, as the last step had it
    model.begin_step(Step(last, run.trainer.max_steps, run.trainer.seed))
    return Trained(run, folder, scenes, method, model.eval(), target, state.step, checkpoint, tuple(skipped))


def load_weights(model: Model, state: State, folder: RunFolder) -> None:
    """Set a model's parameters and buffers. Raises StorageError naming what does not fit."""
    try:
        model.load_state_dict(dict(state.model), strict=True)
    except RuntimeError as error:
        text = " ".join(str(error).split())
        raise StorageError(
            f"the checkpoint does not fit its config: {text}", path=str(folder.path),
            hint="the versions of plugins that its plugins.json names",
        ) from error  # fmt: skip
