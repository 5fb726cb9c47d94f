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
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from radfield_core.errors import DatasetError, StorageError
from radfield_core.files.durable import is_running, named, remove_leftovers, sync, write_durably, write_new
from radfield_core.files.json_files import MAX_CHECKPOINT_JSON_BYTES, dump_json, parse_json
from radfield_core.files.regular import open_regular
from radfield_core.runs import tensor_tree
from radfield_core.runs.checkpoint_names import list_steps, named_step

FORMAT = "radfield checkpoint 1\n"
_TEMPORARY = re.compile(r"\.tmp-([0-9]{1,9})-[0-9]+")
_TENSOR_FILES = ("model", "optim", "rng")
_FILES = ("FORMAT", "state.json", *(f"{name}.safetensors" for name in _TENSOR_FILES))
_PIECE_BYTES = 2**20


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


def save(folder: Path, state: State, keep: int = 2, spared: Collection[str] = ()) -> Path:
    """Write a checkpoint below `folder`. Keep the `keep` newest intact checkpoints, and delete older ones.

    Checkpoints with the names `spared` are kept too.

    When this function returns, the checkpoint is on the disk and has been read back. If an intact checkpoint of the
    same step exists already, nothing is written.

    Returns:
        The checkpoint's path.

    Raises:
        OSError: the disk is full or not writable. The incomplete files are removed; older checkpoints are untouched.
        CorruptCheckpoint: the files that were read back differ from those written.
    """
    final = folder / f"step-{state.step:09d}"
    if os.path.lexists(final):
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
    except OSError as error:
        _remove(temporary)
        raise named(error, final, temporary) from None
    _verified(final)
    _prune(folder, final, keep, spared)
    return final


def load(path: Path) -> State:
    """Load the state that a checkpoint stores. Raises CorruptCheckpoint if the checkpoint is damaged."""
    contents = _verified(path, keep=True)
    try:
        tensors = {name: safetensors.torch.load(contents[f"{name}.safetensors"]) for name in _TENSOR_FILES}
        if len(contents["state.json"]) > MAX_CHECKPOINT_JSON_BYTES:
            raise CorruptCheckpoint("state.json is too large", path=str(path))
        head = parse_json(contents["state.json"], path / "state.json")
        if not isinstance(head["progress"], dict):
            raise TypeError("state.json has no table `progress`")
        optimizer = tensor_tree.join(head["optimizer"], tensors["optim"])
        return State(_step(path, head["step"]), tensors["model"], optimizer, tensors["rng"], head["progress"])
    except StorageError:
        raise
    except Exception as error:  # safetensors and torch raise exceptions of many classes for damaged tensors
        raise CorruptCheckpoint(f"not a radfield checkpoint: {reason(error)}", path=str(path)) from error


def reason(error: Exception) -> str:
    """Return the message of an exception on one line. For radfield's own errors, paths and hints are left out."""
    text = error.problems[0].message if isinstance(error, DatasetError) else str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def _step(path: Path, stored: Any) -> int:
    """Return the number of steps stored in a checkpoint. Raises ValueError if its name has another number."""
    if type(stored) is not int or stored < 0 or named_step(path) not in (None, stored):
        raise ValueError(f"state.json has the wrong step {stored!r:.40}")
    return stored


