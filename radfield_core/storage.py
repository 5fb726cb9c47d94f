"""Durable files: what these functions acknowledge survives a crash of the program or of the machine.

Every byte goes through `os.open`, `os.write`, `os.fsync` and `os.rename` or `os.replace`: a new file is written beside
the old one, synced, renamed over it, and the folder is synced. Tests inject a crash at each of these calls.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_new(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it. Raises OSError, after which the file may be incomplete."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, data: bytes | str) -> None:
    """Write or replace a file; whoever reads it meanwhile sees the old one or the new one, whole. Raises OSError."""
    beside = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        write_new(beside, data.encode() if isinstance(data, str) else data)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync(path.parent)


def dump_json(value: Any, *, indent: int | None = None, canonical: bool = False) -> str:
    """JSON text. Floats read back as the same bits, except that null stands for those that JSON cannot hold.

    canonical: one form for one value: sorted keys, no spaces.
    """
    separators = (",", ":") if canonical else None
    return json.dumps(
        _finite(value), indent=indent, sort_keys=canonical, separators=separators, ensure_ascii=False, allow_nan=False
    )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
