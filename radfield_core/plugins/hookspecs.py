"""The hooks that a plugin may implement. A hook is a function that radfield-core calls at a certain moment.

With `radfield_components` and `radfield_benchmarks`, a plugin adds parts and benchmarks. The other hooks observe a run.
They must not change the training, and must not depend on the order of the plugins. To change the training, a plugin
must offer a part, because the config of a run names its parts. An implementation of a hook may omit parameters that it
does not need.

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
    """Return the parts that the plugin offers. Each part is created with `radfield_core.plugin.component`.

    Called once per process, when plugins are discovered. The implementation must not import the code of the parts,
    because even `radfield plugins list` calls this hook. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_benchmarks() -> Mapping[str, str]:
    """Return the benchmarks that the plugin offers to `radfield bench micro`.

    The result maps the name of each benchmark to its function, written as "module:function". Each function takes the
    device ("cpu", "cuda" or "cuda:N") and the number of repetitions. It returns a list of
    `radfield_core.bench.timing.Timing`. These timings compare the kernels of an op with the op's torch reference.

    Called only by `radfield bench`. The implementation must not import the functions. Since 1.0.
    """
    raise NotImplementedError


@hookspec
def radfield_train_started(run: RunConfig, folder: Path, step: int) -> None:
    """Called before the first training step.

    run: the options of the run. folder: the run folder, to which the plugin may add its own files. step: number of
    steps that are already done. For a new run, `step` is 0.

    Called for each new or resumed training, after the model is built and checked. Since 1.0.
    """


@hookspec
def radfield_step_ended(step: int, scalars: Mapping[str, float]) -> None:
    """Called every `trainer.log_every` training steps, after the metrics of the step were logged.

    step: number of steps done so far. scalars: the metrics of the step by name, as in metrics.jsonl, such as the loss
    and its terms, the PSNR and the speed.

    Called after the optimizer has updated the parameters. Since 1.0.
    """


@hookspec
def radfield_evaluated(step: int, split: str, metrics: Mapping[str, float]) -> None:
    """Called after an evaluation, which renders views of a split and compares them with the images of the data set.

    step: number of steps for which the model was trained. split: "train", "val" or "test". metrics: the name of each
    metric, with its mean over the views.

    Called for evaluations during training and for `radfield eval`. Since 1.0.
    """


@hookspec
def radfield_run_finished(folder: Path, step: int, reason: str) -> None:
    """Called after training has ended and its last checkpoint is on the disk.

    folder: the run folder. step: number of steps done. reason: why training ended: "max_steps", "max_seconds",
    "signal" or "diverged".

    Called at the end of each new or resumed training, even if a signal ended it. Not called if the last checkpoint
    could not be written. Since 1.0.
    """
