"""Read the log of a run, metrics.jsonl, which may come from a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from radfield_core.errors import StorageError
from radfield_core.files.regular import open_regular

MAX_LOG_BYTES = 2**26
"""Of a longer log, only this many bytes are read, from its beginning."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a run's metrics.jsonl, in their order.

    Lines that are no JSON objects, such as the last line of a process that was killed, are left out. If there is no
    file, or if it cannot be read, the list is empty. The values may be anything that JSON can hold.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "metrics.jsonl"
        ...     _ = path.write_text('{"step": 1, "loss": 0.5}\\n{"step": 2, "lo')
        ...     read_log(path)
        [{'step': 1, 'loss': 0.5}]
    """
    try:
        with open_regular(path) as file:
            lines = file.read(MAX_LOG_BYTES).decode("utf-8", errors="replace").splitlines()
    except (OSError, StorageError):
        return []
    return [entry for entry in map(_entry, lines) if isinstance(entry, dict)]


def _entry(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
