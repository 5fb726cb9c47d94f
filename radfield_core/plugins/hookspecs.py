"""The hooks that a plugin may implement.

With `radfield_components` and `radfield_benchmarks`, a plugin adds parts and benchmarks. The other hooks observe a
run. They must not change the training, and must not depend on the order of the plugins. To change the training, a
plugin offers a part, because the config shows which parts a run uses. An implementation of a hook may omit parameters
that it does not need.

The functions below are never called: pluggy reads only their signatures. Hooks with a return type raise
NotImplementedError only to satisfy type checkers.
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
    """The parts that the plugin offers, each created with `radfield_core.plugin.component`.

    Called once per process, when plugins are discovered. The implementation must not import the code of the parts,
    because even `radfield plugins list` calls it. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_benchmarks() -> Mapping[str, str]:
    """The benchmarks that the plugin offers to `radfield bench micro`, as name -> "module:function".

    Each function takes the device ("cpu" or "cuda") and the number of repetitions. It returns a list of
    `radfield_core.bench.timing.Timing`, which compare the kernels of an op with the op's torch reference.

    Called only by `radfield bench`. The implementation must not import the functions. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_train_started(run: RunConfig, folder: Path, step: int) -> None:
    """Called before the first training step.

    run: the options of the run. folder: the run folder, to which the plugin may add its own files. step: number of
    steps that are done already; 0 unless the run is resumed.

    Called once each time a run starts or resumes, after the model is built and checked. Since 1.0.
    """


@hookspec
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """Called after a training step whose metrics were logged, which is every `trainer.log_every` steps.

    step: number of steps done so far. scalars: the metrics of the step by name, as in metrics.jsonl: the loss, its
    terms, the PSNR and the speed.

    Called after the optimizer has updated the parameters. Since 1.0.
    """


@hookspec
def radfield_evaluated(step: int, split: str, metrics: Mapping[str, float]) -> None:
    """Called after views of a split were rendered and compared with their images.

    step: number of steps for which the model was trained. split: "train", "val" or "test". metrics: the mean of each
    metric over the views, by name.

    Called for evaluations during training and for `radfield eval`. Since 1.0.
    """


@hookspec
def radfield_run_finished(folder: Path, step: int, reason: str) -> None:
    """Called after training has ended and its last checkpoint is on the disk.

    folder: the run folder. step: number of steps done. reason: why training ended: "max_steps", "max_seconds",
    "signal" or "diverged".

    Called once each time a run starts or resumes, even if a signal ended it. Not called if the last checkpoint could
    not be written. Since 1.0.
    """
