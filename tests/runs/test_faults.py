"""Crashes, full disks and rivals: no acknowledged checkpoint is ever lost."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from radfield_core.errors import StorageError
from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint import State
from radfield_core.runs.folder import RunFolder
from radfield_core.testing.training import toy_trainer

CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir")


def state(step: int, size: int = 50) -> State:
    """A state whose every number is its step."""
    return State(step, {"w": torch.full((size,), float(step))}, {"m": torch.full((size,), float(step))})


def whole(loaded: State | None) -> bool:
    """True if a state equals, in every part, one that was saved."""
    assert loaded is not None
    same = (bool((tensor == loaded.step).all()) for tensor in (loaded.model["w"], loaded.optimizer["m"]))
    return all(same)


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked process; its exit code, 99 if it raised."""
    pid = os.fork()
    if pid == 0:
        code = 99
        with contextlib.suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """A forked process has none of the threads that torch would wait for."""
    torch.set_num_threads(1)


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killing a process loses nothing that it wrote, synced or not; waiting for the disk only takes time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def crash_at(n: int) -> None:
    """End the process without a trace at the n-th call to the operating system; half of a write is done first."""
    count = 0

    def guarded(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == n:
                if name == "write":
                    data = bytes(args[1])  # type: ignore[call-overload]
                    original(args[0], data[: len(data) // 2])
                os._exit(7)
            return original(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, guarded(name, getattr(os, name)))


def save_three(folder: Path, acknowledged: Path, n: int) -> None:
    """Save steps 11 to 13, with a crash at call n, noting every step whose save returned."""
    crash_at(n)
    for step in (11, 12, 13):
        checkpoint.save(folder, state(step), keep=2)
        with open(acknowledged, "a") as file:  # not by os.open: noting is not saving
            file.write(f"{step}\n")


def test_a_crash_at_any_call_of_three_saves_loses_nothing_acknowledged(tmp_path: Path, no_sync: None) -> None:
    n, code = 0, 7
    while code == 7:
        n += 1
        folder, notes = tmp_path / f"{n}", tmp_path / f"notes-{n}"
        checkpoint.save(folder, state(10))
        code = in_child(lambda: save_three(folder, notes, n))  # noqa: B023  called at once
        steps = [10, *(map(int, notes.read_text().split()) if notes.exists() else ())]
        loaded, _, _ = checkpoint.newest(folder)
        assert whole(loaded), f"call {n}"
        assert loaded is not None and loaded.step >= steps[-1], f"call {n}"
        checkpoint.clean(folder)
        assert not [path for path in folder.iterdir() if ".tmp-" in path.name], f"call {n}"
        checkpoint.save(folder, state(20), keep=2)
        assert whole(checkpoint.newest(folder)[0])
    assert code == 0 and n > 60


def test_files_are_synced_before_the_rename_and_folders_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash of the machine, which no test can make, would need: the order of syncs and renames."""
    events: list[tuple[str, str]] = []
    paths: dict[int, str] = {}
    real = {name: getattr(os, name) for name in ("open", "fsync", "rename", "replace")}

    def opened(path: object, *args: int) -> int:
        handle = real["open"](path, *args)
        paths[handle] = os.path.basename(os.fspath(path))  # type: ignore[call-overload]
        return handle

    def renamed(name: str) -> Callable[..., None]:
        return lambda a, b: (events.append(("rename", os.path.basename(b))), real[name](a, b))[1]

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append(("sync", paths[handle])), real["fsync"](handle))[1])
    monkeypatch.setattr(os, "rename", renamed("rename"))
    monkeypatch.setattr(os, "replace", renamed("replace"))
    path = checkpoint.save(tmp_path, state(1))
    temporary = f".tmp-{os.getpid()}-000000001"
    first = events.index(("rename", path.name))
    assert {name for kind, name in events[:first]} == {file.name for file in path.iterdir()} | {temporary}
    assert events[first - 2 : first + 2] == [
        ("sync", "MANIFEST.json"), ("sync", temporary), ("rename", path.name), ("sync", tmp_path.name),
    ]  # fmt: skip
    (kind, name), *rest = events[first + 2 :]
    assert kind == "sync" and name.startswith(f".tmp-{os.getpid()}-") and name.endswith("-latest")
    assert rest == [("rename", "latest"), ("sync", tmp_path.name)]


def save_forever(folder: Path, pipe: int) -> None:
    for step in range(11, 10**6):
        checkpoint.save(folder, state(step, 100_000))
        os.write(pipe, struct.pack("<q", step))


def test_thirty_kills_at_random_moments_lose_nothing_acknowledged(tmp_path: Path, no_sync: None) -> None:
    draw, interrupted = random.Random(0), 0
    folder = tmp_path / "checkpoints"
    for trial in range(30):
        for path in (folder, *folder.glob("*")) if folder.exists() else ():
            if path.name.startswith("step-"):
                path.rename(tmp_path / f"{trial}-{path.name}")
        checkpoint.save(folder, state(10, 100_000))
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                save_forever(folder, writer)
            os._exit(99)
        os.close(writer)
        first = os.read(reader, 8)  # it is saving by now
        time.sleep(draw.uniform(0.0, 0.02))
        while trial % 2 and not any(name.startswith(".tmp") for name in os.listdir(folder)):
            pass  # every second kill waits for a save to begin
        time.sleep(draw.uniform(0.0, 0.001))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        rest = first
        while data := os.read(reader, 1 << 16):
            rest += data
        os.close(reader)
        (acknowledged,) = struct.unpack("<q", rest[-8:])
        interrupted += any(path.name.startswith(".tmp") for path in folder.iterdir())
        loaded, _, _ = checkpoint.newest(folder)
        assert whole(loaded) and loaded is not None and loaded.step >= acknowledged
        checkpoint.clean(folder)
        assert not list(folder.glob(".*tmp-*"))
    assert interrupted >= 3, "kills must hit saves, else nothing was tested"


def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_nothing_behind(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1))
    code = in_child(lambda: _save_with_limit(tmp_path, 2000))
    assert code == errno.EFBIG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000000001"]
    assert whole(checkpoint.newest(tmp_path)[0])


def _save_with_limit(folder: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        checkpoint.save(folder, state(2, 5000))
    except OSError as error:
        os._exit(error.errno or 1)


class Disk:
    """Stands for `os.write`, until there is room again."""

    def __init__(self) -> None:
        self.full, self.refused, self._write = False, 0, os.write

    def write(self, handle: int, data: bytes) -> int:
        """Write, or say that there is no space left."""
        if self.full:
            self.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(handle, data)


def test_training_continues_while_the_disk_is_full_and_saves_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    monkeypatch.setattr(os, "write", disk.write)
    trainer = toy_trainer(tmp_path, max_steps=40, save_every=10)
    trainer.method.spoil = lambda step: setattr(disk, "full", 12 <= step.index < 25) or False
    assert trainer.train() == "max_steps"
    assert disk.refused == 1
    assert [path.name[-2:] for path in checkpoint.list_steps(tmp_path / "checkpoints")] == ["30", "40"]
    (warning,) = caplog.messages
    assert "step 20 could not be saved" in warning and "No space left" in warning


def test_a_run_whose_end_cannot_be_saved_ends_with_code_74(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toy_trainer(tmp_path, max_steps=5)
    disk = Disk()
    disk.full = True
    monkeypatch.setattr(os, "write", disk.write)
    with pytest.raises(StorageError) as caught:
        trainer.train()
    assert caught.value.code == 74 and disk.refused == 1
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    (folder / "checkpoints").mkdir(parents=True)
    folder.chmod(0o555)
    (folder / "checkpoints").chmod(0o555)

    def check() -> None:
        if os.geteuid() == 0:
            for parent in tmp_path.parents:  # let others pass on the way to the folder
                with contextlib.suppress(OSError):
                    parent.chmod(parent.stat().st_mode | 0o011)
            tmp_path.chmod(0o755)
            os.setuid(65534)
        try:
            RunFolder(folder).check_writable()
        except StorageError as error:
            os._exit(error.code)

    assert in_child(check) == 74


def test_only_one_process_writes_to_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)

    def rival() -> None:
        try:
            with run.locked():
                os._exit(0)
        except StorageError as error:
            os._exit(error.code if f"pid {os.getppid()} on " in str(error) else 1)

    with run.locked():
        assert in_child(rival) == 74
    assert in_child(rival) == 0


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)

    def killed() -> None:
        with run.locked():
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    with run.locked():
        assert f"pid {os.getpid()} on" in (tmp_path / ".lock").read_text()


@pytest.mark.parametrize("earlier", [False, True])
def test_messages_on_a_full_disk_name_the_file_and_only_checkpoints_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, earlier: bool
) -> None:
    trainer = toy_trainer(tmp_path, max_steps=4)
    if earlier:
        checkpoint.save(tmp_path / "checkpoints", trainer.state())
    disk = Disk()
    disk.full = True
    monkeypatch.setattr(os, "write", disk.write)
    with pytest.raises(StorageError) as caught:
        trainer.train()
    file = tmp_path / "checkpoints" / "step-000000004"
    (problem,) = caught.value.problems
    assert problem.path.startswith(str(file)) and "No space left on device" in problem.message
    command = f"--resume {tmp_path}" if earlier else f"-c {tmp_path / 'config.toml'}"
    assert problem.hint == f"Free space on the disk, then type: radfield train {command}"
    warning = next(line for line in caplog.messages if "could not be saved" in line)
    assert str(file) in warning and ("older checkpoints are intact" in warning) == earlier
    assert ("there is no older checkpoint" in warning) != earlier
