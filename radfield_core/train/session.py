"""A training run from its options to its end.

The functions are called in this order: `prepare` makes the trainer, `announce` logs what will be trained, `record`
writes files to the run's folder, and `loop` trains.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from radfield_core.config.files import dump
from radfield_core.config.fit import check
from radfield_core.config.run import RunConfig
from radfield_core.data.scene import Scene
from radfield_core.errors import Diverged
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.interfaces import ObservedRun, method_of
from radfield_core.model.enclosed import enclosed_warnings
from radfield_core.names import plural, quoted
from radfield_core.ops import backend
from radfield_core.ops.backend import choose_device
from radfield_core.plugins.registry import get_registry
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs import checkpoint as checkpoints, stored_results
from radfield_core.runs.folder import RunFolder, load_state, new_run, point_latest
from radfield_core.runs.known_data import record_data
from radfield_core.runs.observers import Observers
from radfield_core.runs.record import plugin_versions, slots_of
from radfield_core.runs.scenes import Scenes
from radfield_core.runs.training_record import TrainingRecord
from radfield_core.runtime.memory import release_freed
from radfield_core.runtime.output import RESULT
from radfield_core.runtime.subnormals import flushed
from radfield_core.train import suitability
from radfield_core.train.dry_run import dry_run
from radfield_core.train.eager import keep_compiler_out
from radfield_core.train.exactness import conditions, departures
from radfield_core.train.first_weights import FirstFile, FirstWeights, first_weights
from radfield_core.train.log import TrainingLog
from radfield_core.train.open_data import changes_of_data, left_out_before, open_data, opened_splits, quick_evaluation
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer

SIGNAL_CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 143}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The end of a training run.

    Attributes:
        folder: the run's folder.
        step: total number of steps that the run has taken.
        reason: "max_steps", "max_seconds" or the name of the signal that ended the run.
    """

    folder: Path
    step: int
    reason: str

    @property
    def exit_code(self) -> int:
        """0, or if a signal ended the run, the usual exit code for this signal."""
        return SIGNAL_CODES.get(self.reason, 0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that is ready to be trained. Nothing has been written to its folder yet.

    Attributes:
        run: the options.
        scenes: the splits of the data.
        trainer: the trainer. Its counters are at the step where training begins.
        observers: plugins to notify of the run's progress.
        warnings: messages about faults that do not prevent training.
        resumed_from: the checkpoint that training continues from; None for a new run.
    """

    run: RunConfig
    scenes: Scenes
    trainer: Trainer
    observers: Observers
    warnings: list[str]
    resumed_from: Path | None = None

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return self.trainer.folder

    @property
    def scene(self) -> Scene:
        """The training split."""
        return self.scenes.get("train")


@flushed()  # set before any thread starts, because threads inherit the setting
def train_run(
    run: RunConfig,
    *,
    out: Path | None = None,
    resume: RunFolder | None = None,
    checkpoint: Path | None = None,
    quiet: bool = False,
    threads: str = "",
    keep_folder: bool = True,
    allow_other_data: bool = False,
    init_from: Path | None = None,
    show: Callable[[np.ndarray], None] | None = None,
) -> Outcome:
    """Train a run in a new folder, or resume one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from radfield_core import compose, get_registry, train_run
        >>> data = ["type=synthetic", "resolution=8", "n_train=2", "n_val=1", "n_test=1"]
        >>> options = [f"data.{option}" for option in data] + ["trainer.max_steps=1", "trainer.n_rays=8"]
        >>> run = compose(get_registry(), method="tiny-nerf", overrides=options).run
        >>> with TemporaryDirectory() as folder:
        ...     outcome = train_run(run, out=Path(folder) / "run", quiet=True)
        >>> outcome.step, outcome.reason
        (1, 'max_steps')

    Args:
        run: the options, as returned by `compose`.
        out: folder of a new run; by default `outputs/<scene>/<method>/<time>`.
        resume: folder of the run to resume, as returned by `find_run`.
        checkpoint: the checkpoint to resume from; by default the newest intact one.
        quiet: show no progress.
        threads: text that says how the number of threads was chosen. It is logged at the start.
        keep_folder: False for a temporary run, whose path is not logged.
        allow_other_data: True to resume a run even if its cameras or its region have changed.
        init_from: a trained run, or one of its checkpoints, whose weights a new run starts with. Methods such as splat
            also start from files of other programs.
        show: function that shows the strips of pictures [H, W, 3] that `trainer.picture_every` makes.

    Returns:
        The folder of the run, its last step, and the reason for its end. After SIGINT, SIGTERM, SIGHUP or SIGUSR1, the
        current step is finished and saved before the function returns.

    Raises:
        UsageError: options do not fit together, `out` holds a run already, or a run is resumed with other data.
        DatasetError: the data cannot be read.
        PluginError: a part is missing or faulty.
        Diverged: the loss was not finite for too many steps in a row.
        StorageError: the folder cannot be read or written, or another process writes to it.
    """
    check(run, get_registry())
    weights = None if init_from is None else first_weights(init_from)
    choose_device(run.trainer.device)  # raises an error for an unknown device before a folder is made
    is_new = resume is None and (out is None or not out.exists())
    folder = new_run(run, out) if resume is None else resume
    folder.check_writable()
    diary = TrainingRecord()
    with folder.locked(), diary.listening():
        checkpoints.clean(folder.checkpoints)
        try:
            with diary.stage("preparation"):
                prepared = prepare(
                    run, folder, resume=resume is not None, checkpoint=checkpoint, quiet=quiet,
                    allow_other_data=allow_other_data, weights=weights, show=show,
                )  # fmt: skip
        except BaseException:
            if is_new:
                folder.remove_if_unused()
            raise
        announce(prepared, threads, keep_folder)
        record(prepared)
        return loop(prepared, keep_folder, diary)


def prepare(
    run: RunConfig,
    folder: RunFolder,
    *,
    resume: bool = False,
    checkpoint: Path | None = None,
    quiet: bool = False,
    allow_other_data: bool = False,
    weights: FirstWeights | FirstFile | None = None,
    show: Callable[[np.ndarray], None] | None = None,
) -> Prepared:
    """Open the data, check the model in a dry run, and make the trainer. If the run is resumed, restore a checkpoint.

    No file in the folder is changed, so the run is not damaged if the data or the checkpoint does not fit.
    """
    device = choose_device(run.trainer.device)
    method = method_of(run.method)
    scenes, warnings = open_data(run, method, left_out_before(run, folder) if resume else {}, quiet=quiet)
    warnings += suitability.warnings(run, scenes.get("train"), get_registry())
    if resume:
        warnings += changes_of_data(run, folder, opened_splits(scenes), allowed=allow_other_data)
    setup = TrainingSetup.of(run, scenes.get("train"), device)
    if weights is not None:
        setup = replace(setup, weights=weights)
        warnings += weights.warnings(setup.context)
    observers = Observers.of(run, get_registry())
    log = TrainingLog(folder, run.trainer, quiet=quiet, observers=observers, show=show)
    evaluation = quick_evaluation(run, setup.method, scenes, pictures=observers.want_pictures)
    trainer, found = make_trainer(setup, folder, log, evaluation)
    warnings += found
    release_freed()
    resumed_from = None
    if resume:
        state, resumed_from, skipped = load_state(folder, checkpoint, trainer.restore)
        warnings += skipped
        warnings += departures(state.progress.get("machine"), conditions(device), device)
    return Prepared(run, scenes, trainer, observers, warnings, resumed_from)


def make_trainer(
    setup: TrainingSetup, folder: RunFolder, log: TrainingLog, evaluation: QuickEvaluation | None = None
) -> tuple[Trainer, list[str]]:
    """Check a setup in a dry run. Return a trainer for the setup, and the warnings of the dry run."""
    keep_compiler_out()
    findings = dry_run(setup)
    return Trainer(setup, folder, log, evaluation, findings.samples_per_ray), findings.warnings


def announce(prepared: Prepared, threads: str = "", keep_folder: bool = True) -> None:
    """Log the run's method, data, device and folder, and all warnings."""
    for line in _header(prepared, threads):
        logger.info(line)
    if keep_folder:
        logger.info("run      %s", prepared.folder.path)
    for line in prepared.scene.chosen:
        logger.info(line)
    for warning in (*prepared.scene.notes, *prepared.warnings):
        logger.warning(warning)


def _header(prepared: Prepared, threads: str) -> list[str]:
    """Return lines that describe the method, the data, the device and the kernels."""
    run, scene, device = prepared.run, prepared.scene, prepared.trainer.drawer.device
    parts = ", ".join(f"{slot} {part.name}" for slot, part in slots_of(run) if slot not in ("method", "data"))
    sizes = {tuple(size) for size in scene.cameras.sizes.tolist()}
    size = "×".join(map(str, sizes.pop())) if len(sizes) == 1 else f"{len(sizes)} sizes"
    n_parameters = sum(parameter.numel() for parameter in prepared.trainer.model.parameters())
    on_cpu = plural(torch.get_num_threads(), "thread")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else on_cpu
    return [
        f"method   {run.method.name} ({n_parameters:,} parameters): {parts or 'its own model'}",
        *(f"rates    {group}" for group in prepared.trainer.groups.described()),
        f"data     {run.data.name}: {plural(len(scene.cameras), 'image')}, {size}",
        f"device   {device} ({name})" + (f"; threads: {threads}" if threads else ""),
        *(f"backend  {selection}" for selection in backend.selections()),
    ]


def record(prepared: Prepared) -> None:
    """Write the run's options, plugin versions and scene. Rename checkpoints of steps that will be repeated."""
    folder, trainer = prepared.folder, prepared.trainer
    if prepared.resumed_from is not None:
        for moved in checkpoints.set_aside(folder.checkpoints, trainer.counters.step):
            logger.info("a later checkpoint was renamed to %s", moved.name)
        stored_results.set_aside(folder, trainer.counters.step)
        logger.info("resuming from %s", prepared.resumed_from.name)
    trainer.log.resume(trainer.counters)
    folder.record(dump(prepared.run), plugin_versions(prepared.run))
    _record_scene(folder, prepared.scene, prepared.scenes)
    record_data(folder, prepared.run, opened_splits(prepared.scenes))
    if prepared.trainer.weights is not None:
        prepared.trainer.weights.record(folder)
    if prepared.resumed_from is None:
        point_latest(folder.path)


def _record_scene(folder: RunFolder, scene: Scene, scenes: Scenes) -> None:
    """Write scene.json: the transform from scene to data coordinates, the region of the scene, and excluded views."""
    box = scene.box
    content = {
        "to_data": scene.to_data.tolist(),
        "unit": scene.unit,
        "up": scene.up,
        "ndc": scene.ndc,
        "near": scene.near,
        "far": scene.far,
        "box": {"center": box.center.tolist(), "radius": box.radius, "shape": box.shape, "measured": box.measured},
        "left_out": {split: list(views) for split, views in scenes.left_out.items()},
    }
    write_durably(folder.scene, dump_json(content, indent=2) + "\n")


def loop(prepared: Prepared, keep_folder: bool = True, diary: TrainingRecord | None = None) -> Outcome:
    """Train to the end, write the record of the training, notify the plugins that observe the run, and log the
    result."""
    diary = TrainingRecord() if diary is None else diary
    folder, trainer, observers = prepared.folder, prepared.trainer, prepared.observers
    first = trainer.counters.step
    observers.tell("radfield_train_started", run=prepared.run, folder=folder.path, step=first)
    observers.tell_parts("started", ObservedRun(prepared.run, folder.path, prepared.scene, first))
    before = trainer.counters.seconds
    try:
        with diary.stage("saving and logging"):  # less the other stages of training, which are subtracted below
            reason = trainer.train()
    except Diverged:
        _finish(prepared, "diverged", diary, first, before)
        raise
    release_freed()
    outcome = Outcome(folder.path, trainer.counters.step, reason)
    _finish(prepared, "signal" if outcome.exit_code else reason, diary, first, before)
    if not outcome.exit_code:
        _log_end(prepared, outcome, first, keep_folder)
    return outcome


def _finish(prepared: Prepared, reason: str, diary: TrainingRecord, first: int, before: float) -> None:
    """Write the record of a training, and tell the observers that it has ended.

    Args:
        prepared: the run.
        reason: why the training ended.
        diary: what was recorded of the training.
        first: number of steps that were done when the training began.
        before: seconds of steps that were counted when the training began.
    """
    trainer, observers, step = prepared.trainer, prepared.observers, prepared.trainer.counters.step
    within = {"steps": trainer.counters.seconds - before, "evaluations": trainer.evaluation_seconds}
    for name, seconds in within.items():
        diary.add(name, seconds)
    diary.add("saving and logging", -sum(within.values()))
    device = trainer.drawer.device
    diary.write(prepared.folder, device, conditions(device), (first, step), reason)
    observers.tell("radfield_run_finished", folder=prepared.folder.path, step=step, reason=reason)
    observers.tell_parts("finished", step, reason)


def _log_end(prepared: Prepared, outcome: Outcome, first: int, keep_folder: bool) -> None:
    """Log the number of trained steps, the time and the folder. If there was nothing left to train, log that."""
    seconds = prepared.trainer.counters.seconds
    where = f": {outcome.folder}" if keep_folder else ""
    logger.log(RESULT, "trained %s in %.1f s (%s)%s", plural(outcome.step, "step"), seconds, outcome.reason, where)
    for warning in enclosed_warnings(prepared.trainer.model, prepared.scene):
        logger.warning(warning)
    if outcome.step == first:
        limit = getattr(prepared.run.trainer, outcome.reason)
        resume = f"radfield train --resume {quoted(outcome.folder)} trainer.{outcome.reason}={2 * limit:g}"
        logger.info(
            "nothing was left to train: trainer.%s=%g is reached; to continue: %s", outcome.reason, limit, resume
        )
