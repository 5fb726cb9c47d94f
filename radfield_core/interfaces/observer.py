"""Observers, such as loggers, follow a run and never change its training. A config lists the observers of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radfield_core.errors import UsageError

if TYPE_CHECKING:
    from radfield_core.cameras import View
    from radfield_core.config.run import RunConfig
    from radfield_core.data.scene import Scene
    from radfield_core.types import Rendered


@dataclass(frozen=True, eq=False)
class ObservedRun:
    """The run that an observer listens to.

    Attributes:
        config: the options of the run.
        folder: the run's folder, in which the observer may create files of its own.
        scene: the training split.
        step: number of training steps that are already done. It is 0 for a new run.
    """

    config: RunConfig
    folder: Path
    scene: Scene
    step: int

    @property
    def hyperparameters(self) -> dict[str, bool | int | float | str]:
        """All options of the run as dotted name -> value, in the order of the config file.

        A value that is not a number or a text is given as the text that a config file contains.
        """
        import tomllib

        from radfield_core.config.files import dump

        return dict(_flat(tomllib.loads(dump(self.config))))


Color = tuple[float, float, float]
Box = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LiveRun:
    """A model to look at, between two training steps or after training.

    Attributes:
        step: number of training steps done.
        max_steps: number of training steps of the run.
        render: function that renders a view. `render(view, background, box)` returns the pixels [H·W, …] of a
            `radfield_core.View`, whose pose is in scene coordinates. `background` is a color in [0, 1], or None for the
            one that evaluation uses. `box` is the smallest x, y and z and the largest x, y and z of the part to render,
            in the data's own coordinates, or None for everything.
    """

    step: int
    max_steps: int
    render: Callable[[View, Color | None, Box | None], Rendered]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool | int | float | str]]:
    """Yield the dotted names and the values of a table and of the tables in it."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, (bool, int, float, str)) else str(value)


Pictures = Mapping[str, Mapping[str, np.ndarray]]
"""Name of a view -> kind of picture -> picture [H, W, 3] uint8. `radfield_core.render.pictures` lists the kinds."""


class Observer:
    """A listener of one run. Constructed as `Observer(config)`.

    A run lists its observers by name: `[observers.tb]` in a config file, or `observers.tb=tensorboard` on the command
    line. If a method of an observer raises an exception three times, the observer is not called any more, and training
    goes on. Random numbers that an observer draws do not change the training.

    Attributes:
        config: the observer's options.
        wants_pictures: True if `evaluated` needs the pictures of the evaluated views. Otherwise, none are made.

    Example:
        >>> class Best(Observer):
        ...     def __init__(self, config):
        ...         super().__init__(config)
        ...         self.psnr = 0.0
        ...
        ...     def evaluated(self, step, split, metrics, pictures):
        ...         self.psnr = max(self.psnr, metrics["psnr"])
        >>> best = Best(config=None)
        >>> best.evaluated(100, "val", {"psnr": 20.0}, {})
        >>> best.psnr
        20.0
    """

    wants_pictures: bool = False

    def __init__(self, config: Any):
        self.config = config

    def started(self, run: ObservedRun) -> None:
        """Called before the first training step, for a new run and for a resumed one."""

    def wants_look(self) -> bool:
        """Return True to have `look` called now. Called after every training step, so it must be fast."""
        return False

    def look(self, live: LiveRun) -> None:
        """Called between two training steps if `wants_look` has returned True. It may render with `live.render`.

        Training waits until this method returns. A signal that ends the run interrupts it.
        """

    def show(self, run: ObservedRun, live: LiveRun) -> None:
        """Show a trained run until the user ends the program. Called by `radfield view --with NAME`.

        Raises:
            UsageError: the observer follows training only. This is so unless a class overrides the method.
        """
        message = f"{type(self).__name__} observes training and shows no trained runs"
        raise UsageError(message, path="--with", hint="--with viewer, after pip install radfield-viewer")

    def step_ended(self, step: int, scalars: Mapping[str, float]) -> None:
        """Called every `trainer.log_every` training steps.

        Args:
            step: number of training steps done.
            scalars: the metrics of the step by name, as in metrics.jsonl.
        """

    def evaluated(self, step: int, split: str, metrics: Mapping[str, float], pictures: Pictures) -> None:
        """Called after each evaluation during training, and after the evaluation at the end of training.

        Args:
            step: number of training steps done.
            split: "val" or "test".
            metrics: name of a metric -> its mean over the evaluated views.
            pictures: pictures of the evaluated views, if `wants_pictures` is True.
        """

    def rolled_back(self, step: int) -> None:
        """Called if training diverged and returned to an earlier state. The steps after `step` will be repeated.

        Args:
            step: number of training steps that are still done.
        """

    def finished(self, step: int, reason: str) -> None:
        """Called once, after the last checkpoint is on the disk.

        Args:
            step: number of training steps done.
            reason: "max_steps", "max_seconds", "signal" or "diverged".
        """
