"""Results of evaluations in a run's folder. The results of one checkpoint never overwrite those of another.

    results.json  results-train.json  chamfer.json      of the newest checkpoint that was evaluated
    results/results-step-000001000.json  …              of all others

This module imports no torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from radfield_core.errors import StorageError, unwritable
from radfield_core.files.durable import write_durably
from radfield_core.files.results import write_results
from radfield_core.runs.checkpoint_names import list_steps, named_step
from radfield_core.runs.folder import RunFolder, read_run_json

MARK = ".checkpoint"
"""File that names the checkpoint from which the other files in its folder were made."""

OLDER = "results"
"""Name of the folder inside a run's folder that holds the results of older checkpoints."""


def store(folder: RunFolder, name: str, results: Mapping[str, Any]) -> Path:
    """Write results to a run's folder and return the file.

    Args:
        folder: the run's folder.
        name: name of the file without its suffix, such as "results" or "chamfer".
        results: the content. The entry `step` is the step of the checkpoint.

    Raises:
        StorageError: the file cannot be written.
    """
    path, step = folder.path / f"{name}.json", int(results["step"])
    known = step_of(path)
    if known is not None and known > step:
        path = _beside(folder, name, step)
    elif known is not None and known < step:
        _move(path, _beside(folder, name, known))
    write_results(path, results)
    return path


def step_of(path: Path) -> int | None:
    """Return the step that a file of results states, or None if there is no such file or it is damaged."""
    try:
        step = read_run_json(path)["step"] if path.is_file() else None
    except (StorageError, KeyError, TypeError):
        return None
    return step if isinstance(step, int) and step >= 0 else None


def set_aside(folder: RunFolder, step: int) -> list[Path]:
    """Rename the results of all steps after `step`, because a run that is resumed from `step` repeats those steps.

    Returns:
        The new paths, which begin with `aside-<n>-`.
    """
    moved = []
    for path in [*folder.path.glob("*.json"), *(folder.path / OLDER).glob("*-step-*.json")]:
        known = step_of(path)
        if known is not None and known > step and not path.name.startswith("aside-"):
            name = f"{path.stem}.json" if "-step-" in path.stem else f"{path.stem}-step-{known:09d}.json"
            beside = folder.path / OLDER / name
            numbered = (beside.with_name(f"aside-{n}-{name}") for n in itertools.count(1))
            moved.append(_move(path, next(target for target in numbered if not target.exists())))
    return moved


def place_for(folder: RunFolder, checkpoint: Path | None, name: str) -> Path:
    """Return the folder, inside a run's folder, for files made from a checkpoint.

    For the newest checkpoint, it is `name`. For an older one it is `name/step-…`, so that nothing is overwritten.

    Args:
        folder: the run's folder.
        checkpoint: the checkpoint, or None for the newest.
        name: name of the folder, such as "images".
    """
    newest = [path.name for path in list_steps(folder.checkpoints)[-1:]]
    if checkpoint is None or not newest or checkpoint.name in newest:
        return folder.path / name
    return folder.path / name / checkpoint.name


@contextmanager
def made_from(folder: RunFolder, checkpoint: Path, name: str) -> Iterator[Path]:
    """Provide the folder for files made from a checkpoint, as `place_for` does, and mark it after the `with` block.

    The folder for the newest checkpoint may hold files of a checkpoint that was the newest at an earlier time. Those
    files are moved to a folder `name/step-…`.

    Raises:
        StorageError: the files cannot be moved.
    """
    place = place_for(folder, checkpoint, name)
    if named_step(place) is not None:
        yield place
        return
    mark = place / MARK
    try:
        before = mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else ""
        if named_step(Path(before)) is not None and before != checkpoint.name:
            (place / before).mkdir(exist_ok=True)
            mark.unlink()
            for path in [each for each in place.iterdir() if named_step(each) is None]:
                path.rename(place / before / path.name)
    except OSError as error:
        raise unwritable(error, place) from error
    yield place
    with suppress(OSError):
        write_durably(mark, f"{checkpoint.name}\n")


def _beside(folder: RunFolder, name: str, step: int) -> Path:
    return folder.path / OLDER / f"{name}-step-{step:09d}.json"


def _move(path: Path, target: Path) -> Path:
    """Move a file of results. Raises StorageError if this fails."""
    try:
        target.parent.mkdir(exist_ok=True)
        return path.rename(target)
    except OSError as error:
        raise unwritable(error, target) from error
