"""The best checkpoint of a run: the one whose evaluation had the highest PSNR. It is kept when older ones are deleted.

The file checkpoints/best.json names it, so that RUN/checkpoints/best can be evaluated, rendered and exported.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs.checkpoint_names import BEST, read_best

logger = logging.getLogger(__name__)


class BestCheckpoint:
    """Keeps the checkpoint with the best evaluation.

    Args:
        folder: the folder of the checkpoints.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    @property
    def names(self) -> frozenset[str]:
        """A set that contains the name of the best checkpoint. If there is none, the set is empty."""
        best = read_best(self._folder)
        return frozenset() if best is None else frozenset({best["checkpoint"]})

    def offer(self, step: int, split: str, result: QuickResult, save: Callable[[], bool]) -> None:
        """If the evaluation of a checkpoint is better than all earlier ones, save the checkpoint and record it as best.

        If other views were evaluated than before, at another size, or with another `eval.fit_color`, the evaluations
        cannot be compared. The checkpoint then counts as the best.

        Args:
            step: the step of the checkpoint.
            split: the split that was evaluated.
            result: the evaluation.
            save: function that saves the checkpoint, unless it is saved already, and returns whether it is saved.
        """
        psnr, known = result.metrics.get("psnr", math.nan), read_best(self._folder)
        if math.isnan(psnr):
            return
        covered = {"split": split, "views": result.views, "size": list(result.size)}
        covered |= {"fit_color": result.fit_color} if result.fit_color != "none" else {}
        comparable = known is not None and all(known.get(name) == value for name, value in covered.items())
        comparable = comparable and (known or {}).get("fit_color", "none") == result.fit_color
        if known is not None and comparable and not psnr > known["psnr"]:
            return
        if not save():
            return
        entry = {"checkpoint": f"step-{step:09d}", "step": step, "psnr": psnr, **covered}
        try:
            write_durably(self._folder / BEST, dump_json(entry, indent=2) + "\n")
        except OSError as error:
            logger.warning("the best checkpoint could not be named: %s", error.strerror)
