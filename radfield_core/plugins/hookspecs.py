"""The hooks that a plugin may implement.

`radfield_components` and `radfield_benchmarks` return what a plugin adds. The other hooks observe a run: they never
change training and never depend on the order of plugins, because everything that changes training is a part in a slot,
visible in the config. An implementation may take fewer parameters than its hook has.

The functions below are never called: pluggy reads only their signatures. A hook that returns something raises
NotImplementedError, so that type checkers accept it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.plugin import Component

hookspec = HookspecMarker("radfield")


@hookspec
def radfield_components() -> Iterable[Component]:
    """The parts that the plugin offers, each made by `radfield_core.plugin.component`.

    Called once per process, when plugins are discovered, also for `radfield plugins list`. It must not import the
    parts. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_benchmarks() -> Mapping[str, str]:
    """The benchmarks that the plugin offers to `radfield bench micro`, as name -> "module:function".

    Each function takes the device ("cpu" or "cuda") and the number of repeats. It returns a list of
    `radfield_core.bench.timing.Timing`, which compare the kernels of an op with its torch reference in one process.

    Called only by `radfield bench`. It must not import the functions. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_train_started(run: RunConfig, folder: Path, step: int) -> None:
    """Training is about to take its first step.

    run: the options of the run. folder: the run folder; an observer may write files of its own there. step: number of
    steps taken before, 0 unless the run is resumed.

    Called once per start, after the model is built and checked. Since 1.0.
    """


@hookspec
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """A step was taken, and its metrics were logged.

    step: number of steps taken so far. scalars: name -> value of the entry in metrics.jsonl: the loss, its parts, PSNR
    and rates.

    Called every `trainer.log_every` steps, after the optimizer. Since 1.0.
    """


@hookspec
def radfield_evaluated(step: int, split: str, metrics: Mapping[str, float]) -> None:
    """Views of a split were rendered and compared with their images.

    step: number of steps that the model was trained. split: "train", "val" or "test". metrics: name -> mean over the
    views.

    Called after evaluations during training and after `radfield eval`. Since 1.0.
    """


@hookspec
def radfield_run_finished(folder: Path, step: int, reason: str) -> None:
    """Training ended, and its last checkpoint is on the disk.

    folder: the run folder. step: number of steps taken. reason: "max_steps", "max_seconds", "signal" or "diverged".

    Called once per start, also after a signal, but not if the last checkpoint could not be written. Since 1.0.
    """
