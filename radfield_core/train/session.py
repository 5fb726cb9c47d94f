"""A training run from its options to its end: data, folder, header, check, loop and what is said at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from radfield_core.config.files import dump
from radfield_core.config.fit import check
from radfield_core.config.run import RunConfig
from radfield_core.data import bad_images
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, Diverged, NoSuchSplit, PluginError
from radfield_core.files.durable import dump_json, write_durably
from radfield_core.interfaces import Method
from radfield_core.model import build_context
from radfield_core.names import quoted
from radfield_core.ops import backend
from radfield_core.ops.backend import choose_device
from radfield_core.plugins.observers import Observers
from radfield_core.plugins.registry import get_registry
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder, load_state, new_run, point_latest
from radfield_core.runs.record import parts_of, plugin_versions
from radfield_core.runs.scenes import Scenes
from radfield_core.runtime.subnormals import flushed
from radfield_core.train.batches import PixelDrawer
from radfield_core.train.dry_run import dry_run
from radfield_core.train.log import TrainingLog
from radfield_core.train.trainer import Trainer

SIGNAL_CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 143}


@flushed()  # from the start: threads take the setting over from the one that starts them
def train_run(
    run: RunConfig,
    *,
    out: Path | None = None,
    resume: RunFolder | None = None,
    chosen: Path | None = None,
    quiet: bool = False,
    threads: str = "",
    kept: bool = True,
) -> int:
    """Train a run in a new folder, or go on with one from its newest or the given checkpoint. Returns the exit code.

    kept: whether the folder is there to stay; nothing is said of one that is not.
    """
    registry = get_registry()
    check(run, registry)
    device = choose_device(run.trainer.device)
    fresh = resume is None and (out is None or not out.exists())
    folder = new_run(run, out) if resume is None else resume
    folder.check_writable()
    with folder.locked():
        checkpoint.clean(folder.checkpoints)
        say = _silent if quiet else print
        method: Method = run.method.load()(run.method.config)
        try:
            scenes, remarks = _open(run, method, {} if resume is None else folder.left_out(), quiet)
            scene = scenes.get("train")
            drawer = PixelDrawer(scene, method, device)
            context = build_context(scene, run)
            findings = dry_run(method, context, drawer, run.trainer.seed)
            observers = Observers(registry)
            log = TrainingLog(folder, run.trainer, quiet=quiet, observers=observers)
            trainer = Trainer(
                run.trainer, method, context, drawer, folder, log, _evaluation(method, scenes, run),
                findings.samples_per_ray,
            )  # fmt: skip
        except BaseException:
            if fresh:
                folder.remove_if_unused()
            raise
        place = [f"run      {folder.path}"] if kept else []
        for line in (*_header(run, scene, trainer, threads), *place, *scene.notes):
            say(line)
        for warning in (*remarks, *findings.warnings):
            print(f"warning: {warning}", file=sys.stderr)
        if resume is not None:
            _resume(trainer, folder, chosen, say)
        else:
            log.resume(trainer.counters)
        # Not before: a checkpoint that does not fit must leave the run, and `outputs/latest`, as they were.
        folder.record(dump(run), plugin_versions(run))
        _record_scene(folder, scene, scenes)
        if resume is None:
            point_latest(folder.path)
        observers.tell("radfield_train_started", run=run, folder=folder.path, step=trainer.counters.step)
        return _run(trainer, folder, observers, say, kept)


def _run(trainer: Trainer, folder: RunFolder, observers: Observers, say: Callable[[str], None], kept: bool) -> int:
    """The loop, and the news of its end. Returns the exit code."""
    before = trainer.counters.step
    try:
        reason = trainer.train()
    except Diverged:
        observers.tell("radfield_run_finished", folder=folder.path, step=trainer.counters.step, reason="diverged")
        raise
    except PluginError:  # an observer that is to end the run
        trainer.save()
        raise
    ended = "signal" if reason in SIGNAL_CODES else reason
    observers.tell("radfield_run_finished", folder=folder.path, step=trainer.counters.step, reason=ended)
    counters = trainer.counters
    if reason in SIGNAL_CODES:
        if kept:
            print(
                f"{reason}: saved after step {counters.step}; to go on: radfield train --resume {quoted(folder.path)}"
            )
        return SIGNAL_CODES[reason]
    where = f": {folder.path}" if kept else ""
    say(f"trained {counters.step} steps in {counters.seconds:.1f} s ({reason}){where}")
    if counters.step == before:
        limit = getattr(trainer.config, reason)
        say(f"nothing was left to train: trainer.{reason}={limit:g} is reached; a larger one, and "
            "--allow-config-change, go on")  # fmt: skip
    return 0


def _resume(trainer: Trainer, folder: RunFolder, chosen: Path | None, say: Callable[[str], None]) -> None:
    """Restore a checkpoint."""
    state, path, skipped = load_state(folder, chosen)
    for line in skipped:
        print(f"warning: {line}", file=sys.stderr)
    trainer.restore(state)
    trainer.log.resume(trainer.counters)
    if chosen is not None:
        for moved in checkpoint.set_aside(folder.checkpoints, state.step):
            say(f"a later checkpoint is set aside as {moved.name}")
    say(f"going on from {path.name}")
    if state.progress["machine"] != trainer.machine():
        print("warning: saved with another device or number of threads: not bit for bit the same", file=sys.stderr)


def _open(
    run: RunConfig, method: Method, left_out: Mapping[str, Sequence[int]], quiet: bool
) -> tuple[Scenes, list[str]]:
    """The run's data with every image of every split looked at, without those `left_out` before and the bad ones that
    may be left out, and remarks; the pixels of the training split are decoded if the method draws from them.

    Raises DatasetError naming every bad image.
    """
    remarks, opened = [], {}
    scenes = Scenes(run)
    for split in scenes.splits:
        try:
            opened[split] = scenes.get(split)
        except NoSuchSplit:
            if split == "train":
                raise
    if "val" not in opened and "test" not in opened:
        remarks.append("the data has neither validation nor test views: nothing will be evaluated")
    if len(opened["train"].cameras) == 1:
        remarks.append("there is a single training view, from which no depth can be learned")
    cache_mb = run.scene.image_cache_mb if method.batching == "rays" else None
    found: list[bad_images.BadImage] = []
    seen: dict[Path, str] = {}
    for split, scene in opened.items():
        found += bad_images.find_bad_images(
            scene, split, cache_mb if split == "train" else None, quiet=quiet, seen=seen
        )
    bad = bad_images.choose_left_out(found, opened, run.scene.skip_bad_images)
    remarks += [f"left out: {each}" for each in found]
    scenes.leave_out(left_out)
    scenes.leave_out(bad)
    if cache_mb is not None and scenes.left_out:
        bad_images.decode_all(scenes.get("train"), cache_mb, quiet=quiet)
    return scenes, remarks


def _evaluation(method: Method, scenes: Scenes, run: RunConfig) -> QuickEvaluation | None:
    """Evaluation of a few views of the validation split, else of the test split; None if the data has neither."""
    for split in ("val", "test"):
        if split in scenes.splits:
            try:
                scene = scenes.get(split)
            except DatasetError:
                continue
            return QuickEvaluation(method, scene, split, run.trainer.eval_views, run.eval.rays_per_chunk)
    return None


def _record_scene(folder: RunFolder, scene: Scene, scenes: Scenes) -> None:
    """Write how scene coordinates become the data's own, and which views are left out."""
    box = scene.box
    text = dump_json(
        {
            "to_data": scene.to_data.tolist(),
            "unit": scene.unit,
            "up": scene.up,
            "ndc": scene.ndc,
            "near": scene.near,
            "far": scene.far,
            "box": {"center": box.center.tolist(), "radius": box.radius, "shape": box.shape, "measured": box.measured},
            "left_out": {split: list(views) for split, views in scenes.left_out.items()},
        },
        indent=2,
    )
    write_durably(folder.scene, text + "\n")


def _header(run: RunConfig, scene: Scene, trainer: Trainer, threads: str) -> list[str]:
    """What runs, and on what."""
    parts = ", ".join(f"{part.kind} {part.name}" for part in parts_of(run) if part.kind not in ("method", "dataparser"))
    sizes = {tuple(size) for size in scene.cameras.sizes.tolist()}
    size = "×".join(map(str, sizes.pop())) if len(sizes) == 1 else f"{len(sizes)} sizes"
    n_parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    device = trainer.drawer.device
    count = torch.get_num_threads()
    on_cpu = "1 thread" if count == 1 else f"{count} threads"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else on_cpu
    return [
        f"method   {run.method.name} ({n_parameters:,} parameters): {parts}",
        f"data     {run.data.name}: {len(scene.cameras)} images, {size}",
        f"device   {device} ({name}); threads: {threads or 'as torch chooses'}",
        *(f"backend  {selection}" for selection in backend.selections()),
    ]


def _silent(line: str) -> None:
    pass
