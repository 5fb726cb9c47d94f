"""Checkpoints: folders of safetensors and JSON files. A manifest is written last, so that a crash does no harm.

    checkpoints/step-000001000/   FORMAT, {model,optim,rng}.safetensors, state.json, MANIFEST.json
    checkpoints/latest            name of the newest checkpoint, for people to read; loading does not use it

A checkpoint is written to the folder `.tmp-<pid>-<step>`, and each file is synced to the disk. Then the folder is
renamed, and its parent folder is synced. Loading takes the newest checkpoint whose files have the sizes and SHA-256
sums that its manifest states.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from radfield_core.errors import StorageError
from radfield_core.files.durable import sync, write_durably, write_new
from radfield_core.files.json_files import MAX_CHECKPOINT_JSON_BYTES, dump_json
from radfield_core.runs import tensor_tree
from radfield_core.runs.checkpoint_names import list_steps

FORMAT = "radfield checkpoint 1\n"
_TEMPORARY = re.compile(r"(?:\.latest)?\.tmp-(\d+)(?:-\d+)?")
_TENSOR_FILES = ("model", "optim", "rng")


@dataclass(frozen=True, eq=False)
class State:
    """Everything that a run needs to resume, apart from its config.

    Attributes:
        step: number of steps taken.
        model: name -> parameter or buffer.
        optimizer: state of the optimizer, as a tree of dicts, lists, scalars and tensors.
        generators: name of a random generator -> its state as a uint8 tensor.
        progress: further values that can be stored as JSON, such as the counters of the training loop.
    """

    step: int
    model: Mapping[str, Tensor]
    optimizer: Any = None
    generators: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)


class CorruptCheckpoint(StorageError):
    """A checkpoint's files are missing, damaged or in an unknown format."""


def save(folder: Path, state: State, keep: int = 2) -> Path:
    """Write a checkpoint below `folder`. Keep the `keep` newest intact checkpoints, and delete older ones.

    When this function returns, the checkpoint is on the disk and has been read back. If an intact checkpoint of the
    same step exists already, nothing is written.

    Returns:
        The checkpoint's path.

    Raises:
        OSError: the disk is full or not writable. The incomplete files are removed; older checkpoints are untouched.
        CorruptCheckpoint: the files that were read back differ from those written.
    """
    final = folder / f"step-{state.step:09d}"
    if final.exists():
        with contextlib.suppress(CorruptCheckpoint):
            _verified(final)
            return final
        _remove(final)
    temporary = folder / f".tmp-{os.getpid()}-{state.step:09d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        _write_files(temporary, state)
        os.rename(temporary, final)
        sync(folder)
        write_durably(folder / "latest", final.name + "\n")
    except OSError:
        _remove(temporary)
        raise
    _verified(final)
    _prune(folder, final, keep)
    return final


