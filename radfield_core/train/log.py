"""The log of a training run: the file metrics.jsonl, the progress display, and messages to plugins that observe it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from radfield_core.config.run import TrainerConfig
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.files.pictures import write_picture
from radfield_core.files.regular import open_regular, open_to_append
from radfield_core.render.image_metrics import format_metrics
from radfield_core.render.pictures import STRIP
from radfield_core.render.quick_evaluation import QuickResult
from radfield_core.runs.checkpoint_names import named_step
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.observers import Observers
from radfield_core.runtime.output import RESULT
from radfield_core.runtime.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from radfield_core.train.counters import Counters
    from radfield_core.train.step import StepLosses

logger = logging.getLogger(__name__)


class TrainingLog:
    """Writes metrics every `log_every` steps and after each evaluation. Inside a `with` block, it also shows progress.

    Args:
        folder: the run's folder; entries are appended to its metrics.jsonl.
        config: the `[trainer]` options.
        quiet: show no progress.
        observers: plugins to notify of entries and evaluations.
        show: function that shows a strip of pictures [H, W, 3] to the user; by default, pictures are only written.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: TrainerConfig,
        *,
        quiet: bool = False,
        observers: Observers | None = None,
        show: Callable[[np.ndarray], None] | None = None,
    ):
        self._folder, self._config, self.observers, self._show = folder, config, observers, show
        self._progress = Progress("train", 1.0, quiet=quiet)
        self._seconds = self._shown_seconds = 0.0
        self._rays = self._shown_rays = 0
        self._failed = False

    def __enter__(self) -> TrainingLog:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)

    def resume(self, counters: Counters) -> None:
        """Continue the log after the step in `counters`. Remove entries and pictures of later steps, which training
        will repeat."""
        self._seconds, self._rays = counters.seconds, 0
        self._shown_seconds, self._shown_rays = counters.seconds, 0
        self._progress.begin(self._share_done(counters))
        lines = self._lines()
        kept = [line for line in lines if _step_of(line) <= counters.step]
        if len(kept) < len(lines):
            write_durably(self._folder.metrics, "".join(kept))
        for path in self._folder.pictures.glob("step-*.png"):
            if (step := named_step(path.with_suffix(""))) is not None and step > counters.step:
                path.unlink(missing_ok=True)

    def rolled_back(self, counters: Counters) -> None:
        """Continue the log after training returned to the step in `counters`, and notify the observers."""
        self.resume(counters)
        if self.observers is not None:
            self.observers.tell_parts("rolled_back", counters.step)

    def step(
        self, counters: Counters, losses: StepLosses, lr: float, scalars: Callable[[], Mapping[str, Tensor]]
    ) -> None:
        """Record a step. Values are fetched from the device only if they are shown or written.

        Args:
            counters: the run's counters after the step.
            losses: the step's losses.
            lr: learning rate of the first parameter group.
            scalars: function that returns the scalars of the parts. It is called only when an entry is written.
        """
        self._rays += losses.n_rays
        self._shown_rays += losses.n_rays
        last = counters.step == self._config.max_steps
        if counters.step % self._config.log_every == 0 or last:
            self._write(self._entry(counters, losses, lr, scalars()))
        if self._progress.due() or last:
            self._progress.update(self._share_done(counters), self._text(counters, losses))

    def evaluating(self, counters: Counters, split: str) -> ProgressCallback:
        """Return a callback that shows the progress of an evaluation of a split."""

        def report(done: int, total: int) -> None:
            if self._progress.due():
                text = f"step {counters.step} · evaluating {split} {done / total:.0%}"
                self._progress.update(self._share_done(counters), text)

        return report

    def evaluated(self, counters: Counters, split: str, result: QuickResult) -> None:
        """Record the metrics of some views of a split, with the number and the size of these views."""
        clocks = {"seconds": counters.seconds, "cpu_seconds": counters.cpu_seconds}
        covered = {"split": split, "views": result.views, "size": list(result.size)}
        covered |= {"fit_color": result.fit_color} if result.fit_color != "none" else {}
        self._append({"step": counters.step, **clocks, **covered, "eval": result.metrics})
        if self.observers is not None:
            metrics = dict(result.metrics)
            self.observers.tell("radfield_evaluated", step=counters.step, split=split, metrics=metrics)
            self.observers.tell_parts("evaluated", counters.step, split, metrics, result.pictures)
        why = ", reduced to stay within trainer.eval_share" if result.reduced else ""
        measured = f"{format_metrics(result.metrics)} ({split}, {result}{why})"
        logger.log(RESULT, "step %d · %.1f s · %s", counters.step, counters.seconds, measured)

    def pictured(self, counters: Counters, split: str, strip: np.ndarray) -> None:
        """Write a strip of pictures [H, W, 3] of a view of a split to the run's folder, and show it if it is wanted.

        Raises:
            OSError: the file cannot be written.
        """
        write_picture(self._folder.pictures / f"step-{counters.step:09d}.png", strip)
        if self._show is not None:
            logger.log(RESULT, "step %d · %.1f s · %s: %s", counters.step, counters.seconds, split, " | ".join(STRIP))
            self._show(strip)

    def _entry(
        self, counters: Counters, losses: StepLosses, lr: float, scalars: Mapping[str, Tensor]
    ) -> dict[str, float]:
        """Return a step's entry for metrics.jsonl."""
        elapsed = counters.seconds - self._seconds
        entry = {
            "step": counters.step,
            "seconds": round(counters.seconds, 4),
            "cpu_seconds": round(counters.cpu_seconds, 4),
            "loss": float(losses.total),
            **{f"loss/{name}": float(term) for name, term in losses.terms.items()},
            "psnr": psnr_of(losses),
            "lr": lr,
            "rays": losses.n_rays,
            "samples": losses.n_samples,
            "rays_per_second": self._rays / elapsed if elapsed > 0 else 0.0,
            "skipped": counters.skipped,
            **({"restarts": counters.restarts} if self._config.restart_after else {}),
            **{name: float(value) for name, value in scalars.items()},
        }
        self._seconds, self._rays = counters.seconds, 0
        return entry

    def _write(self, entry: dict[str, float]) -> None:
        self._append(entry)
        if self.observers is not None:
            self.observers.tell("radfield_step_ended", step=int(entry["step"]), scalars=entry)
            self.observers.tell_parts("step_ended", int(entry["step"]), MappingProxyType(entry))

    def _append(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to metrics.jsonl. If writing fails, for example on a full disk, warn once and continue."""
        try:
            with open_to_append(self._folder.metrics) as file:
                file.write(dump_json(entry) + "\n")
        except OSError as error:
            if not self._failed:
                logger.warning("%s: %s; entries from now on may be missing", self._folder.metrics, error.strerror)
            self._failed = True

    def _lines(self) -> list[str]:
        """Return the lines of metrics.jsonl, or an empty list if the file does not exist."""
        if not self._folder.metrics.exists():
            return []
        with open_regular(self._folder.metrics) as file:
            return file.read().decode(errors="replace").splitlines(keepends=True)

    def _share_done(self, counters: Counters) -> float:
        """Return the share of the run that is done: the larger of the shares of `max_steps` and of `max_seconds`."""
        share = counters.step / self._config.max_steps
        limit = self._config.max_seconds
        return min(1.0, share if limit is None else max(share, counters.elapsed(self._config.clock) / limit))

    def _text(self, counters: Counters, losses: StepLosses) -> str:
        """Return the text that the progress display shows after a step."""
        rate = self._shown_rays / max(counters.seconds - self._shown_seconds, 1e-9)
        self._shown_seconds, self._shown_rays = counters.seconds, 0
        skipped = f" · {counters.skipped} skipped" if counters.skipped else ""
        return (
            f"step {counters.step}/{self._config.max_steps} · loss {float(losses.total):.4g} · "
            f"PSNR {psnr_of(losses):.2f} · {rate / 1e3:.1f}k rays/s{skipped}"
        )


def psnr_of(losses: StepLosses) -> float:
    """Return the PSNR of a step's pixels, in dB."""
    return -10.0 * math.log10(max(float(losses.squared_error), 1e-12))


def _step_of(line: str) -> float:
    """Return the step of an entry.

    Return infinity for an incomplete line, such as the last line of a process that was killed.
    """
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
