"""From options to what runs: device, scenes, method and model; for training and for what comes after it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from radfield_core.capabilities import check
from radfield_core.checkpoint import State
from radfield_core.config.layers import compose
from radfield_core.errors import NoSuchSplit, StorageError, UsageError
from radfield_core.interfaces import DataParser, Method
from radfield_core.model import Model, build_context
from radfield_core.ops import backend
from radfield_core.registry import get_registry
from radfield_core.runs import RunFolder, find_run, load_state
from radfield_core.scene import Scene
from radfield_core.scene_transform import prepare_scene
from radfield_core.schema import RunConfig
from radfield_core.types import Step


class Scenes:
    """The splits of a run's data, each read once and prepared like the training split.

    left_out: split -> numbers of the views that the run does without.
    """

    def __init__(self, run: RunConfig, left_out: Mapping[str, Sequence[int]] | None = None):
        self.left_out = dict(left_out or {})
        self._config = run.scene
        self._parser: DataParser = run.data.load()(run.data.config)
        self._raw: dict[str, Scene] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the format has."""
        return self._parser.splits

    def get(self, split: str) -> Scene:
        """A split in scene coordinates. Raises UsageError for an unknown one, NoSuchSplit for an empty one."""
        if split not in self.splits:
            raise UsageError(f"the data has no split {split!r}", path="--split", hint=" or ".join(self.splits))
        return prepare_scene(self._parse(split), self._config, self._parse("train"))

    def leave_out(self, views: Mapping[str, Sequence[int]]) -> None:
        """Do without these views as well; numbers are those of the data, whatever was left out before."""
        for split, numbers in views.items():
            known = self.left_out.get(split, ())
            if set(numbers) - set(known):
                self.left_out[split] = sorted({*known, *numbers})
                self._raw.pop(split, None)

    def _parse(self, split: str) -> Scene:
        if split not in self._raw:
            scene = self._parser.parse(split)
            if out := self.left_out.get(split):
                scene = scene.only([view for view in range(len(scene.cameras)) if view not in set(out)])
            if len(scene.cameras) == 0:
                raise NoSuchSplit(f"split {split!r} has no images", path="data")
            self._raw[split] = scene
        return self._raw[split]


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


def choose_device(name: str, written: str = "trainer.device") -> torch.device:
    """The device that a name means, or the best for "auto"; `written` is the option that says so.

    Raises UsageError if it, or a backend asked for, is not there.
    """
    backend.requested()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reason = ""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):  # torch has others, such as meta, on which nothing runs
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
            return device
        except (RuntimeError, AssertionError) as error:
            reason = f": {str(error).splitlines()[0]}"
    there = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    raise UsageError(f"no device {name!r} here{reason}", path=written, hint=" or ".join(there))


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
