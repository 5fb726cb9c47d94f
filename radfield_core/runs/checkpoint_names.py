"""The names of checkpoints. This module imports no torch, so that a path without a run is reported at once."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from radfield_core.errors import DatasetError
from radfield_core.files.json_files import MAX_RUN_JSON_BYTES, read_json

BEST = "best.json"
"""Name of the file that names the best checkpoint."""

_NAME = re.compile(r"step-([0-9]{9,12})")


def list_steps(folder: Path) -> list[Path]:
    """Return the paths of all checkpoints below `folder`, oldest first. Damaged checkpoints are included."""
    if not folder.is_dir():
        return []
    found = [(step, path) for path in folder.iterdir() if (step := named_step(path)) is not None]
    return [path for _, path in sorted(found)]


def named_step(path: Path) -> int | None:
    """Return the step in the name of a checkpoint, or None if the name is not that of a checkpoint.

    Example:
        >>> named_step(Path("checkpoints/step-000001000")), named_step(Path("checkpoints/latest"))
        (1000, None)
    """
    match = _NAME.fullmatch(path.name)
    return None if match is None else int(match[1])


def is_checkpoint(path: Path) -> bool:
    """True if there is a folder at the path and its name has the form of a checkpoint's name."""
    return named_step(path) is not None and path.is_dir() and not path.is_symlink()


def read_best(folder: Path) -> dict[str, Any] | None:
    """Return the entry of the best checkpoint below `folder`, or None if there is none.

    The entry has the name of the checkpoint, its step, its PSNR, and what was evaluated: split, views and size.
    """
    try:
        entry = read_json(folder / BEST, MAX_RUN_JSON_BYTES)
        known = is_checkpoint(folder / Path(entry["checkpoint"]).name) and math.isfinite(entry["psnr"])
        return {**entry, "checkpoint": Path(entry["checkpoint"]).name} if known else None
    except (DatasetError, KeyError, TypeError, ValueError, OSError):
        return None