def load(path: Path) -> State:
    """Load the state that a checkpoint stores. Raises CorruptCheckpoint if the checkpoint is damaged."""
    contents = _verified(path)
    try:
        tensors = {name: safetensors.torch.load(contents[f"{name}.safetensors"]) for name in _TENSOR_FILES}
        if len(contents["state.json"]) > MAX_CHECKPOINT_JSON_BYTES:
            raise CorruptCheckpoint("state.json is too large", path=str(path))
        head = json.loads(contents["state.json"])
        optimizer = tensor_tree.join(head["optimizer"], tensors["optim"])
        return State(int(head["step"]), tensors["model"], optimizer, tensors["rng"], head["progress"])
    except (KeyError, TypeError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise CorruptCheckpoint(f"not a radfield checkpoint: {error}", path=str(path)) from error


def newest(
    folder: Path, wanted: Callable[[State], bool] = lambda state: True
) -> tuple[State | None, Path | None, list[str]]:
    """Load the newest intact checkpoint below `folder` for which `wanted(state)` is true.

    Returns:
        Three values: the state and the path of the checkpoint (both None if there is no such checkpoint), and a list
        with a message for each newer checkpoint that is damaged.
    """
    skipped: list[str] = []
    for path in reversed(list_steps(folder)):
        try:
            if wanted(state := load(path)):
                return state, path, skipped
        except CorruptCheckpoint as error:
            skipped.append(f"skipped {error.problems[0].path}: {error.problems[0].message}")
    return None, None, skipped


def set_aside(folder: Path, step: int) -> list[Path]:
    """Rename all checkpoints of steps after `step`, because a run that resumes from `step` repeats those steps.

    Returns:
        The new paths, which end in `aside-<n>-step-<step>`.
    """
    moved = []
    for path in list_steps(folder):
        if int(path.name.removeprefix("step-")) > step:
            number = next(n for n in itertools.count(1) if not path.with_name(f"aside-{n}-{path.name}").exists())
            moved.append(path.rename(path.with_name(f"aside-{number}-{path.name}")))
    return moved


def clean(folder: Path) -> None:
    """Remove the temporary files and folders that processes left when they were killed while saving.

    A folder is removed only if its FORMAT file identifies it as a checkpoint, or if it contains at most an incomplete
    FORMAT file.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or _alive(int(match[1])):
            continue
        if path.is_file():
            path.unlink()
        elif _text(path / "FORMAT") == FORMAT or _barely_begun(path):
            _remove(path)


def _write_files(folder: Path, state: State) -> None:
    """Write the files of a checkpoint. The manifest is written last."""
    files: dict[str, dict[str, Any]] = {}

    def write(name: str, data: bytes) -> None:
        write_new(folder / name, data)
        files[name] = _digest(data)

    tree, tensors = tensor_tree.split(state.optimizer)
    head = {"step": state.step, "optimizer": tree, "progress": dict(state.progress)}
    write("FORMAT", FORMAT.encode())
    write("model.safetensors", safetensors.torch.save(_plain(state.model)))
    write("optim.safetensors", safetensors.torch.save(_plain(tensors)))
    write("rng.safetensors", safetensors.torch.save(_plain(state.generators)))
    write("state.json", dump_json(head).encode())
    manifest = {"files": files, "sha256": _digest(_canonical(files))["sha256"]}
    write_new(folder / "MANIFEST.json", _canonical(manifest))
    sync(folder)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert tensors as safetensors requires: they are contiguous, on the CPU, and share no memory."""
    plain, storages = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in storages or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        storages.add(tensor.untyped_storage().data_ptr())
        plain[name] = tensor
    return plain


def _canonical(value: Any) -> bytes:
    return dump_json(value, canonical=True).encode()


def _digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _verified(path: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint: file name -> content. Raises CorruptCheckpoint if a file differs from the
    manifest."""
    contents = {}
    try:
        for name, expected in _manifest(path).items():
            if Path(name).name != name:
                raise CorruptCheckpoint(f"{name!r} is outside the checkpoint", path=str(path))
            if (path / name).stat().st_size != expected["size"]:
                raise CorruptCheckpoint(f"{name} has a size that differs from the manifest", path=str(path))
            contents[name] = (path / name).read_bytes()
            if _digest(contents[name]) != expected:
                raise CorruptCheckpoint(f"{name} is damaged: its SHA-256 differs from the manifest", path=str(path))
    except (OSError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CorruptCheckpoint(f"incomplete or damaged: {error}", path=str(path)) from error
    if contents.get("FORMAT") != FORMAT.encode():
        raise CorruptCheckpoint("written in a format unknown to this version", path=str(path))
    return contents


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Verify the checksum of a checkpoint's manifest. Return the size and SHA-256 that the manifest states for each
    file."""
    if (path / "MANIFEST.json").stat().st_size > MAX_CHECKPOINT_JSON_BYTES:
        raise CorruptCheckpoint("MANIFEST.json is too large", path=str(path))
    text = (path / "MANIFEST.json").read_bytes()
    manifest = json.loads(text)
    files: dict[str, dict[str, Any]] = manifest["files"]
    if text != _canonical(manifest) or manifest["sha256"] != _digest(_canonical(files))["sha256"]:
        raise CorruptCheckpoint("MANIFEST.json is damaged", path=str(path))
    return files


def _prune(folder: Path, verified: Path, keep: int) -> None:
    """Keep the `keep` newest intact checkpoints, and delete older ones. A failure to delete is ignored.

    The checkpoint `verified` is known to be intact and is not read again.
    """
    intact = 0
    for path in reversed(list_steps(folder)):
        if intact >= keep:
            doomed = folder / f".tmp-{os.getpid()}-{path.name.removeprefix('step-')}"
            with contextlib.suppress(OSError):
                os.rename(path, doomed)
                _remove(doomed)
            continue
        with contextlib.suppress(CorruptCheckpoint):
            if path != verified:
                _verified(path)
            intact += 1


def _remove(folder: Path) -> None:
    """Delete a checkpoint's folder. FORMAT is deleted last, so that `clean` recognizes the folder after a crash."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "FORMAT"):
            path.unlink()
        folder.rmdir()


def _alive(pid: int) -> bool:
    """True if another process with this id is running.

    The id of this process does not count, because a temporary file with this id comes from an earlier process.
    """
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _barely_begun(folder: Path) -> bool:
    """True if a folder is empty or contains nothing but an incomplete FORMAT file."""
    names = [path.name for path in folder.iterdir()]
    return not names or (names == ["FORMAT"] and FORMAT.startswith(_text(folder / "FORMAT") or ""))


def _text(path: Path) -> str | None:
    """Return the text of a file, or None if the file cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
