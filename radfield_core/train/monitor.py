"""Evaluations and pictures of the model during training. They have no effect on the training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from radfield_core.interfaces import Model
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runtime import randomness
from radfield_core.runtime.interrupts import Canceled, Interrupts
from radfield_core.train.counters import Counters
from radfield_core.train.log import TrainingLog
from radfield_core.train.spikes import WINDOW_STEPS

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Monitor:
    """Evaluates a model that is being trained.

    Args:
        evaluation: function that evaluates a few views. If it is None, nothing is evaluated.
        log: the log that metrics are written to.
        interrupts: handler of the signals that cancel an evaluation.
    """

    def __init__(self, evaluation: QuickEvaluation | None, log: TrainingLog, interrupts: Interrupts):
        self._evaluation, self._log, self._interrupts = evaluation, log, interrupts

    def evaluate(self, model: Model, counters: Counters) -> None:
        """Evaluate a few views and record the metrics, unless a signal asks the run to end."""
        evaluation = self._evaluation
        if evaluation is None:
            return
        report = self._log.evaluating(counters, evaluation.split)
        metrics = self._undisturbed("evaluation", model, lambda: evaluation(model, report))
        if metrics is not None:
            self._log.evaluated(counters, evaluation.split, metrics)

    def report_spike(self, model: Model, step: int, ratio: float, folder: Path) -> None:
        """Warn that the loss is `ratio` times its median, and write pictures that the model renders at this step."""
        logger.warning("step %d: the loss is %.0f times the median of the %d steps before", step, ratio, WINDOW_STEPS)
        evaluation = self._evaluation
        if evaluation is None:
            return
        try:
            self._undisturbed("picture", model, lambda: evaluation.show(model, folder, f"step-{step:09d}"))
        except OSError as error:
            logger.warning("%s: %s; no picture was written", folder, error.strerror)

    def _undisturbed(self, what: str, model: Model, look: Callable[[], T]) -> T | None:
        """Call `look()` and return its result. The call has no effect on training.

        During the call, the model is in evaluation mode. Afterward, the global random generators are restored. If a
        signal asks the run to end before or during the call, return None.
        """
        if self._interrupts.received is not None:
            return None
        model.eval()
        try:
            with randomness.undisturbed(), self._interrupts.cancelable():
                return look()
        except Canceled:
            logger.info("the %s was canceled", what)
            return None
        finally:
            model.train()
