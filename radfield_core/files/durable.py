"""Durable files: what these functions acknowledge survives a crash of the program or of the machine.

Every byte goes through `os.open`, `os.write`, `os.fsync` and `os.rename` or `os.replace`: a new file is written beside
the old one, synced, renamed over it, and the folder is synced. Tests inject a crash at each of these calls.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


def write_durably(path: Path, data: bytes | str) -> None:
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


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file or a folder to; renamed to `path` at the end, removed if anything fails.

    Files are synced before the rename and the folder after it, so that a crash leaves the old content or the new. A
    folder replaces only an empty or absent one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
            sync(file)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file that is whole or absent, and the folders above it; text is UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data)


def cache_dir(name: str) -> Path:
    """The folder for what can be made again: $RADFIELD_CACHE, else $XDG_CACHE_HOME/radfield, else ~/.cache/radfield."""
    base = os.environ.get("RADFIELD_CACHE")
    folder = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radfield"
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
