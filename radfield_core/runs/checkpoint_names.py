"""The names of checkpoints. This module imports no torch, so that a path that is no run is reported at once."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"step-(\d{9,})")


def list_steps(folder: Path) -> list[Path]:
    """Return the paths of all checkpoints below `folder`, oldest first. Damaged checkpoints are included."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def is_checkpoint(path: Path) -> bool:
    """True if there is a folder at the path and its name has the form of a checkpoint's name."""
    return _NAME.fullmatch(path.name) is not None and path.is_dir()
