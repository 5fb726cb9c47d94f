"""Open a trained run, to use its options, data, method and model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from radfield_core.config.run import RunConfig
from radfield_core.errors import StorageError
from radfield_core.interfaces import Method, Model, method_of
from radfield_core.model import build_context, build_model
from radfield_core.model.stored_shapes import take_shapes
from radfield_core.ops.backend import choose_device
from radfield_core.runs.checkpoint import State
from radfield_core.runs.folder import RunFolder, find_run, load_state, scene_name
from radfield_core.runs.notebook import as_html
from radfield_core.runs.scenes import Scenes
from radfield_core.runs.stored_run import stored_run
from radfield_core.types import Step

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Trained:
    """A run that was opened to evaluate, render or export it.

    Attributes:
        run: the options that the run was trained with.
        folder: the run's folder.
        scenes: the splits of the run's data.
        method: the run's method.
        model: the trained model, in evaluation mode.
        device: device of the model.
        step: number of steps that the model was trained for.
        checkpoint: the checkpoint that was loaded.
    """

    run: RunConfig
    folder: RunFolder
    scenes: Scenes
    method: Method
    model: Model
    device: torch.device
    step: int
    checkpoint: Path

    def _repr_html_(self) -> str:
        """Return the run as HTML, for notebooks: its facts, its curves, and its last strip of pictures."""
        facts = {
            "method": self.run.method.name, "data": self.run.data.name, "step": self.step, "folder": self.folder.path,
            "parameters": f"{sum(parameter.numel() for parameter in self.model.parameters()):,}",
        }  # fmt: skip
        return as_html(self.folder, f"{self.run.method.name} on {scene_name(self.run)}", facts)


def open_run(path: Path, device: str | None = None, data: Path | None = None) -> Trained:
    """Open a trained run. Log a warning for each damaged checkpoint that is newer than the loaded one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from radfield_core import compose, get_registry, open_run, train_run
        >>> data = ["type=synthetic", "resolution=8", "n_train=2", "n_val=1", "n_test=1"]
        >>> options = [f"data.{option}" for option in data] + ["trainer.max_steps=1", "trainer.n_rays=8"]
        >>> run = compose(get_registry(), method="tiny-nerf", overrides=options).run
        >>> with TemporaryDirectory() as folder:
        ...     outcome = train_run(run, out=Path(folder) / "run", quiet=True)
        ...     trained = open_run(outcome.folder)
        >>> trained.step, trained.run.method.name, trained.model.training
        (1, 'tiny-nerf', False)

    Args:
        path: a run folder or one of its checkpoints.
        device: "cpu", "cuda", "cuda:N" or "auto". By default, it is the device that the run was trained on.
        data: the place of the run's data, if they were moved. Only images are read from them: the cameras are stored.

    Returns:
        The run, with its model ready to be evaluated, rendered or exported.

    Raises:
        UsageError: there is no run at the path, or no such device.
        StorageError: no checkpoint of the run can be loaded.
    """
    folder, chosen = find_run(path)
    run = stored_run(folder, data)
    state, checkpoint, skipped = load_state(folder, chosen)
    for line in skipped:
        logger.warning(line)
    target = choose_device(device or run.trainer.device, "--device" if device else "trainer.device")
    scenes = Scenes(run, folder.left_out(), folder)
    method = method_of(run.method)
    model = build_model(method, build_context(scenes.views("train"), run)).to(target)
    load_weights(model, state, folder)
    last_step = Step(max(state.step - 1, 0), run.trainer.max_steps, run.trainer.seed)
    scenes.fit_to(model)
    model.begin_step(last_step)  # sets schedules to the last step that was trained
    return Trained(run, folder, scenes, method, model.eval(), target, state.step, checkpoint)


def load_weights(model: Model, state: State, folder: RunFolder, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Set a model's parameters and buffers. Raises StorageError with the names of tensors that do not fit.

    Parameters that parts name in `growing` take the shapes that they have in the state. An optimizer of the model then
    trains the new parameters.
    """
    try:
        take_shapes(model, state.model, optimizer)
        model.load_state_dict(dict(state.model), strict=True)
    except Exception as error:  # RuntimeError; tensors of a stranger may fail in other ways
        text = " ".join(str(error).split())
        raise StorageError(
            f"the checkpoint does not fit its config: {text:.2000}",
            path=str(folder.path),
            hint="Install the plugin versions that its plugins.json names",
        ) from error
