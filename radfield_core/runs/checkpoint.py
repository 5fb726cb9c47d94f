"""Checkpoints that survive a crash at any moment: safetensors and JSON, with a manifest that is written last.

    checkpoints/step-000001000/   FORMAT, {model,optim,rng}.safetensors, state.json, MANIFEST.json
    checkpoints/latest            the name of the newest one, for people; loading never depends on it

A checkpoint is written as `.tmp-<pid>-<step>`, each file synced, then renamed and the folder synced. Loading walks
from the newest to the oldest and takes the first whose manifest (size and SHA-256 of every file) holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
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
from radfield_core.files.durable import dump_json, sync, write_durably, write_new

FORMAT = "radfield checkpoint 1\n"
_NAME = re.compile(r"step-(\d{9,})")
_TEMPORARY = re.compile(r"(?:\.latest)?\.tmp-(\d+)(?:-\d+)?")
_TENSOR_FILES = ("model", "optim", "rng")
MAX_JSON_BYTES = 64 * 2**20  # of a state or a manifest; thousands of parameters fill a hundredth of it


@dataclass(frozen=True, eq=False)
class State:
    """All that a run needs to go on: everything else follows from the config.

    model: parameters and buffers by name. optimizer: a tree of dicts, lists, scalars and tensors. generators: the state
    of every generator as a uint8 tensor. progress: JSON values (step, clock, ray count, …).
    """

    step: int
    model: Mapping[str, Tensor]
    optimizer: Any = None
    generators: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)


class CorruptCheckpoint(StorageError):
    """The files of a checkpoint are not those that were written."""


def save(folder: Path, state: State, keep: int = 2) -> Path:
    """Write a checkpoint below `folder` and return its path; delete those older than the `keep` newest good ones.

    When this returns, the checkpoint has been read back and is on the disk. A step that was saved before is not saved
    again. Raises OSError (disk full, no permission), having removed what it wrote; older checkpoints are untouched.
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
    """The state in one checkpoint. Raises CorruptCheckpoint."""
    contents = _verified(path)
    try:
        tensors = {name: safetensors.torch.load(contents[f"{name}.safetensors"]) for name in _TENSOR_FILES}
        if len(contents["state.json"]) > MAX_JSON_BYTES:
            raise CorruptCheckpoint("state.json is too large for one", path=str(path))
        head = json.loads(contents["state.json"])
        optimizer = _join(head["optimizer"], tensors["optim"])
        return State(int(head["step"]), tensors["model"], optimizer, tensors["rng"], head["progress"])
    except (KeyError, TypeError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise CorruptCheckpoint(f"not a checkpoint of radfield: {error}", path=str(path)) from error


def newest(
    folder: Path, wanted: Callable[[State], bool] = lambda state: True
) -> tuple[State | None, Path | None, list[str]]:
    """The newest good and wanted checkpoint below `folder`, its path, and a line about each newer one that is bad."""
    skipped: list[str] = []
    for path in reversed(list_steps(folder)):
        try:
            if wanted(state := load(path)):
                return state, path, skipped
        except CorruptCheckpoint as error:
            skipped.append(f"skipped {error.problems[0].path}: {error.problems[0].message}")
    return None, None, skipped


def list_steps(folder: Path) -> list[Path]:
    """Checkpoints below `folder`, oldest first, good or not."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def set_aside(folder: Path, step: int) -> list[Path]:
    """Rename checkpoints of later steps, which a run that goes on from `step` will take anew; returns their paths."""
    moved = []
    for path in list_steps(folder):
        if int(path.name.removeprefix("step-")) > step:
            number = next(n for n in itertools.count(1) if not path.with_name(f"aside-{n}-{path.name}").exists())
            moved.append(path.rename(path.with_name(f"aside-{number}-{path.name}")))
    return moved


def is_checkpoint(path: Path) -> bool:
    """Whether a path is named like a checkpoint of ours and is a folder."""
    return _NAME.fullmatch(path.name) is not None and path.is_dir()


def clean(folder: Path) -> None:
    """Remove what a killed process left half written: temporary files and folders of ours whose process is gone.

    A folder without our mark is not ours to delete, unless it holds nothing but the beginning of a mark.
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
    write_new(folder / "FORMAT", FORMAT.encode())
    tree, optimizer_tensors = _split(state.optimizer)
    head = {"step": state.step, "optimizer": tree, "progress": dict(state.progress)}
    groups = zip(_TENSOR_FILES, (state.model, optimizer_tensors, state.generators), strict=True)
    manifest = {"FORMAT": _digest(FORMAT.encode())}
    for name, data in [
        *((f"{name}.safetensors", safetensors.torch.save(_plain(tensors))) for name, tensors in groups),
        ("state.json", dump_json(head).encode()),
    ]:
        write_new(folder / name, data)
        manifest[name] = _digest(data)
    text = _canonical({"files": manifest, "sha256": _digest(_canonical(manifest))["sha256"]})
    write_new(folder / "MANIFEST.json", text)
    sync(folder)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU that share no memory, as the format wants them."""
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
    """The files of a checkpoint, checked against its manifest, which is checked against itself."""
    try:
        if (path / "MANIFEST.json").stat().st_size > MAX_JSON_BYTES:
            raise CorruptCheckpoint("MANIFEST.json is too large for one", path=str(path))
        text = (path / "MANIFEST.json").read_bytes()
        manifest = json.loads(text)
        files = manifest["files"]
        if text != _canonical(manifest) or manifest["sha256"] != _digest(_canonical(files))["sha256"]:
            raise CorruptCheckpoint("MANIFEST.json is damaged", path=str(path))
        contents = {}
        for name, expected in files.items():
            if Path(name).name != name:
                raise CorruptCheckpoint(f"{name!r} leaves the checkpoint", path=str(path))
            if (path / name).stat().st_size != expected["size"]:
                raise CorruptCheckpoint(f"{name} does not have the size it was written with", path=str(path))
            contents[name] = (path / name).read_bytes()
            if _digest(contents[name]) != expected:
                raise CorruptCheckpoint(f"{name} is not what was written (its SHA-256 differs)", path=str(path))
    except (OSError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CorruptCheckpoint(f"incomplete or damaged: {error}", path=str(path)) from error
    if contents.get("FORMAT") != FORMAT.encode():
        raise CorruptCheckpoint("written in a format that this version does not know", path=str(path))
    return contents


def _prune(folder: Path, verified: Path, keep: int) -> None:
    """Delete checkpoints older than the `keep` newest good ones. A failure to delete is not a failure to save."""
    good = 0
    for path in reversed(list_steps(folder)):
        if good >= keep:
            doomed = folder / f".tmp-{os.getpid()}-{path.name.removeprefix('step-')}"
            with contextlib.suppress(OSError):
                os.rename(path, doomed)
                _remove(doomed)
            continue
        with contextlib.suppress(CorruptCheckpoint):
            if path != verified:
                _verified(path)
            good += 1


def _remove(folder: Path) -> None:
    """Delete a flat folder, its mark last, so that a crash in between leaves something `clean` recognizes."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "FORMAT"):
            path.unlink()
        folder.rmdir()


def _alive(pid: int) -> bool:
    """Whether another process has this id; our own id on something found at start is a dead process's."""
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
    names = [path.name for path in folder.iterdir()]
    return not names or (names == ["FORMAT"] and FORMAT.startswith(_text(folder / "FORMAT") or ""))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _split(tree: Any) -> tuple[Any, dict[str, Tensor]]:
    """A tree without its tensors, as JSON, and the tensors by number. Keys that are not text keep their type."""
    tensors: dict[str, Tensor] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, Tensor):
            tensors[str(len(tensors))] = node
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(node, Mapping):
            return {"dict": [[walk(key), walk(value)] for key, value in node.items()]}
        if isinstance(node, (list, tuple)):
            return {type(node).__name__: [walk(item) for item in node]}
        if isinstance(node, float) and not math.isfinite(node):
            return {"float": repr(node)}
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        raise TypeError(f"the optimizer's state holds a {type(node).__name__}, which checkpoints cannot keep")

    return walk(tree), tensors


def _join(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `_split` took apart."""
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "float":
        return float(value)
    if kind == "dict":
        return {_join(key, tensors): _join(item, tensors) for key, item in value}
    items = [_join(item, tensors) for item in value]
    return tuple(items) if kind == "tuple" else items