def newest(
    folder: Path, wanted: Callable[[State], bool] = lambda state: True
) -> tuple[State | None, Path | None, list[str]]:
    """Load the newest intact checkpoint below `folder` for which `wanted(state)` is true.

    A checkpoint for which `wanted` raises CorruptCheckpoint counts as damaged.

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
    remove_leftovers(folder)
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or not path.is_dir() or path.is_symlink() or is_running(int(match[1])):
            continue
        if _text(path / "FORMAT") == FORMAT or _barely_begun(path):
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
    """Convert tensors to the form that safetensors requires: contiguous, on the CPU, and without shared memory."""
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


def _verified(path: Path, *, keep: bool = False) -> dict[str, bytes]:
    """Compare the files of a checkpoint with its manifest. Raises CorruptCheckpoint if a file differs.

    Returns:
        A dictionary: file name -> content. If `keep` is False, contents other than FORMAT's are empty, to save memory.
    """
    contents = {}
    try:
        if path.is_symlink():
            raise CorruptCheckpoint("is a link, which is not followed here", path=str(path))
        files = _manifest(path)
        for name in _FILES:
            data = _read(path / name, files[name], keep or name == "FORMAT")
            if data is None:
                raise CorruptCheckpoint(f"{name} is damaged: its SHA-256 differs from the manifest", path=str(path))
            contents[name] = data
    except CorruptCheckpoint:
        raise
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        raise CorruptCheckpoint(f"incomplete or damaged: {name}: {error.strerror}", path=str(path)) from error
    except (KeyError, TypeError, AttributeError, ValueError, MemoryError, DatasetError) as error:
        raise CorruptCheckpoint(f"incomplete or damaged: {reason(error)}", path=str(path)) from error
    if contents["FORMAT"] != FORMAT.encode():
        raise CorruptCheckpoint("written in a format unknown to this version", path=str(path))
    return contents


def _read(path: Path, expected: Mapping[str, Any], keep: bool) -> bytes | None:
    """Read a file and check its size and SHA-256. Return its content, or None if the SHA-256 is wrong.

    If `keep` is False, the returned content is empty.
    """
    size, digest = expected["size"], hashlib.sha256()
    with open_regular(path) as stream:
        if type(size) is not int or os.fstat(stream.fileno()).st_size != size:
            raise ValueError(f"{path.name} has a size that differs from the manifest")
        if keep and 2 * size > _memory_bytes():  # the content and the tensors that are made from it
            raise MemoryError(f"{path.name} does not fit into the memory of this machine")
        data = stream.read(size) if keep else b""
        for start in range(0, len(data), _PIECE_BYTES):
            digest.update(memoryview(data)[start : start + _PIECE_BYTES])
        while not keep and size > 0 and (piece := stream.read(min(_PIECE_BYTES, size))):
            digest.update(piece)
            size -= len(piece)
    return data if digest.hexdigest() == expected["sha256"] else None


def _memory_bytes() -> int:
    """Return the size of the memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Verify the checksum of a checkpoint's manifest. Return the size and SHA-256 that the manifest states for each
    file."""
    file = path / "MANIFEST.json"
    with open_regular(file) as stream:
        text = stream.read(MAX_CHECKPOINT_JSON_BYTES + 1)
    if len(text) > MAX_CHECKPOINT_JSON_BYTES:
        raise CorruptCheckpoint("MANIFEST.json is too large", path=str(path))
    manifest = parse_json(text, file)
    files: dict[str, dict[str, Any]] = manifest["files"]
    if text != _canonical(manifest) or manifest["sha256"] != _digest(_canonical(files))["sha256"]:
        raise CorruptCheckpoint("MANIFEST.json is damaged", path=str(path))
    return files


def _prune(folder: Path, verified: Path, keep: int, spared: Collection[str]) -> None:
    """Keep the `keep` newest intact checkpoints, and delete older ones. A failure to delete is ignored.

    The checkpoint `verified` is known to be intact and is not read again.
    """
    intact = 0
    for path in reversed(list_steps(folder)):
        if intact >= keep and path.name in spared:
            continue
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
    """Delete a checkpoint's folder. FORMAT is deleted last, so that `clean` recognizes the folder after a crash.

    If the path is a link, only the link itself is deleted.
    """
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
            return
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "FORMAT"):
            path.unlink()
        folder.rmdir()


def _barely_begun(folder: Path) -> bool:
    """True if a folder is empty or contains nothing but an incomplete FORMAT file."""
    names = [path.name for path in folder.iterdir()]
    return not names or (names == ["FORMAT"] and FORMAT.startswith(_text(folder / "FORMAT") or ""))


def _text(path: Path) -> str | None:
    """Return the text of a file, or None if the file cannot be read."""
    try:
        with open_regular(path) as stream:
            return stream.read(_PIECE_BYTES).decode()
    except (OSError, ValueError):
        return None
