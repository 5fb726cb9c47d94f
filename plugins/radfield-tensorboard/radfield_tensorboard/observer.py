"""observer:tensorboard, which writes the scalars, pictures and hyperparameters of a run for TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from radfield_core import ObservedRun, Observer, UsageError
from radfield_tensorboard.config import TensorBoardConfig

METRICS = ("psnr", "ssim")
"""Metrics that the table of hyperparameters shows, each for both splits."""


class TensorBoard(Observer):
    """Writes event files into a folder of the run. Tags are `train/NAME`, `val/NAME` and `test/NAME`.

    If a run is resumed or returns to an earlier checkpoint, TensorBoard drops the steps that are repeated.

    Raises:
        UsageError: the option `folder` leads out of the run's folder.
    """

    config: TensorBoardConfig

    def __init__(self, config: TensorBoardConfig):
        super().__init__(config)
        folder = PurePath(config.folder)
        if folder.is_absolute() or ".." in folder.parts:
            hint = "Choose a folder inside the run's folder, such as tensorboard"
            raise UsageError(f"{config.folder!r} is not inside the run's folder", path="folder", hint=hint)
        self.wants_pictures = bool(config.pictures)
        self._evaluations = 0

    def started(self, run: ObservedRun) -> None:
        """Open an event file, and write the run's options."""
        self._folder = run.folder / self.config.folder
        self._open(run.step)
        options = run.hyperparameters
        tags = {f"{split}/{name}": 0.0 for split in ("val", "test") for name in METRICS}
        experiment, session, self._ended = hparams(dict(options), dict(tags))  # type: ignore[no-untyped-call]
        for summary in (experiment, session):
            self._add(summary)
        lines = "\n".join(f"    {name} = {value}" for name, value in options.items())
        self._writer.add_text("options", lines, run.step)
        self._writer.flush()

    def step_ended(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write the scalars of a step."""
        for name, value in scalars.items():
            if name != "step":
                self._writer.add_scalar(f"train/{name}", value, step)
        self._writer.flush()

    def evaluated(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        pictures: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        """Write the metrics of an evaluation, and pictures of its first views."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"{split}/{name}", value, step)
        if self._evaluations % self.config.every == 0 or split == "test":
            for view in list(pictures)[: self.config.views]:
                for kind in self.config.pictures:
                    if kind in pictures[view]:
                        tag = tag_of(split, view, kind)
                        self._writer.add_image(tag, pictures[view][kind], step, dataformats="HWC")
        self._evaluations += 1
        self._writer.flush()

    def rolled_back(self, step: int) -> None:
        """Begin another event file, whose first event makes TensorBoard drop the later steps."""
        self._writer.close()
        self._open(step)

    def finished(self, step: int, reason: str) -> None:
        """Write how the run ended, and close the event file."""
        self._writer.add_text("end", reason, step)
        self._add(self._ended)
        self._writer.close()

    def _add(self, summary: Any) -> None:
        """Write a summary of TensorBoard's table of hyperparameters."""
        self._writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def _open(self, step: int) -> None:
        """Open an event file for the steps after `step`."""
        self._writer = SummaryWriter(str(self._folder), purge_step=step + 1)


def tag_of(split: str, view: str, kind: str) -> str:
    """Return the tag of a picture: split, view and kind, with letters that TensorBoard accepts.

    Example:
        >>> tag_of("val", "images/0001 (2).png", "depth")
        'val/images_0001__2_/depth'
    """
    name = Path(view).with_suffix("").as_posix().removeprefix(f"{split}/")
    return f"{split}/{re.sub(r'[^-.0-9A-Za-z_]', '_', name)}/{kind}"
