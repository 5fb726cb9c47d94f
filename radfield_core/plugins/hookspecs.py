"""The hooks that a plugin may implement. `radfield_components` and `radfield_benchmarks` add; the others observe.

An observing hook never changes training and never depends on the order of plugins: what changes training is a
component in a slot, visible in the config. An implementation may take fewer parameters than its hook has.

These bodies never run: pluggy reads signatures alone. Where a hook returns something, the body raises, so that it type
checks.
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

    Called once per process, when plugins are discovered, also for `radfield plugins list`: it imports no part.

    Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_benchmarks() -> Mapping[str, str]:
    """What `radfield bench micro` measures: name -> "module:function".

    The function takes device ("cpu" or "cuda") and repeats, and returns `radfield_core.bench.timing.Timing`s: an op's
    torch reference and its kernels, timed in one process.

    Called by `radfield bench` alone; it imports nothing. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_train_started(run: RunConfig, folder: Path, step: int) -> None:
    """Training is about to take its first step.

    run: the options of the run. folder: where the run is stored; an observer may write files of its own there.
    step: steps taken before; 0 unless the run is resumed.

    Called after the model is built and checked, once per start. Since 1.0.
    """


@hookspec
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """A step was taken and its figures were logged.

    step: steps taken so far. scalars: what the line of metrics.jsonl holds (loss, its parts, PSNR, rates), by name.

    Called every `trainer.log_every` steps, after the optimizer. Since 1.0.
    """


@hookspec
def radfield_evaluated(step: int, split: str, metrics: Mapping[str, float]) -> None:
    """Views of a split were rendered and compared with their images.

    step: steps taken by the model. split: "train", "val" or "test". metrics: mean over the views, by name.

    Called after evaluations during training and after `radfield eval`. Since 1.0.
    """


@hookspec
def radfield_run_finished(folder: Path, step: int, reason: str) -> None:
    """Training ended and its last checkpoint is on disk.

    folder: where the run is stored. step: steps taken. reason: "max_steps", "max_seconds", "signal" or "diverged".

    Called once per start, also when a signal ended it; not if that checkpoint could not be written. Since 1.0.
    """
