"""Facts about runs on disk, for `radfield runs` and `radfield compare`. This module imports no torch.

A folder of runs may hold strangers' runs and damaged ones. Whatever cannot be read is left out of a run's facts.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radfield_core.config.files import inline, read_table
from radfield_core.errors import RadfieldError, StorageError
from radfield_core.files.json_files import MAX_RUN_JSON_BYTES, read_json
from radfield_core.files.regular import open_regular, refuse_links_out
from radfield_core.runs.checkpoint_names import list_steps, named_step, read_best
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_results import OLDER, step_of

MAX_DEPTH = 6
"""Runs are searched for in the given folder and in its subfolders down to this depth."""

TAIL_BYTES = 2**16
"""Number of bytes at the end of metrics.jsonl in which the last evaluation is searched for."""

TEST = "test"


@dataclass(frozen=True)
class Measured:
    """Metrics of a run.

    Attributes:
        metrics: name of a metric -> its mean over the views.
        split: the split that was evaluated.
        views: number of views that were evaluated.
        step: step of the evaluated checkpoint.
        whole: True if the whole split was evaluated at its full size, by `radfield eval`.
        per_view: name of a view -> its PSNR.
        size: width and height of the evaluated views, if they are known.
        fit_color: value of `eval.fit_color` in the evaluation.
        fit_cameras: "half" if cameras were fitted to halves of the images.
    """

    metrics: Mapping[str, float]
    split: str
    views: int
    step: int
    whole: bool
    per_view: Mapping[str, float] = field(default_factory=dict)
    size: tuple[int, ...] = ()
    fit_color: str = "none"
    fit_cameras: str = "none"


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run, read from its folder.

    Attributes:
        path: the run's folder.
        scene: name of the data.
        method: name of the method.
        step: step of the newest checkpoint, or of the chosen one; None if there is none.
        max_steps: number of steps after which the run ends, if it is known.
        best: step of the best checkpoint, if it is kept.
        seconds: seconds of training up to the last entry of the log, if they are known.
        measured: the evaluation of the whole test split or, if there is none, the last evaluation during training.
        modified: time of the last change, in seconds since 1970.
        size: size of all files in bytes.
        options: path of an option -> its value in TOML.
        plugins: distribution -> version.
        fault: the reason why the options cannot be read, or "".
    """

    path: Path
    scene: str
    method: str
    step: int | None
    max_steps: int | None
    best: int | None
    seconds: float | None
    measured: Measured | None
    modified: float
    size: int
    options: Mapping[str, str]
    plugins: Mapping[str, str]
    fault: str = ""


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the run folders below a folder. Links are not followed, so no run is found twice."""
    start = len(folder.parts)
    for path, folders, files in os.walk(folder):
        here = Path(path)
        if "config.toml" in files and "checkpoints" in folders:
            folders.clear()
            yield here
        elif len(here.parts) - start >= MAX_DEPTH:
            folders.clear()
        folders.sort()


def facts(path: Path, checkpoint: Path | None = None) -> RunFacts:
    """Return the facts of the run in a folder.

    Args:
        path: the run's folder.
        checkpoint: the checkpoint whose results are wanted; None for the newest.
    """
    folder, options, fault = RunFolder(path), {}, ""
    try:
        refuse_links_out(path, folder.checkpoints)
        open_regular(folder.config).close()
    except (StorageError, OSError) as error:
        return _unread(path, error.problems[0].message if isinstance(error, StorageError) else str(error.strerror))
    try:
        options = read_table(folder.config)
    except RadfieldError as error:
        fault = error.problems[0].message
    steps = list_steps(folder.checkpoints)
    step = named_step(checkpoint) if checkpoint is not None else named_step(steps[-1]) if steps else None
    best, log = read_best(folder.checkpoints), list(_log_entries(folder))
    seconds = [entry["seconds"] for entry in log if _is_number(entry.get("seconds"))]
    return RunFacts(
        path=path,
        scene=_scene(options),
        method=_part(options, "method"),
        step=step,
        max_steps=_number_in(options, "trainer", "max_steps"),
        best=None if best is None else named_step(Path(best["checkpoint"])),
        seconds=seconds[-1] if seconds and checkpoint is None else None,
        measured=_evaluation(folder, step) if checkpoint is not None else _newest_evaluation(folder, log),
        modified=max((_status(each)[1] for each in (folder.config, folder.metrics, *steps)), default=0.0),
        size=sum(_status(Path(where, name))[0] for where, _, names in os.walk(path) for name in names),
        options=dict(_lines(options)),
        plugins=_plugins(folder),
        fault=fault,
    )


def _unread(path: Path, fault: str) -> RunFacts:
    """Return the facts of a run whose files are not read, because a link leads out of its folder."""
    return RunFacts(path, "", "", None, None, None, None, None, 0.0, 0, {}, {}, fault)


def _newest_evaluation(folder: RunFolder, log: list[dict[str, Any]]) -> Measured | None:
    """Return the newest evaluation of the whole test split or, if it was never evaluated, the last one of the log."""
    return _read_results(folder.results) or _last_evaluation(log)


def _evaluation(folder: RunFolder, step: int | None) -> Measured | None:
    """Return the evaluation of the whole test split at one step."""
    at_the_top = step is None or step_of(folder.results) == step
    return _read_results(folder.results if at_the_top else folder.path / OLDER / f"results-step-{step:09d}.json")


def _read_results(path: Path) -> Measured | None:
    try:
        stored = read_json(path, MAX_RUN_JSON_BYTES)
        views, metrics = stored["per_image"], _metrics(stored["metrics"])
        per_view = {str(view["name"]): float(view["psnr"]) for view in views if _is_number(view.get("psnr"))}
        color, cameras = (str(stored.get(name, "none")) for name in ("fit_color", "fit_cameras"))
        split, step = str(stored["split"]), int(stored["step"])
        return Measured(metrics, split, len(views), step, True, per_view, fit_color=color, fit_cameras=cameras)
    except (RadfieldError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _last_evaluation(log: list[dict[str, Any]]) -> Measured | None:
    for entry in reversed(log):
        if isinstance(entry.get("eval"), dict) and _is_number(entry.get("step")):
            views, size = entry.get("views"), entry.get("size")
            return Measured(
                metrics=_metrics(entry["eval"]),
                split=str(entry.get("split", "")),
                views=int(views) if _is_number(views) else 0,
                step=int(entry["step"]),
                whole=False,
                size=tuple(int(side) for side in size if _is_number(side)) if isinstance(size, list) else (),
                fit_color=str(entry.get("fit_color", "none")),
            )
    return None


def _log_entries(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield the last entries of metrics.jsonl. Lines that are not valid entries are skipped."""
    try:
        with open_regular(folder.metrics) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = file.read(TAIL_BYTES).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def _metrics(stored: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in stored.items() if _is_number(value)}


def _plugins(folder: RunFolder) -> dict[str, str]:
    try:
        return folder.stored_plugins()
    except (RadfieldError, OSError):
        return {}


def _scene(options: Mapping[str, Any]) -> str:
    """Return a name for the data: the last part of their path or, without one, the name of their format."""
    data = options.get("data")
    root = data.get("root") if isinstance(data, dict) else None
    name = Path(root).stem if isinstance(root, str) else _part(options, "data")
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "scene"


def _part(options: Mapping[str, Any], slot: str) -> str:
    """Return the name of the part that is chosen for a slot, or "" if it is not known."""
    chosen = options.get(slot)
    name = chosen.get("type") if isinstance(chosen, dict) else chosen
    return name if isinstance(name, str) else ""


def _number_in(options: Mapping[str, Any], table: str, name: str) -> int | None:
    inner = options.get(table)
    value = inner.get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, int) else None


def _lines(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inline(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _status(path: Path) -> tuple[int, float]:
    """Return the size of a file and the time of its last change, or zeros if it is gone."""
    try:
        status = path.lstat()
    except OSError:
        return 0, 0.0
    return status.st_size, status.st_mtime
