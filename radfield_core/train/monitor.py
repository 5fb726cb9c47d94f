"""Evaluations and pictures of the model during training. They have no effect on the training."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from radfield_core.errors import PluginError, RadfieldError
from radfield_core.interfaces import LiveRun, Model
from radfield_core.plugins.blame import culprit_of
from radfield_core.plugins.registry import get_registry
from radfield_core.render.quick_evaluation import QuickEvaluation, QuickResult
from radfield_core.runtime import randomness
from radfield_core.runtime.interrupts import Canceled, Interrupts
from radfield_core.train.counters import Counters
from radfield_core.train.log import TrainingLog
from radfield_core.train.spikes import WINDOW_STEPS

PICTURE_SHARE, MIN_PICTURE_SECONDS = 0.02, 0.5
"""The pictures of a run take at most this share of the training time, but may always take this many seconds."""

MIN_SECONDS = 5.0
"""The evaluations of a run may always take this long in total, even if training is short."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Monitor:
    """Evaluates a model that is being trained.

    Args:
        evaluation: function that evaluates a few views. If it is None, nothing is evaluated.
        log: the log that metrics are written to.
        interrupts: handler of the signals that cancel an evaluation.
        rescue: function that saves what has been trained. It is called before a failed evaluation is reported.
        share: largest share of the training time that all evaluations together may take; None for no limit.
    """

    def __init__(
        self,
        evaluation: QuickEvaluation | None,
        log: TrainingLog,
        interrupts: Interrupts,
        rescue: Callable[[], object] = lambda: None,
        share: float | None = None,
    ):
        self._evaluation, self._log, self._interrupts, self._rescue = evaluation, log, interrupts, rescue
        self._share, self._spent, self._spent_on_pictures = share, 0.0, 0.0
        self._left_out = False

    @property
    def split(self) -> str:
        """Name of the split that is evaluated, or "" if nothing is evaluated."""
        return "" if self._evaluation is None else self._evaluation.split

    @property
    def seconds(self) -> float:
        """Wall time of all evaluations and pictures so far, in seconds."""
        return self._spent + self._spent_on_pictures

    def evaluate(self, model: Model, counters: Counters) -> QuickResult | None:
        """Evaluate a few views, record the metrics and return them. If a signal asks the run to end, return None.

        If the evaluation fails, for example because a network disk does not answer, warn about it and return None.
        """
        evaluation = self._evaluation
        if evaluation is None or not evaluation.count:
            return None
        report, seconds = self._log.evaluating(counters, evaluation.split), self._allowance(counters)
        started = time.perf_counter()
        result = self._undisturbed("evaluation", model, lambda: evaluation(model, report, seconds))
        self._spent += time.perf_counter() - started
        if result is not None:
            self._log.evaluated(counters, evaluation.split, result)
        return result

    def _allowance(self, counters: Counters) -> float:
        """Return the time in seconds that the next evaluation may take."""
        if self._share is None:
            return math.inf
        return max(MIN_SECONDS, self._share * counters.seconds) - self._spent

    def picture(self, model: Model, counters: Counters, *, last: bool = False) -> None:
        """Add a strip of pictures of a view to the run, unless there is no time for it.

        Args:
            model: the model.
            counters: the run's counters.
            last: True at the end of training, where the time taken by earlier pictures does not count.
        """
        evaluation = self._evaluation
        if evaluation is None:
            return
        allowed = max(MIN_PICTURE_SECONDS, PICTURE_SHARE * counters.seconds)
        seconds = allowed if last else allowed - self._spent_on_pictures

        def look() -> None:
            pixels = evaluation.strip(model, seconds)
            if pixels is not None:
                self._log.pictured(counters, evaluation.split, pixels)
            elif not self._left_out:
                self._left_out = True
                why = "pictures have taken their share of the training time"
                logger.info("step %d: no picture, because %s (%g)", counters.step, why, PICTURE_SHARE)

        started = time.perf_counter()
        self._undisturbed("picture", model, look)
        self._spent_on_pictures += time.perf_counter() - started

    def show(self, model: Model, live: Callable[[], LiveRun]) -> None:
        """Let observers look at the model, if one of them wants to.

        Raises:
            PluginError: one of them fails, and RADFIELD_STRICT_PLUGINS is 1.
        """
        observers = self._log.observers
        if observers is None or not (names := observers.wanting_a_look()):
            return
        failures: list[PluginError] = []

        def look() -> None:
            try:
                observers.look(names, live())
            except PluginError as error:
                failures.append(error)

        self._undisturbed("look", model, look)
        if failures:
            raise failures[0]

    def report_spike(self, model: Model, step: int, ratio: float, folder: Path) -> None:
        """Warn that the loss is `ratio` times its median, and write pictures that the model renders at this step."""
        logger.warning("step %d: the loss is %.0f times the median of the %d steps before", step, ratio, WINDOW_STEPS)
        evaluation = self._evaluation
        if evaluation is None:
            return
        self._undisturbed("picture", model, lambda: evaluation.show(model, folder, f"step-{step:09d}"))

    def _undisturbed(self, what: str, model: Model, look: Callable[[], T]) -> T | None:
        """Call `look()` and return its result. The call has no effect on training.

        During the call, the model is in evaluation mode. Afterward, the global random generators are restored. If a
        signal asks the run to end before or during the call, return None. If the call fails, save what has been
        trained, warn and return None.
        """
        if self._interrupts.received is not None:
            return None
        failure: Exception | None = None
        model.eval()
        try:
            with randomness.undisturbed(), self._interrupts.cancelable():
                found = look()
        except Canceled:
            logger.info("the %s was canceled", what)
        except Exception as error:  # of any kind: looking at a model must never end its training
            failure = error
        else:
            return found
        finally:
            model.train()
        if failure is not None:
            self._rescue()
            logger.warning("the %s failed, and training is not affected: %s", what, _in_one_line(failure))
        return None


def _in_one_line(error: Exception) -> str:
    """Return an error on one line: for radfield's own errors their message, and for others also the class and the part
    whose code failed."""
    text = " ".join(str(error).split())
    if isinstance(error, RadfieldError):
        return text
    text, found = f"{type(error).__name__}: {text}", culprit_of(error, get_registry().components)
    return text if found is None else f"{found.owner} failed in {found.hook}: {text}"
